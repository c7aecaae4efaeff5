"""Weights by name: fetching from a server on this machine, which breaks off, changes or damages the file."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from detectors.weights import CATALOGUE, WeightFile, find_weights, get_weights, resolve_weights, weights_folder
from detectors.weights.__main__ import main
from poses import InputError, UsageError
from tests.detectors.file_server import FileServer, serve

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve(CONTENT) as running:
        yield running


def entry(server: FileServer, path: str = "net-1a2b.pth", **fields: object) -> WeightFile:
    made = WeightFile(
        name="net",
        detectors=("rtmpose",),
        summary="",
        url=server.url(path),
        page="",
        licence="",
        trained_on="",
        about_mb=3,
    )
    return dataclasses.replace(made, **fields)  # type: ignore[arg-type]


def left_over(cache: Path) -> list[str]:
    return sorted(path.name for path in weights_folder(cache).iterdir())


def test_fetched_once_and_found(server: FileServer, tmp_path: Path) -> None:
    file = entry(server, sha256=SHA256, size_bytes=len(CONTENT))
    assert find_weights(file, tmp_path) is None
    place = get_weights(file, tmp_path)
    assert place == weights_folder(tmp_path) / "net-1a2b.pth"
    assert place.read_bytes() == CONTENT
    assert get_weights(file, tmp_path) == place == find_weights(file, tmp_path)
    assert len(server.ranges) == 1
    assert left_over(tmp_path) == ["net-1a2b.pth", "net-1a2b.pth.json"]


def test_goes_on_after_the_connection_broke(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 700_000]
    seen: list[tuple[int, int | None]] = []
    place = get_weights(entry(server, sha256=SHA256), tmp_path, lambda have, total: seen.append((have, total)))
    assert place.read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=1000000-", "bytes=1700000-"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_later_run_goes_on(server: FileServer, tmp_path: Path) -> None:
    # The second connection gives nothing at all, so the first run ends.
    server.cuts = [1_000_000, 0]
    file = entry(server, sha256=SHA256)
    with pytest.raises(InputError, match="broke off after 1000000 of 3000000 bytes"):
        get_weights(file, tmp_path)
    assert find_weights(file, tmp_path) is None
    assert get_weights(file, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=1000000-", "bytes=1000000-"]


def test_parts_of_two_versions_are_not_joined(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [1_000_000, 0]
    file = entry(server)
    with pytest.raises(InputError, match="broke off"):
        get_weights(file, tmp_path)
    server.content, server.etag = CONTENT[::-1], '"second"'
    assert get_weights(file, tmp_path).read_bytes() == CONTENT[::-1]


def test_without_an_etag_it_begins_again(server: FileServer, tmp_path: Path) -> None:
    server.etag = ""
    server.cuts = [1_000_000, 0]
    file = entry(server, sha256=SHA256)
    with pytest.raises(InputError, match="broke off"):
        get_weights(file, tmp_path)
    assert get_weights(file, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", "", ""]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sha256": SHA256}, f"expected sha256 {SHA256}"),
        ({"hash_prefix": SHA256[:8]}, f"expected sha256 to begin with {SHA256[:8]}"),
        ({"hash_prefix": hashlib.md5(CONTENT).hexdigest()[:6], "hash_kind": "md5"}, "expected md5 to begin with"),
    ],
)
def test_damaged_file_is_refused_and_removed(
    server: FileServer, tmp_path: Path, fields: dict[str, str], message: str
) -> None:
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    file = entry(server, **fields)
    with pytest.raises(InputError, match=message):
        get_weights(file, tmp_path)
    assert left_over(tmp_path) == []
    server.content = CONTENT
    assert get_weights(file, tmp_path).read_bytes() == CONTENT


def test_file_of_another_length_is_not_even_fetched(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3000000 bytes there, but 5 are expected"):
        get_weights(entry(server, size_bytes=5), tmp_path)
    assert left_over(tmp_path) == []


def test_without_a_published_hash_the_first_download_is_remembered(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = entry(server)
    place = get_weights(file, tmp_path)
    assert SHA256 in caplog.text
    place.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(InputError, match=f"expected sha256 {SHA256}"):
        get_weights(file, tmp_path)
    server.content = CONTENT
    assert get_weights(file, tmp_path) == place


@pytest.mark.parametrize("status", [404, 500])
def test_unreachable_says_what_to_fetch_and_where_to_put_it(server: FileServer, tmp_path: Path, status: int) -> None:
    file = entry(server, sha256=SHA256)
    server.status = status
    with pytest.raises(InputError) as caught:
        get_weights(file, tmp_path)
    for part in (str(status), file.url, str(tmp_path / "weights" / "net-1a2b.pth"), SHA256):
        assert part in str(caught.value)


def test_offline(tmp_path: Path) -> None:
    with serve(CONTENT) as server:
        file = entry(server)
    with pytest.raises(InputError, match=r"cannot be fetched .*refused.*by hand and put it at"):
        get_weights(file, tmp_path)


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_wanted_part_of_an_archive(server: FileServer, tmp_path: Path) -> None:
    server.content = zipped({"2023/net/end2end.onnx": CONTENT, "2023/net/deploy.json": b"{}", "../../evil": b""})
    file = entry(server, "net-00000000.zip", member="end2end.onnx")
    place = get_weights(file, tmp_path)
    assert place == tmp_path / "weights" / "net.onnx"
    assert place.read_bytes() == CONTENT
    assert left_over(tmp_path) == ["net.onnx", "net.onnx.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT, "no .zip file"),
        (zipped({"other": b""}), "expected one end2end.onnx in it, found 0"),
        (zipped({"a/end2end.onnx": b"a", "b/end2end.onnx": b"b"}), "found 2"),
        (zipped({"end2end.onnx": CONTENT}).replace(CONTENT[:100], bytes(100)), "Bad CRC"),
    ],
)
def test_archive_that_is_none(server: FileServer, tmp_path: Path, content: bytes, message: str) -> None:
    server.content = content
    with pytest.raises(InputError, match=message):
        get_weights(entry(server, "net.zip", member="end2end.onnx"), tmp_path)
    assert left_over(tmp_path) == []


def test_put_there_by_hand(server: FileServer, tmp_path: Path) -> None:
    plain = entry(server, sha256=SHA256)
    packed = entry(server, "packed.zip", name="packed", member="end2end.onnx")
    folder = weights_folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "net-1a2b.pth").write_bytes(CONTENT)
    (folder / "packed.zip").write_bytes(zipped({"x/end2end.onnx": b"network"}))
    assert find_weights(plain, tmp_path) == folder / "net-1a2b.pth"
    found = find_weights(packed, tmp_path)
    assert found is not None
    assert found.read_bytes() == b"network"
    assert server.ranges == []


def test_wrong_file_put_there_by_hand_is_named_and_kept(server: FileServer, tmp_path: Path) -> None:
    place = weights_folder(tmp_path) / "net-1a2b.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"not it")
    with pytest.raises(InputError, match=r"net-1a2b\.pth: expected sha256 .*remove it"):
        find_weights(entry(server, sha256=SHA256), tmp_path)
    assert place.exists()


def test_resolving(tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(b"")
    assert resolve_weights(str(mine), "rtmpose-m", "rtmpose", tmp_path) == mine
    with pytest.raises(InputError) as caught:
        resolve_weights(None, "rtmpose-m", "rtmpose", tmp_path)
    file = CATALOGUE["rtmpose-m"]
    place = tmp_path / "weights" / "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.zip"
    for part in ("python -m detectors.weights get rtmpose-m", file.url, str(place)):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"nosuch: no such file.*rtmdet-nano"):
        resolve_weights("nosuch", None, "rtmpose", tmp_path)
    with pytest.raises(UsageError, match="are for keypointrcnn, not for rtmpose"):
        resolve_weights("keypointrcnn-r50", None, "rtmpose", tmp_path)
    with pytest.raises(UsageError, match="hourglass has no usual weights"):
        resolve_weights(None, None, "hourglass", tmp_path)


def test_cache_folder_of_the_environment(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSES3D_CACHE", str(tmp_path / "there"))
    assert get_weights(entry(server)) == tmp_path / "there" / "weights" / "net-1a2b.pth"


def test_catalogue_is_sound() -> None:
    assert len({file.url for file in CATALOGUE.values()}) == len(CATALOGUE)
    assert len({file.file_name for file in CATALOGUE.values()}) == len(CATALOGUE)
    for name, file in CATALOGUE.items():
        assert file.name == name
        assert urlsplit(file.url).scheme == "https"
        assert file.licence
        assert file.page
        assert file.about_mb > 0
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        # torchvision's and OpenMMLab's file names hold the beginning of the SHA-256, detectron2's that of the MD5.
        stated = re.search(r"[-_]([0-9a-f]{6,8})(_\d{8})?\.(pth|pkl)$", file.download_name)
        assert file.hash_prefix == (stated[1] if stated else "")
        assert file.sha256 is None or file.sha256.startswith(file.hash_prefix)
        assert bool(file.member) == file.url.endswith(".zip")


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--detector", "maskrcnn-d2", "--cache", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "COCO-Keypoints/keypoint_rcnn_R_101_FPN_3x/138363331/model_final_997cc7.pkl" in shown
    assert "MD5 begins with 997cc7" in shown
    assert "not fetched" in shown
    assert main(["get", "nosuch"]) == 2
    assert "no weights of the name 'nosuch'" in capsys.readouterr().err
    assert main(["list", "--detector", "nosuch"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_command_runs_as_a_module_without_warnings(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "detectors.weights", "list", "--cache", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert str(tmp_path / "weights") in done.stdout
