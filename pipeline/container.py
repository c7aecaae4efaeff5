"""Opening a local video file, and telling the user in one line why one cannot be opened.

Only containers that hold their pictures themselves are opened. Playlists, manifests, concatenation scripts, image
sequences and streams name other files or hosts, and a file from a stranger must not make the program read those.
Three locks keep it so: the name is passed behind `file:`, so that no part of it is read as a protocol; `file` is the
only protocol that libav may use; and the demuxer must stand on a list, which libav checks before the demuxer reads.
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from poses.errors import InputError

VIDEO_DEMUXERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "mxf", "nut", "ivf", "dv"),
    *("wtv", "rm", "gif", "h264", "hevc", "vvc", "av1", "obu", "m4v", "mjpeg", "vc1", "yuv4mpegpipe"),
)
"""Demuxers that read pictures out of the one file they are given, by one of the names libav knows them by."""

AUDIO_DEMUXERS = ("aac", "aiff", "flac", "mp3", "wav")
"""Opened only to be able to say that the file holds sound and no picture."""

CONVERT_REMEDY = "check that it plays, then export or copy it again"


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes in hex, read in pieces. `InputError` where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check the path and its permissions") from None


def check_video_file(path: Path) -> None:
    """`InputError` unless `path` is a readable regular file with something in it."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path}: expected a video file, got a folder", "name a file in it, or a folder of videos")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: expected a video file, got a device or a pipe", "save the video to a file first")
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file", "check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: cannot be read ({reason})", "check the name and its permissions") from None
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)", "copy or record it again")


def open_container(path: Path) -> InputContainer:
    """Open a checked video file.

    Errors: `InputError` for a playlist or image, for something that is no video, and for a damaged header.
    """
    check_video_file(path)
    locks = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join((*VIDEO_DEMUXERS, *AUDIO_DEMUXERS)),
    }
    try:
        return av.open(f"file:{path}", container_options=locks, metadata_errors="replace")
    except UnicodeEncodeError:
        raise InputError(f"{str(path)!r}: the name is not valid UTF-8", "rename the file") from None
    except av.error.ArgumentError:
        raise InputError(
            f"{path}: expected a video, got a playlist, an image, a text or another kind of file",
            "name the video files themselves",
        ) from None
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(
            f"{path}: not a video, or its header is missing or damaged ({_reason(error)})", CONVERT_REMEDY
        ) from None


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream that is not a cover picture; `InputError` where there is none or no decoder for it."""
    cover = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        held = sorted({stream.type for stream in container.streams if stream.type in ("audio", "subtitle", "data")})
        raise InputError(
            f"{path}: holds no video stream (only {', '.join(held) or 'nothing that can be read'})",
            "choose a file with pictures",
        )
    if streams[0].codec_context is None:
        raise InputError(
            f"{path}: there is no decoder for its video codec",
            "convert it, for example to H.264, and run again",
        )
    return streams[0]


def _reason(error: OSError | av.error.FFmpegError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
