from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.error_measures import LAGS, RATE_HZ, WINDOW, Windows, cut_windows, measure, missing, score_against_error
from detectors.error_samples import Sample, facing, pack, unpack
from detectors.error_statistics import main, statistics
from poses import COCO17, H36M17

PEOPLE = 40
_PLACE = {
    "hip": (0.08, 0.0), "knee": (0.09, 0.25), "ankle": (0.10, 0.5), "shoulder": (0.11, -0.3), "elbow": (0.2, -0.15),
    "wrist": (0.3, 0.0), "eye": (0.02, -0.4), "ear": (0.04, -0.4), "nose": (0, -0.38),
}  # fmt: skip


def person() -> np.ndarray:
    """(17, 2) a person of height 1 in front view."""
    sign = {"left": 1.0, "right": -1.0, "centre": 0.0}
    places = [_PLACE[j.removeprefix(f"{s}_")] for j, s in zip(COCO17.joints, COCO17.sides, strict=True)]
    return np.array([(sign[s] * x, y) for (x, y), s in zip(places, COCO17.sides, strict=True)])


def windows(**changed: Any) -> Windows:
    """People seen from the front without errors."""
    truth = np.tile(person(), (PEOPLE, WINDOW, 1, 1))
    nothing = np.zeros(truth.shape[:3], bool)
    values: dict[str, Any] = {"truth": truth, "shown": truth.copy(),
              "outside": nothing, "visible": ~nothing, "observed": ~nothing,
              "facing": np.ones(truth.shape[:2]), "height_px": np.full(PEOPLE, 200.0)}  # fmt: skip
    return Windows(**values | changed)


def sample(frames: int = 90, fps: float = 25.0, **changed: Any) -> Sample:
    """One person of 200 px, followed without errors."""
    truth = np.tile(200 * person(), (frames, 1, 1))
    nothing = np.zeros(truth.shape[:2], bool)
    values: dict[str, Any] = {"truth_px": truth, "detected_px": truth.copy(), "detected_score": np.ones(nothing.shape),
              "tracked_px": truth.copy(), "observed": ~nothing, "swapped": nothing, "outside": nothing,
              "visible": ~nothing, "depth_m": np.full(nothing.shape, 4.0), "facing": np.ones(frames),
              "height_px": 200.0, "fps": fps}  # fmt: skip
    return Sample(**values | changed)


def test_bias_of_hips_and_shoulders_along_and_across_the_trunk() -> None:
    shown = windows().shown
    hips, shoulders = COCO17.indices("left_hip", "right_hip"), COCO17.indices("left_shoulder", "right_shoulder")
    # The trunk is 0.3 long and points up in the picture.
    shown[:, :, hips] = shown[:, :, hips] * (0.7, 1) - (0, 0.1 * 0.3)
    shown[:, :, shoulders] *= (1.2, 1)
    bias = measure(windows(shown=shown))["bias"]
    assert bias["hip_width"] == pytest.approx((0.7, 0.0), abs=1e-4)
    assert bias["hip_shift"] == pytest.approx((0.1, 0.0), abs=1e-4)
    assert bias["shoulder_width"] == pytest.approx((1.2, 0.0), abs=1e-4)
    assert bias["shoulder_shift"] == pytest.approx((0.0, 0.0), abs=1e-4)


def test_limb_bias_and_its_spread_over_people() -> None:
    random = np.random.default_rng(0)
    shown = windows().shown
    stretch = random.normal(-0.05, 0.02, (PEOPLE, 1, 2, 1))
    ankles, knees = COCO17.indices("left_ankle", "right_ankle"), COCO17.indices("left_knee", "right_knee")
    shown[:, :, ankles] += stretch * (person()[ankles] - person()[knees])
    found = measure(windows(shown=shown))["bias"]["ankle_stretch"]
    assert found[0] == pytest.approx(-0.05, abs=0.01)
    assert found[1] == pytest.approx(0.02, rel=0.4)


