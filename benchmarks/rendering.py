"""Drawing and encoding beside the reference implementation's matplotlib animation: same clip, same poses, same width.

PYTHONPATH=. python benchmarks/rendering.py RESULT_FOLDER --video FILE --reference CHECKOUT [--frames 100] [--rounds 3]

RESULT_FOLDER holds tracks.npz, poses3d.npz and video.npz of a run of infer_video.py on FILE. CHECKOUT is your own copy
of github.com/facebookresearch/VideoPose3D; its common/visualization.py is called as its run.py calls it, unchanged. It
needs the programs ffmpeg (at most version 7: newer ones have no option -vsync) and ffprobe on the PATH: those of
Debian 12 or Ubuntu 24.04, or a folder with both in front of the PATH.

Every measurement is a process of its own; the sides take turns, the order changing from round to round. Loading the
poses and importing the libraries is not timed. "CPU" is user and system time of the process and its children, which
other work on the machine changes less than the time by the clock. Peak memory is that of the Python process, without
the reference's ffmpeg, read from /proc (Linux). The reference draws the person seen longest, our picture everybody.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np

from poses import COCO17, Poses3D, Tracks, VideoInfo
from poses.commands import run_command

SIDES = {
    "ours": "decode, draw and encode",
    "reference": "the same by the reference's render_animation",
    "ours-drawing": "draw and encode pictures that are in memory",
    "reference-decoding": "the reference's read_video alone",
}
PARTS = {
    "decode": "decode alone",
    "draw": "draw alone",
    "encode": "encode alone",
}
TRACK_ROWS = {"person_id", "frame", "keypoints_px", "keypoint_score", "observed", "swapped"}
POSE_ROWS = {"person_id", "frame", "timestamps_s", "positions_m", "root_m", "observed"}
Rows = TypeVar("Rows", Tracks, Poses3D)
_DPI = 100  # matplotlib's default: size inches x 2 panels x 100 dots is the width


def main() -> None:
    """Parse arguments, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, metavar="RESULT_FOLDER", help="folder with poses3d.npz of a run")
    parser.add_argument("--video", type=Path, required=True, help="the video of that run")
    parser.add_argument("--reference", type=Path, help="checkout of facebookresearch/VideoPose3D; without it only ours")
    parser.add_argument("--frames", type=int, help="only the first frames of the video (default: all)")
    parser.add_argument("--width", type=int, default=1280, help="pixels, of both pictures (1280)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side (3)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep both movies there to look at")
    parser.add_argument("--measure", choices=[*SIDES, *PARTS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print("\n" + json.dumps(measure(options)))
        return
    if not options.video.is_file():
        sys.exit(f"error: {options.video}: no such video")
    sides = list(SIDES) if options.reference else [side for side in SIDES if side.startswith("ours")]
    if options.reference:
        check_reference(options.reference)
    with tempfile.TemporaryDirectory() as folder:
        keep = options.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        video = options.video if options.frames is None else first_frames(options, Path(folder) / "clip.mp4")
        print(f"load average {os.getloadavg()[0]:.2f} of {os.cpu_count()} processors at the beginning")
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in (*sides, *PARTS)}
        for number in range(options.rounds):
            order = list(runs) if number % 2 == 0 else list(runs)[::-1]
            for side in order:
                runs[side].append(child(options, side, video, keep))
    print_table(runs, options.width)


def check_reference(checkout: Path) -> None:
    """End the program where the reference cannot run."""
    if not (checkout / "common" / "visualization.py").is_file():
        sys.exit(f"error: {checkout}: --reference wants a checkout of facebookresearch/VideoPose3D")
    for program in ("ffmpeg", "ffprobe"):
        if shutil.which(program) is None:
            sys.exit(f"error: the reference calls {program}, which is not on the PATH: apt-get install ffmpeg")
    help_text = subprocess.run(["ffmpeg", "-h", "full"], capture_output=True, text=True, check=False).stdout
    if "-vsync" not in help_text:
        sys.exit("error: the reference calls ffmpeg with -vsync, which this ffmpeg lacks: put version 7 or older first")


def first_frames(options: argparse.Namespace, path: Path) -> Path:
    """A copy of the video's first frames, so that both sides decode the same ones and no more."""
    from pipeline.decode import VideoReader
    from render.outputs import open_output

    info = VideoInfo.load(options.result / "video.npz")
    width, height = info.width // 2 * 2, info.height // 2 * 2
    with VideoReader(options.video) as reader, open_output(path, width, height, crf=14) as writer:
        for frame in reader:
            writer.write(np.ascontiguousarray(frame.image[:height, :width]), frame.time_s)
            if frame.index + 1 == options.frames:
                break
    return path


def child(options: argparse.Namespace, side: str, video: Path, keep: Path) -> dict[str, float]:
    """Measure one side in a fresh process."""
    command = [sys.executable, str(Path(__file__).resolve()), str(options.result), f"--video={video}"]
    command += [f"--measure={side}", f"--width={options.width}", f"--keep={keep}"]
    if options.reference:
        command.append(f"--reference={options.reference}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr.strip()}\nerror: measuring {side} failed")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


@contextmanager
def measured(answer: dict[str, float]) -> Iterator[None]:
    """Put wall and CPU seconds of the block into `answer`, and this process's largest resident set until its end."""
    began_s, began_cpu_s = time.perf_counter(), cpu_seconds()
    yield
    answer["wall_s"] = time.perf_counter() - began_s
    answer["cpu_s"] = cpu_seconds() - began_cpu_s
    # Not ru_maxrss: that of a new process begins with the size of the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    answer["peak_mib"] = int(status.split("VmHWM:")[1].split()[0]) / 1024


def cpu_seconds() -> float:
    usage = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Run one side; frames, seconds and memory."""
    tracks, poses = Tracks.load(options.result / "tracks.npz"), Poses3D.load(options.result / "poses3d.npz")
    movie = options.keep / f"{options.measure}.mp4"
    if options.measure == "reference":
        work = reference_work(options, tracks, poses, movie)
    elif options.measure == "reference-decoding":
        work = reference_decoding(options)
    else:
        work = our_work(options, tracks, poses, movie)
    answer: dict[str, float] = {}
    with measured(answer):
        frames = work()
    if options.measure in ("ours", "reference"):
        with av.open(str(movie)) as container:
            stream = container.streams.video[0]
            if stream.width != options.width or stream.frames != frames:
                sys.exit(f"error: {movie} has {stream.frames} frames of width {stream.width}, expected {frames}")
            answer["height"] = stream.height
    return {**answer, "frames": frames}


def our_work(options: argparse.Namespace, tracks: Tracks, poses: Poses3D, movie: Path) -> Callable[[], int]:
    """One of our sides or parts as a function of nothing that returns the number of frames."""
    from pipeline.decode import VideoReader
    from render import RenderOptions, render_video
    from render.outputs import open_output
    from render.picture import Picture

    with av.open(str(options.video)) as container:
        count = sum(packet.size > 0 for packet in container.demux(video=0))
    info = VideoInfo.load(options.result / "video.npz")
    times_s = info.timestamps_s[:count]
    tracks, poses = until(tracks, count), until(poses, count)
    chosen = RenderOptions(width_px=options.width)

    if options.measure == "decode":

        def decode() -> int:
            with VideoReader(options.video) as reader:
                return sum(1 for _ in reader)

        return decode
    if options.measure == "ours":

        def everything() -> int:
            with VideoReader(options.video) as reader:
                render_video((frame.image for frame in reader), times_s, tracks, poses, movie, chosen)
            return count

        return everything

    with VideoReader(options.video) as reader:
        images = [frame.image for frame in reader]

    def drawing() -> int:
        render_video(images, times_s, tracks, poses, movie, chosen)
        return count

    def pictures() -> Iterator[np.ndarray]:
        picture = Picture((images[0].shape[1], images[0].shape[0]), times_s, tracks, poses, chosen)
        for number, image in enumerate(images):
            yield picture.draw(image, number)

    if options.measure == "ours-drawing":
        return drawing
    if options.measure == "draw":
        return lambda: sum(1 for _ in pictures())
    drawn = list(pictures())

    def encode() -> int:
        height, width = drawn[0].shape[:2]
        with open_output(movie, width, height, crf=chosen.crf, preset=chosen.preset) as writer:
            for image, time_s in zip(drawn, times_s, strict=True):
                writer.write(image, float(time_s))
        return count

    return encode


def until(artifact: Rows, count: int) -> Rows:
    """The rows of the first `count` frames."""
    kept = artifact.frame < count
    names = TRACK_ROWS if isinstance(artifact, Tracks) else POSE_ROWS
    return dataclasses.replace(artifact, **{name: getattr(artifact, name)[kept] for name in names})


def reference_module(options: argparse.Namespace) -> Any:
    sys.path.insert(0, str(options.reference.resolve()))
    from common import visualization

    return visualization


def reference_decoding(options: argparse.Namespace) -> Callable[[], int]:
    """The reading of the video that is a part of `render_animation`."""
    visualization = reference_module(options)
    # A list, because render_animation keeps all frames too.
    return lambda: len(list(visualization.read_video(str(options.video))))


def reference_work(options: argparse.Namespace, tracks: Tracks, poses: Poses3D, movie: Path) -> Callable[[], int]:
    """`render_animation` with the arguments that the reference's run.py gives for videos in the wild."""
    visualization = reference_module(options)
    from common.skeleton import Skeleton

    frames = len(VideoInfo.load(options.result / "video.npz").timestamps_s)
    person = max(poses.people(), key=lambda one: len(poses.rows_of(one)))
    rows, track_rows = poses.rows_of(person), tracks.rows_of(person)
    upright_m = every_frame(poses.positions_m[rows] @ poses.world_from_camera[:3, :3].T, poses.frame[rows], frames)
    upright_m[..., 2] -= upright_m[..., 2].min()
    keypoints_px = every_frame(tracks.keypoints_px[track_rows], tracks.frame[track_rows], frames)
    sides = [[i for i, name in enumerate(COCO17.joints) if name.startswith(side)] for side in ("left_", "right_")]
    body_sides = [
        [i for i, name in enumerate(poses.skeleton.joints) if name.startswith(side)] for side in ("left_", "right_")
    ]
    with av.open(str(options.video)) as container:
        stream = container.streams.video[0]
        viewport = (stream.width, stream.height)

    def animate() -> int:
        visualization.render_animation(
            keypoints_px,
            {"layout_name": "coco", "num_joints": len(COCO17), "keypoints_symmetry": sides},
            {"Reconstruction": upright_m},
            Skeleton(list(poses.skeleton.parents), *body_sides),
            None,
            3000,
            70.0,
            str(movie),
            viewport,
            limit=-1,
            downsample=1,
            size=options.width / 2 / _DPI,
            input_video_path=str(options.video),
            input_video_skip=0,
        )
        with av.open(str(movie)) as container:
            return container.streams.video[0].frames

    return animate


def every_frame(values: np.ndarray, frame: np.ndarray, frames: int) -> np.ndarray:
    """(frames, J, C) float64: rows of some frames on all of them, between and beyond them by interpolation."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    filled = np.empty((frames, flat.shape[1]))
    for column, line in enumerate(flat.T):
        known = np.isfinite(line)
        filled[:, column] = np.interp(np.arange(frames), frame[known], line[known])
    return filled.reshape(frames, *values.shape[1:])


def print_table(runs: dict[str, list[dict[str, float]]], width: int) -> None:
    """A line for each side and part, then the ratios of runs of the same round: median (smallest to largest)."""
    for side, answers in runs.items():
        counts = {int(answer["frames"]) for answer in answers}
        if len(counts) > 1 or counts != {int(runs["ours"][0]["frames"])}:
            sys.exit(f"error: {side} has {counts} frames, ours {runs['ours'][0]['frames']}")
    frames = int(runs["ours"][0]["frames"])
    sizes = [f"{side} {width}x{int(runs[side][0]['height'])}" for side in ("ours", "reference") if side in runs]
    print(f"{frames} frames, {', '.join(sizes)}, load average {os.getloadavg()[0]:.2f} at the end\n")
    print("| side | what | wall, ms a frame | CPU, ms a frame | peak memory |")
    print("|---|---|---|---|---|")
    for side, answers in runs.items():
        wall, cpu = ([1000 * answer[key] / frames for answer in answers] for key in ("wall_s", "cpu_s"))
        peak = max(answer["peak_mib"] for answer in answers)
        print(f"| {side} | {SIDES.get(side) or PARTS[side]} | {spread(wall, 2)} | {spread(cpu, 2)} | {peak:.0f} MiB |")
    if "reference" not in runs:
        return
    print("\n| reference / ours | wall | CPU |")
    print("|---|---|---|")
    for name, ours, less in (("with decoding", "ours", None), ("drawing and encoding", "ours-drawing", "decoding")):
        cells = []
        for key in ("wall_s", "cpu_s"):
            theirs = [answer[key] for answer in runs["reference"]]
            if less:
                theirs = [all_s - part[key] for all_s, part in zip(theirs, runs["reference-decoding"], strict=True)]
            cells.append(spread([a / b[key] for a, b in zip(theirs, runs[ours], strict=True)], 1))
        print(f"| {name} | {' | '.join(cells)} |")


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    sys.exit(run_command(main))
