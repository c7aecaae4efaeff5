"""How fast each stage is, and how much memory it takes: `python benchmarks/stages.py [VIDEO]`.

Every measurement is a process of its own that finds the artifacts of the stages before it ready and none of its own,
loads its models, and times one stage. So the peak memory (the process's largest
resident set) is that stage's, the interpreter and the libraries included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
STAGES = {
    "decode": "read every frame of the video",
    "detect": "the same, and find people in each frame",
    "track": "give them identities, clean their keypoints",
    "lift": "2D to 3D, with the ground",
    "ground": "the world's axes alone",
    "render": "read the video again, draw and encode",
}


def main() -> int:
    """Parse arguments, measure, print the table."""
    parser = argparse.ArgumentParser(description="Time each stage and print frames per second and peak memory.")
    parser.add_argument(
        "video", nargs="?", type=Path, help="the video (default: the sample clip, downloaded if need be)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each stage (3)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="which stages (all)")
    parser.add_argument("--end", type=float, help="stop after this many seconds of the video")
    parser.add_argument("--lifter", help="weights, as for infer_video.py")
    parser.add_argument("--device", default="auto", help="as for infer_video.py")
    parser.add_argument("--measure", metavar="STAGE", choices=[*STAGES, "all"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if arguments.measure:
        print(json.dumps(measure(arguments)))
        return 0
    if arguments.video is None:
        arguments.video = Path(python_output("-m", "pipeline.sample").strip())
    with tempfile.TemporaryDirectory() as folder:
        print(f"{arguments.video}: running once to prepare", file=sys.stderr)
        child(arguments, "all", folder)
        results = {}
        for stage in arguments.stages:
            print(f"measuring {stage}", file=sys.stderr)
            results[stage] = [child(arguments, stage, folder) for _ in range(arguments.repeats)]
    print_table(results)
    return 0


def python_output(*arguments: str) -> str:
    """What this Python prints for `arguments`, run in the checkout; ends the program where that fails."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def child(arguments: argparse.Namespace, stage: str, folder: str) -> dict[str, Any]:
    """Measure one stage in a fresh process."""
    options = [f"--{name}={value}" for name in ("end", "lifter", "device") if (value := getattr(arguments, name))]
    video = str(arguments.video.resolve())
    output = python_output(str(Path(__file__).resolve()), video, f"--measure={stage}", f"--folder={folder}", *options)
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one stage (or everything, to prepare) and return its frames, seconds and this process's peak memory."""
    from pipeline import Config, resolve_config, run_video
    from pipeline.models import Models
    from pipeline.place import Place

    flags = {"device": arguments.device, "decode.end_s": arguments.end, "lifter": arguments.lifter}
    config: Config = resolve_config(flags={name: value for name, value in flags.items() if value is not None})
    with Models(config) as models:
        if arguments.measure == "all":
            run_video(arguments.video, arguments.folder, config, name="clip", models=models)
            return {}
        work = stage_work(arguments.measure, Place(arguments.video, "clip", arguments.folder / "clip"), config, models)
        began_s = time.perf_counter()
        frames = work()
        seconds = time.perf_counter() - began_s
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"frames": frames, "seconds": seconds, "peak_mib": peak_kib / 1024}


def stage_work(stage: str, place: Any, config: Any, models: Any) -> Callable[[], int]:
    """The stage as a function of nothing that returns the number of frames, its models loaded."""
    from pipeline import stages
    from pipeline.decode import VideoReader
    from pipeline.progress import QuietProgress
    from poses import VideoInfo

    info, quiet = VideoInfo.load(place.video), QuietProgress()
    angles = (config.camera.pitch_deg, config.camera.roll_deg)
    if stage == "decode":
        return lambda: sum(1 for _ in VideoReader(place.source, config.decode.start_s, config.decode.end_s))
    if stage == "detect":
        detector = models.detector()
        return lambda: stages.detect_people(
            place, info.source_sha256, config.decode, detector, config.batch_frames, ("", "benchmark"), quiet
        )
    if stage == "track":
        return lambda: stages.track_people(place, config.track, config.people, "")
    if stage == "lift":
        lifter, camera = models.lifter(), stages.choose_intrinsics(config.camera, info)
        return lambda: stages.lift_people(place, config.lift, camera, angles, lifter, "")
    if stage == "ground":
        return lambda: stages.ground_people(place, angles, "")
    return lambda: stages.render_movie(place, config.decode, config.render, "", quiet)


def print_table(results: dict[str, list[dict[str, Any]]]) -> None:
    """One line a stage: the median of its repeats, with the fastest and the slowest."""
    print("| stage | what | frames | seconds (fastest to slowest) | frames/s | peak memory |")
    print("|---|---|---|---|---|---|")
    for stage, runs in results.items():
        seconds = [run["seconds"] for run in runs]
        median_s = statistics.median(seconds)
        frames, peak_mib = runs[0]["frames"], max(run["peak_mib"] for run in runs)
        spread = f"{median_s:.3f} ({min(seconds):.3f} to {max(seconds):.3f})"
        print(f"| {stage} | {STAGES[stage]} | {frames} | {spread} | {frames / median_s:.1f} | {peak_mib:.0f} MiB |")


if __name__ == "__main__":
    sys.exit(main())