def test_errors_by_how_much_of_the_trunk_is_seen() -> None:
    truth = windows().truth
    truth[: PEOPLE // 4, ..., 1] *= 0.3
    shown = truth + np.array((0.01, 0))
    shown[: PEOPLE // 4] += (0.02, 0)
    rows = [row for row in measure(windows(truth=truth, shown=shown))["error_by_trunk_length"] if row["frames"]]
    assert [(row["from"], row["frames"]) for row in rows] == [
        (0.0, PEOPLE // 4 * WINDOW),
        (0.25, (PEOPLE - PEOPLE // 4) * WINDOW),
    ]
    assert [row["error_quantiles"][1] for row in rows] == pytest.approx([0.03, 0.01])


def test_share_of_exchanged_sides_by_view() -> None:
    truth, shown = windows().truth, windows().shown
    legs = COCO17.indices("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle")
    # A quarter of the time of those seen from behind, in spans of half a second.
    shown[:20, :25, legs] = truth[:20, :25][:, :, COCO17.mirror][:, :, legs]
    facing = np.ones((PEOPLE, WINDOW))
    facing[:20] = -1.0
    swaps = measure(windows(shown=shown, facing=facing))["swaps"]
    assert swaps["legs"]["by_view"]["back"] == pytest.approx(25 / WINDOW, abs=1e-3)
    assert swaps["legs"]["by_view"]["front"] == 0.0
    assert swaps["legs"]["run_s"][2] == pytest.approx(25 / RATE_HZ)
    assert swaps["arms"]["share"] == swaps["all"]["share"] == swaps["face"]["share"] == 0.0


def test_exchanged_sides_do_not_count_as_other_errors() -> None:
    truth = windows().truth
    result = measure(windows(shown=truth[:, :, COCO17.mirror]))
    assert result["swaps"]["all"]["share"] == 1.0
    assert result["error_quantiles"]["ankle"][-1] < 1e-9


def test_autocorrelation_and_size_of_a_known_process() -> None:
    random = np.random.default_rng(1)
    error = np.zeros((200, WINDOW, 17, 2))
    keep = np.exp(-1 / (0.05 * RATE_HZ))
    error[:, 0] = random.normal(0, 0.01, error[:, 0].shape)
    for t in range(1, WINDOW):
        fresh = random.normal(0, 0.01 * np.sqrt(1 - keep**2), error[:, 0].shape)
        error[:, t] = keep * error[:, t - 1] + fresh
    truth = np.tile(person(), (200, WINDOW, 1, 1))
    no = np.zeros(truth.shape[:3], bool)
    facing = np.ones(truth.shape[:2])
    result = measure(Windows(truth, truth + error, no, ~no, ~no, facing, np.full(200, 200.0)))
    # Biases are taken out, and with them the mean of a window, 2 tau / T of the variance.
    for lag, value in zip(LAGS[:3], result["autocorrelation"]["wrist"][:3], strict=True):
        assert value == pytest.approx(keep**lag, abs=0.08)
    median = result["wander_quantiles"]["nose"][1]
    assert median == pytest.approx(0.01 * np.sqrt(2 * np.log(2)), rel=0.06), "median of a Rayleigh distribution"


def test_windows_are_at_one_rate_and_only_of_people_followed() -> None:
    moving = sample(fps=25.0)
    path = np.linspace(0, 89, 90)[:, None, None]
    tracked = moving.tracked_px + path
    tracked[60] = np.nan
    found, depth_m = cut_windows([dataclasses.replace(moving, tracked_px=tracked)], stride=10)
    assert found.shown.shape == (4, WINDOW, 17, 2)
    assert depth_m.shape == (4, WINDOW, 17)
    step = np.diff(found.shown - found.truth, axis=1)
    np.testing.assert_allclose(step, 25 / RATE_HZ / 200, atol=1e-9)


def test_missing_joints_by_what_can_be_seen() -> None:
    one = sample()
    elbow = COCO17.indices("left_elbow", "right_elbow")
    one.visible[:30, elbow] = False
    one.observed[:15, elbow[0]] = False
    one.observed[80:, 0] = False
    found = missing([one])
    assert found["hidden"]["elbow"] == pytest.approx(0.25)
    assert found["visible"]["nose"] == pytest.approx(10 / 90, abs=1e-4)
    assert found["outside"]["nose"] is None
    assert found["run_s"][-1] == pytest.approx(15 / 25, rel=0.05)


def test_errors_grow_as_scores_fall() -> None:
    one = sample()
    one.detected_score[:45] = 0.2
    one.detected_px[:45] += (20.0, 0.0)
    low, high = (row for row in score_against_error([one]) if row["share"] > 0)
    assert (low["from"], low["share"]) == (0.1, 0.5)
    assert low["error_quantiles"] == pytest.approx([0.1] * 5)
    assert high["error_quantiles"] == pytest.approx([0.0] * 5)


def test_samples_survive_packing() -> None:
    first, second = sample(frames=70), sample(frames=90, fps=30.0)
    for before, after in zip((first, second), unpack(pack([first, second])), strict=True):
        for item in dataclasses.fields(Sample):
            np.testing.assert_array_equal(getattr(before, item.name), getattr(after, item.name))
    assert unpack(pack([])) == []


@pytest.mark.parametrize(("turn_deg", "expected"), [(0, 1.0), (90, 0.0), (180, -1.0), (240, -0.5)])
def test_facing_of_a_turned_person(turn_deg: float, expected: float) -> None:
    body = np.zeros((1, 17, 3))
    for joint, place in {"left_shoulder": (0.2, -0.5), "right_shoulder": (-0.2, -0.5), "left_hip": (0.1, 0),
                         "right_hip": (-0.1, 0), "thorax": (0, -0.5), "hip": (0, 0)}.items():  # fmt: skip
        angle = np.radians(turn_deg)
        body[0, H36M17.index(joint)] = (place[0] * np.cos(angle), place[1], place[0] * np.sin(angle))
    # Far away and in the middle of the picture.
    assert facing(body + np.array([0, 0.25, 50.0]))[0] == pytest.approx(expected, abs=1e-3)


def test_the_command_draws_measures_and_reads_its_samples_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, first, second = tmp_path / "samples.npz", tmp_path / "first.json", tmp_path / "second.json"
    arguments = ["--clips", "1", "--frames", "60", "--seed", "2", "--samples", str(samples)]
    assert main([*arguments, "--output", str(first)]) == 0
    assert "share of time with left and right exchanged" in capsys.readouterr().out
    result = json.loads(first.read_text())
    assert result["detector"] == "blazepose"
    assert 0 < result["error_quantiles"]["shoulder"][1] < 0.06
    assert 0.4 < result["bias"]["hip_width"][0] < 1.2
    assert main([*arguments, "--output", str(second)]) == 0
    assert second.read_text() == first.read_text()
    assert statistics(unpack(dict(np.load(samples))))["people"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--clips", "0"], 2, "--clips must be at least 1"),
        (["--frames", "10"], 2, "--frames must be at least 60"),
        (["--detector", "nobody"], 2, "unknown detector"),
        (["--motion", "no.npz"], 1, "no such file"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert main([*arguments, "--output", str(tmp_path / "out.json")]) == code
    assert message in capsys.readouterr().err
