"""Numbered images and GIFs read back by Pillow and OpenCV; names, and what stands in the way."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from poses import InputError, UsageError
from render import gif
from render.outputs import OUTPUT_FORMATS, format_of_output, open_output
from render.sound import Sound
from tests.render.moving_column import BACKGROUND, COLUMN, IRREGULAR_S, SIZE, column_frames, column_left


def write(path: str | Path, times_s: np.ndarray, size: tuple[int, int] = SIZE) -> None:
    with open_output(path, *size) as writer:
        for image, time_s in zip(column_frames(len(times_s), size), times_s, strict=True):
            writer.write(image, float(time_s))


def gif_frames(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """(H, W, 3) BGR pictures and their durations in milliseconds, by Pillow."""
    images, durations = [], []
    with Image.open(path) as movie:
        assert movie.info["loop"] == 0
        for frame in ImageSequence.Iterator(movie):
            images.append(np.asarray(frame.convert("RGB"))[..., ::-1])
            durations.append(frame.info["duration"])
    return images, durations


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.mp4", "mp4"),
        ("b/A.WebM", "webm"),
        ("c.d.gif", "gif"),
        ("walk_frames", "png"),
        ("walk/", "png"),
        ("walk/%04d.png", "png"),
    ],
)
def test_format_of_a_name(name: str, known: str) -> None:
    assert format_of_output(name) == known


@pytest.mark.parametrize("name", ["a.avi", "a.png", "a", "mp4", "%04d.jpg"])
def test_unknown_ending_lists_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_output(tmp_path / name, *SIZE)
    assert all(ending in str(caught.value) for ending in (".mp4", ".webm", ".gif", "%06d.png"))


def test_values_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown output format 'flv': known: mp4, webm, gif, png"):
        open_output(tmp_path / "a.mp4", *SIZE, format="flv")
    with pytest.raises(UsageError, match="preset 'swift' is unknown: known: ultrafast"):
        open_output(tmp_path / "a.webm", *SIZE, preset="swift")
    with pytest.raises(UsageError, match="crf must lie between 0 and 51, got 52"):
        open_output(tmp_path / "a.webm", *SIZE, crf=52)
    for name in ("a.gif", "a_frames"):
        with pytest.raises(UsageError, match="holds no sound: leave the sound out, or choose mp4 or webm"):
            open_output(tmp_path / name, *SIZE, sound=Sound(tmp_path / "a.mp4"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [f"out{ending}" for ending, _ in OUTPUT_FORMATS.values()])
def test_format_by_name_writes_any_path(tmp_path: Path, name: str) -> None:
    known = format_of_output(name)
    with open_output(tmp_path / "plain", *SIZE, format=known) as writer:
        writer.write(column_frames(1)[0], 0.0)
    assert (tmp_path / "plain").is_dir() == (known == "png")


def test_images_and_their_times(tmp_path: Path) -> None:
    write(tmp_path / "walk_frames", 2.0 + IRREGULAR_S)
    with open(tmp_path / "walk_frames" / "times.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    np.testing.assert_allclose([float(row["time_s"]) for row in rows], 2.0 + IRREGULAR_S, atol=1e-6)
    assert [row["file"] for row in rows] == [f"{index:06d}.png" for index in range(len(IRREGULAR_S))]
    for row, image in zip(rows, column_frames(len(rows)), strict=True):
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / "walk_frames" / row["file"])), image)
    assert len(list((tmp_path / "walk_frames").iterdir())) == len(rows) + 1
    assert list(tmp_path.iterdir()) == [tmp_path / "walk_frames"]


def test_pattern_of_names(tmp_path: Path) -> None:
    write(tmp_path / "walk" / "step_%03d.png", np.arange(2.0))
    assert sorted(path.name for path in (tmp_path / "walk").iterdir()) == ["step_000.png", "step_001.png", "times.csv"]
    for bad in ("walk/%d_%d.png", "walk/%s.png", "walk/100%.png"):
        with pytest.raises(UsageError, match="expected one number in the name"):
            open_output(tmp_path / bad, *SIZE)
    with pytest.raises(UsageError, match=r"a folder of their own: write NAME/%04d\.png"):
        open_output("%04d.png", *SIZE)


def test_earlier_images_are_replaced_and_other_files_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "walk_frames"
    write(folder, np.arange(5.0))
    write(folder, np.arange(2.0))
    assert sorted(path.name for path in folder.iterdir()) == ["000000.png", "000001.png", "times.csv"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"walk_frames: .*holds other files too \(such as notes\.txt\): remove it"):
        write(folder, np.arange(1.0))
    assert (folder / "notes.txt").read_text() == "mine"
    (tmp_path / "file_frames").write_text("")
    with pytest.raises(InputError, match="file_frames: expected a folder"):
        write(tmp_path / "file_frames", np.arange(1.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file_frames", "walk_frames"]


def test_gif_keeps_colours_and_places(tmp_path: Path) -> None:
    path = tmp_path / "out.gif"
    write(path, np.arange(8) / 10)
    images, _ = gif_frames(path)
    assert len(images) == 8
    for index, image in enumerate(images):
        left = column_left(index)
        assert image.shape == (SIZE[1], SIZE[0], 3)
        np.testing.assert_allclose(image[:, left : left + 4].mean(axis=(0, 1)), COLUMN, atol=3)
        np.testing.assert_allclose(image[:, left + 4 :].mean(axis=(0, 1)), BACKGROUND, atol=3)


def test_gif_has_one_good_palette_and_does_not_flicker(tmp_path: Path) -> None:
    """A smooth picture that stands still below a small thing that moves: 256 colours must do, and must stay."""
    ramp = np.linspace(0, 255, 192)
    across, down = np.meshgrid(ramp, ramp[:144])
    still = np.stack([across, down, 255 - across], axis=-1).astype(np.uint8)
    path, shown = tmp_path / "out.gif", []
    with open_output(path, 192, 144) as writer:
        for index in range(12):
            image = still.copy()
            image[100:110, 10 * index : 10 * index + 8] = (0, 255, 255)
            shown.append(image)
            writer.write(image, index / 20)
    images, _ = gif_frames(path)
    for image, wanted in zip(images, shown, strict=True):
        # What 256 evenly spread colours (8 x 8 x 4) would give is 28 dB.
        assert cv2.PSNR(np.ascontiguousarray(image), wanted) > 30
    np.testing.assert_array_equal(images[0][:90], images[-1][:90])
    np.testing.assert_array_equal(images[5][:90], images[6][:90])
    # Each frame but the first holds only what has changed, in the palette of the file.
    assert path.stat().st_size < 30_000


def test_gif_times_do_not_drift(tmp_path: Path) -> None:
    path = tmp_path / "out.gif"
    times_s = 3.0 + np.arange(100) / 29.97
    write(path, times_s)
    _, durations = gif_frames(path)
    assert set(durations) == {30, 40}
    ends_ms = np.cumsum(durations[:-1])
    np.testing.assert_allclose(ends_ms, (times_s[1:] - times_s[0]) * 1000, atol=5.01)


def test_gif_irregular_and_fast_times(tmp_path: Path) -> None:
    """Frames less than 0.03 s after the one before are left out; the others begin when they should."""
    path = tmp_path / "out.gif"
    write(path, IRREGULAR_S)
    _, durations = gif_frames(path)
    kept_s = IRREGULAR_S[[0, 1, 2, 3, 5, 7, 8, 9]]
    np.testing.assert_allclose(np.cumsum(durations[:-1]), kept_s[1:] * 1000, atol=5.01)
    write(path, np.arange(120) / 60)
    _, durations = gif_frames(path)
    assert len(durations) == 60
    assert sum(durations) == pytest.approx(2000, abs=20)


def test_gif_of_one_frame_and_of_equal_frames(tmp_path: Path) -> None:
    path = tmp_path / "out.gif"
    write(path, np.zeros(1))
    with Image.open(path) as movie:
        assert movie.size == SIZE
    with open_output(path, *SIZE) as writer:
        for index in range(10):
            writer.write(np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), index / 10)
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(1.0, abs=0.011)


@pytest.mark.parametrize("codec", [known[0] for known in gif._SPOOLS])
def test_either_waiting_codec_gives_the_same_gif(tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "usual.gif", IRREGULAR_S)
    monkeypatch.setattr(gif, "_SPOOLS", tuple(known for known in gif._SPOOLS if known[0] == codec))
    write(tmp_path / "other.gif", IRREGULAR_S)
    assert (tmp_path / "other.gif").read_bytes() == (tmp_path / "usual.gif").read_bytes()


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (33, 48)], ids=str)
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    for name in ("out.gif", "out_frames", "out.mp4", "out.webm"):
        write(tmp_path / name, np.arange(3) / 10, size)
    with Image.open(tmp_path / "out.gif") as movie:
        assert movie.size == size
    assert cv2.imread(str(tmp_path / "out_frames" / "000002.png")).shape == (size[1], size[0], 3)
    for name in ("out.mp4", "out.webm"):
        with av.open(str(tmp_path / name)) as container:
            images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        assert [image.shape for image in images] == 3 * [(size[1] + size[1] % 2, size[0] + size[0] % 2, 3)]
