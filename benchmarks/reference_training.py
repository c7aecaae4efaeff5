"""The time of one training epoch, ours against the reference implementation's own command, on the same data.

python benchmarks/reference_training.py --reference CHECKOUT --data DIR [--channels 1024] [--subset 0.1] [--rounds 3]

CHECKOUT is your own copy of github.com/facebookresearch/VideoPose3D; its run.py is started as it stands, in a temporary
folder where `data` is DIR (data_3d_h36m.npz, data_2d_h36m_<keypoints>.npz). The programs take turns. Each trains three
epochs without evaluation; the time between the lines of the first and of the last is two epochs, without start-up.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
EPOCHS = 3

RECIPE = """\
dataset: h36m
keypoints: {keypoints}
subjects_train: [{subjects}]
filter_widths: [{architecture}]
channels: {channels}
subset: {subset}
batch_frames: {batch}
causal: {causal}
precision: {precision}
epochs: 3
evaluate_every: 0
"""


def seconds_per_epoch(command: list[str], folder: Path, pattern: str, threads: int) -> float:
    """Run a program until the line of its last epoch, then end it; seconds an epoch, first line to last."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    times: list[float] = []
    output: list[str] = []
    try:
        for line in process.stdout:
            output.append(line)
            if re.search(pattern, line):
                times.append(time.perf_counter())
            if len(times) == EPOCHS:
                return (times[-1] - times[0]) / (EPOCHS - 1)
    finally:
        process.kill()
        process.wait()
    sys.exit(f"error: {' '.join(command)} ended after {len(times)} epochs:\n{''.join(output[-20:])}")


def reference_command(options: argparse.Namespace) -> list[str]:
    command = [sys.executable, str(options.reference.resolve() / "run.py"), "--no-eval", "--epochs", str(EPOCHS)]
    command += ["-k", options.keypoints, "-str", options.subjects, "-arc", options.architecture]
    command += ["-ch", str(options.channels), "--subset", str(options.subset), "-b", str(options.batch)]
    return [*command, "-c", "checkpoint", *(["--causal"] if options.causal else [])]


def our_command(options: argparse.Namespace, folder: Path, precision: str, number: int) -> list[str]:
    recipe = folder / f"{precision}.yaml"
    recipe.write_text(RECIPE.format(**vars(options) | {"precision": precision}))
    command = [sys.executable, "-m", "lifting.train", "--config", str(recipe), "--data", "data"]
    return [*command, "--output", f"{precision}_{number}", "--device", options.device]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="checkout of facebookresearch/VideoPose3D")
    parser.add_argument("--data", type=Path, required=True, help="folder with the archives")
    parser.add_argument("--keypoints", default="gt")
    parser.add_argument("--subjects", default="S1,S5,S6,S7,S8", help="to train on")
    parser.add_argument("--architecture", default="3,3,3,3,3")
    parser.add_argument("--channels", type=int, default=1024)
    parser.add_argument("--subset", type=float, default=0.1, help="share of the frames, the same ones for both")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--causal", action="store_true")
    parser.add_argument("--precision", nargs="+", choices=["fp32", "bf16", "fp16"], default=["fp32", "bf16"])
    parser.add_argument("--device", default="cpu", help="of ours; the reference takes a GPU where there is one")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not (options.reference / "run.py").is_file():
        sys.exit(f"error: {options.reference}: --reference wants a checkout of facebookresearch/VideoPose3D")
    theirs: list[float] = []
    ours: dict[str, list[float]] = {precision: [] for precision in options.precision}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").symlink_to(options.data.resolve())
        for number in range(options.rounds):
            theirs.append(seconds_per_epoch(reference_command(options), folder, r"^\[\d+\] time", options.threads))
            for precision, times in ours.items():
                command = our_command(options, folder, precision, number)
                times.append(seconds_per_epoch(command, folder, r"epoch \d+ of \d+:", options.threads))
            print(f"round {number + 1}: reference {theirs[-1]:.2f} s", end="")
            print("".join(f", ours {precision} {times[-1]:.2f} s" for precision, times in ours.items()), flush=True)
    middle = statistics.median(theirs)
    print(f"architecture {options.architecture}, {options.channels} channels, {options.threads} threads, one epoch:")
    print(f"reference     {middle:8.2f} s")
    for precision, times in ours.items():
        own = statistics.median(times)
        print(f"ours, {precision:<6}  {own:8.2f} s  {middle / own:6.2f} times the reference's rate")


if __name__ == "__main__":
    main()
