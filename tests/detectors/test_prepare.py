"""Human3.6M's videos and projected joints to COCO-keypoints JSON, on tiny videos named as the dataset's."""

import json
from pathlib import Path

import numpy as np
import pytest

from detectors.coco_data import KeypointDataset, read_image
from detectors.movie import MovieWriter
from detectors.prepare import H36M_CAMERAS, main
from poses import H36M17

SIZE, FRAMES = 64, 12


def brightness(frame: int) -> int:
    return 20 + 15 * frame


def make_video(path: Path, frames: int = FRAMES) -> None:
    """Frame n is grey, of a brightness that tells n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = MovieWriter(path, SIZE, SIZE)
    for frame in range(frames):
        writer.write(np.full((SIZE, SIZE, 3), brightness(frame), np.uint8), frame / 50)
    writer.finish()


def keypoints(camera: int) -> np.ndarray:
    """(T, 17, 2): joint j of frame n at (10 + j + n, 20 + camera + 2 j)."""
    joints, frames = np.arange(17.0), np.arange(float(FRAMES))
    x = 10 + joints[None] + frames[:, None]
    return np.stack([x, np.broadcast_to(20 + camera + 2 * joints, x.shape)], axis=-1).astype(np.float32)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for camera in H36M_CAMERAS[:2]:
        make_video(tmp_path / "videos" / "S1" / "Videos" / f"TakingPhoto 1.{camera}.mp4")
    make_video(tmp_path / "videos" / "S1" / "Videos" / f"_ALL 1.{H36M_CAMERAS[0]}.mp4", 2)
    return tmp_path / "videos"


def write_archive(path: Path, safe: bool, subject: str = "S1") -> Path:
    cameras = [keypoints(n) for n in range(4)]
    if safe:
        arrays = {f"{subject}/Photo 1/{n}": array for n, array in enumerate(cameras)}
        np.savez(path, format=np.array("positions_2d"), metadata=np.array("{}"), **arrays)
    else:
        np.savez(path, positions_2d={subject: {"Photo 1": cameras}}, metadata={"num_joints": 17})  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("safe", [True, False], ids=["safe form", "published form"])
def test_every_nth_frame_becomes_a_picture_with_its_joints_and_box(tmp_path: Path, videos: Path, safe: bool) -> None:
    data = write_archive(tmp_path / "data_2d_h36m_gt.npz", safe)
    output = tmp_path / "out"
    where = tmp_path if safe else data
    assert main(["h36m", "--videos", str(videos), "--data", str(where), "-o", str(output), "--every", "5"]) == 0
    dataset = KeypointDataset.load(output / "annotations.json", output / "images")
    assert dataset.skeleton is H36M17
    assert len(dataset) == 2 * 3
    frames = {entry["id"]: entry for entry in json.loads((output / "annotations.json").read_text())["images"]}
    for sample in dataset.samples:
        entry = frames[sample.image_id]
        frame, camera = entry["frame"], 0 if H36M_CAMERAS[0] in entry["file_name"] else 1
        assert (entry["subject"], entry["action"], frame % 5) == ("S1", "Photo 1", 0)
        assert np.abs(read_image(sample.image_path).astype(int) - brightness(frame)).mean() < 4
        np.testing.assert_allclose(sample.keypoints_px, keypoints(camera)[frame], atol=1e-3)
        x1, y1 = 10.5 + frame - 0.08 * 32, 20.5 + camera - 0.08 * 32
        np.testing.assert_allclose(sample.box_px, [x1, y1, x1 + 16 + 0.16 * 32, y1 + 32 + 0.16 * 32], atol=1e-2)
        assert (sample.visibility == 2).all()


def test_joints_outside_the_picture_are_not_labelled(tmp_path: Path, videos: Path) -> None:
    cameras = [keypoints(n) for n in range(4)]
    cameras[0][:, :5, 0] = -3
    np.savez(
        tmp_path / "a.npz", format=np.array("positions_2d"), **{f"S1/Photo 1/{n}": a for n, a in enumerate(cameras)}
    )
    output = tmp_path / "out"
    arguments = ["h36m", "--videos", str(videos), "--data", str(tmp_path / "a.npz"), "-o", str(output)]
    assert main(arguments) == 0
    first = KeypointDataset.load(output / "annotations.json", output / "images")[0]
    assert first.visibility.tolist() == [0] * 5 + [2] * 12
    assert first.box_px[0] == 0


class Evil:
    def __reduce__(self) -> tuple:
        return (print, ("run",))


def test_what_does_not_fit_is_one_line(tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_archive(tmp_path / "good.npz", True)
    np.savez(tmp_path / "three.npz", format=np.array("positions_3d"), **{"S1/Walking": np.zeros((3, 32, 3))})
    np.savez(tmp_path / "evil.npz", positions_2d=Evil())  # type: ignore[arg-type]
    other = write_archive(tmp_path / "other.npz", True, "S5")
    np.savez(tmp_path / "joints.npz", format=np.array("positions_2d"), **{"S1/Photo 1/0": np.zeros((3, 15, 2))})
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:500])

    def error(data: Path, folder: Path = videos, *more: str) -> str:
        code = main(["h36m", "--videos", str(folder), "--data", str(data), "-o", str(tmp_path / "out"), *more])
        assert code == (2 if more else 1)
        return capsys.readouterr().err

    assert "holds 3D positions" in error(tmp_path / "three.npz")
    assert "which is not array data" in error(tmp_path / "evil.npz")
    assert "lacks subject S1" in error(other)
    assert "(frames, 17, 2)" in error(tmp_path / "joints.npz")
    assert "not a readable npz archive" in error(tmp_path / "cut.npz")
    assert "no such file" in error(tmp_path / "none.npz")
    assert "no such folder" in error(good, tmp_path / "none")
    assert "holds no folder of a subject" in error(good, tmp_path)
    assert "--every must be at least 1" in error(good, videos, "--every", "0")
    (videos / "S6").mkdir()
    assert "S6: holds no video named" in error(good)


def test_a_video_of_another_length_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = tmp_path / "videos"
    make_video(videos / "S1" / f"Photo 1.{H36M_CAMERAS[0]}.mp4", FRAMES + 40)
    data = write_archive(tmp_path / "data.npz", True)
    assert main(["h36m", "--videos", str(videos), "--data", str(data), "-o", str(tmp_path / "out")]) == 1
    assert "has 52 frames, its keypoints 12" in capsys.readouterr().err
