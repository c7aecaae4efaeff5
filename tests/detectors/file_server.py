"""A small HTTP server that gives one file, in parts if asked for, and breaks off where a test wants it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FileServer(ThreadingHTTPServer):
    """Serves `content` at every path.

    Attributes
    ----------
    content, etag : the file, and what tells its versions apart; no ETag is sent where it is empty.
    cuts : for each coming answer the number of bytes after which the connection is closed; none: the whole file.
    ranges : the Range field of each request that came, empty where there was none.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.etag = '"first"'
        self.cuts: list[int] = []
        self.ranges: list[str] = []
        self.status = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle, as some tests do, is no news; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/models/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.ranges.append(wanted)
        if self.server.status:
            self.send_error(self.server.status)
            return
        whole = self.server.content
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and self.headers.get("If-Range") not in (None, self.server.etag):
            start = 0
        if start >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        end = start + self.server.cuts.pop(0) if self.server.cuts else len(whole)
        self.wfile.write(whole[start:end])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serve(content: bytes) -> Iterator[FileServer]:
    """A running server on a free port of this machine."""
    server = FileServer(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
