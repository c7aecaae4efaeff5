"""What virtual cameras hold in their pictures: heights, aims, lenses, edges, movement."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor

from lifting.canonical import REFERENCE_FOCAL
from lifting.data.mocap import RATE_HZ
from lifting.data.shots import Shots, draw_shots
from lifting.data.virtual_cameras import CameraRange, seen_by
from poses import COCO17, Intrinsics
from tests.lifting.test_virtual_cameras import STILL, WHOLE, bodies, seeded, standing
from tests.motion import walker

DEGREE = math.pi / 180


def pitch_deg(shots: Shots) -> Tensor:
    """(B, T) elevation of the optical axis."""
    return torch.asin(shots.rotation[:, :, 2, 2]) / DEGREE


def roll_deg(shots: Shots) -> Tensor:
    """(B, T) angle of the picture's x axis against the horizon: positive where verticals lean to the right."""
    right, down = shots.rotation[:, :, 0, 2], shots.rotation[:, :, 1, 2]
    return torch.atan2(right, -down) / DEGREE


def heights(shots: Shots) -> Tensor:
    return shots.position_m[:, 0, 2]


def test_whole_people_are_inside_the_picture() -> None:
    joints = bodies(200)
    shots, in_camera = draw_shots(joints, WHOLE, seeded())
    assert shots.whole.all()
    seen = seen_by(in_camera, shots, COCO17)
    assert not seen.outside.any()
    assert (in_camera[..., 2] > 0).all()


def test_outside_is_where_the_pixels_are_beyond_the_picture() -> None:
    """The same keypoints in the pixels of a picture 1000 wide."""
    shots, in_camera = draw_shots(bodies(300), CameraRange(), seeded())
    seen = seen_by(in_camera, shots, COCO17)
    some = seen.outside.any(dim=2).any(dim=1)
    assert 0.1 < some.float().mean() < 0.3
    assert not seen.outside[shots.whole].any()
    for index in some.nonzero()[:, 0].tolist():
        half_x, half_y = shots.half_picture[index].tolist()
        width, height = 1000, round(1000 * half_y / half_x)
        focal_px = 500 / half_x
        camera = Intrinsics(focal_px, focal_px, 500.0, height / 2, width, height)
        rays = seen.keypoints[index].double().numpy() / REFERENCE_FOCAL
        x, y = rays[..., 0] * camera.fx + camera.cx, rays[..., 1] * camera.fy + camera.cy
        beyond = (x < 0) | (x > width) | (y < 0) | (y > height)
        # A rounded height moves the edge by at most half a pixel.
        near = np.minimum(np.abs(y), np.abs(y - height)) < 1
        assert (beyond == seen.outside[index].numpy())[~near].all()


def test_half_body_shots_cut_the_feet_and_show_the_head() -> None:
    cameras = dataclasses.replace(STILL, half_share=1.0, tilted_share=0.0, high_share=0.0, low_share=0.0)
    shots, in_camera = draw_shots(standing(200), cameras, seeded())
    outside = seen_by(in_camera, shots, COCO17).outside[:, 0]
    feet, eyes = COCO17.indices("left_ankle", "right_ankle"), COCO17.indices("left_eye", "right_eye")
    assert outside[:, feet].all(dim=1).float().mean() > 0.9
    assert outside[:, eyes].any(dim=1).float().mean() < 0.05
    assert 0.1 < outside[:, COCO17.indices("left_knee", "right_knee")].float().mean() < 0.95


def test_people_cut_at_the_side_are_partly_seen() -> None:
    cameras = dataclasses.replace(STILL, half_share=0.0, side_share=1.0, wide_share=0.0, tele_share=0.0)
    shots, in_camera = draw_shots(standing(200), cameras, seeded())
    seen = seen_by(in_camera, shots, COCO17)
    beyond = (seen.keypoints[:, 0, :, 0].abs() / REFERENCE_FOCAL) > shots.half_picture[:, :1]
    share = beyond.float().mean(dim=1)
    assert ((share > 0) & (share < 1)).float().mean() > 0.95
    left = (seen.keypoints[:, 0, :, 0].mean(dim=1) < 0).float().mean()
    assert 0.35 < left < 0.65


def test_something_of_everybody_is_seen_all_the_time() -> None:
    """Also of those who are cut and walk out of the picture."""
    walks = torch.from_numpy(np.stack([walker(1.6, 50, 1.5, 0.7 * i) for i in range(60)])).float()
    cut = dataclasses.replace(CameraRange(), half_share=0.5, side_share=0.5, track_share=0.0)
    shots, in_camera = draw_shots(walks, cut, seeded())
    inside = (~seen_by(in_camera, shots, COCO17).outside).sum(dim=2)
    assert inside.amin() >= 3
    assert (inside < 17).any(dim=1).float().mean() > 0.9


def test_heights_distances_and_pitches_are_within_their_ranges() -> None:
    joints = standing(2000)
    shots, in_camera = draw_shots(joints, STILL, seeded())
    height = heights(shots)
    assert 0.1 <= height.min() < 0.2
    assert 7.0 < height.max() <= 8.0
    assert abs((height > 2.2).float().mean() - STILL.high_share) < 0.03
    assert abs(height[(height > 0.7) & (height < 2.2)].median() - 1.4) < 0.1
    distance = in_camera[:, 0, 0].norm(dim=-1)
    assert 1.4 < distance.min() < 1.7
    assert distance.max() < 15.1
    # Evenly over the logarithm, but for the high and the half-body ones: half of them beyond the geometric mean.
    assert abs((distance < math.sqrt(1.5 * 15)).float().mean() - 0.5) < 0.08
    pitch = pitch_deg(shots)
    assert -60.001 < pitch.min() < -50
    assert 20 < pitch.max() < 40.001
    assert abs(pitch.median()) < 10


def test_cameras_look_at_the_person_up_from_the_floor_and_down_from_above() -> None:
    straight = dataclasses.replace(
        STILL, aim_deg=0.0, roll_deg=0.0, tilted_share=0.0, edge_share=0.0, half_share=0.0, side_share=0.0
    )
    joints = standing(500)
    shots, _ = draw_shots(joints, straight, seeded())
    line = joints[:, 0, 0] - shots.position_m[:, 0]
    exact = torch.atan2(line[:, 2], line[:, :2].norm(dim=-1)) / DEGREE
    # The framing leaves the person up to half a field of view off the axis, evenly to both sides.
    off = pitch_deg(shots)[:, 0] - exact
    assert off.mean().abs() < 1.5
    assert off.abs().median() < 8
    assert (pitch_deg(shots)[heights(shots) > 4] < 0).float().mean() > 0.95
    roll = roll_deg(shots)
    torch.testing.assert_close(roll, torch.zeros_like(roll), atol=1e-3, rtol=0)


def test_rolls_are_small_but_for_the_tilted_ones() -> None:
    roll = roll_deg(draw_shots(standing(3000), STILL, seeded())[0])[:, 0]
    assert 25 < roll.abs().max() < 30.001
    assert abs((roll.abs() > 15).float().mean() - STILL.tilted_share / 2) < 0.02
    assert abs(roll.median()) < 0.5


def test_a_camera_rolled_one_way_shows_verticals_leaning_the_other() -> None:
    """The sign that the sequences' cameras have is the one of `tests.motion.camera_from_world`."""
    tilted = dataclasses.replace(STILL, tilted_share=1.0, high_share=0.0, low_share=0.0, lens_deg=(50.0, 1.0))
    shots, in_camera = draw_shots(standing(300), tilted, seeded())
    up = in_camera[:, 0, 8] - in_camera[:, 0, 0]
    leans_right = torch.atan2(up[:, 0], -up[:, 1]) / DEGREE
    roll = roll_deg(shots)[:, 0]
    clear = roll.abs() > 15
    assert (leans_right.sign() == roll.sign())[clear].float().mean() > 0.95


def test_lenses_and_shapes_of_pictures() -> None:
    near = dataclasses.replace(WHOLE, distance_m=(4.0, 5.0), high_share=0.0, edge_share=0.0)
    half = draw_shots(standing(3000), near, seeded())[0].half_picture
    aspect = half[:, 0] / half[:, 1]
    for wanted, share in (
        (16 / 9, 0.55 * 0.6),
        (4 / 3, 0.55 * 0.4),
        (1.0, 0.1),
        (3 / 4, 0.35 * 0.4),
        (9 / 16, 0.35 * 0.6),
    ):
        assert abs(((aspect - wanted).abs() < 1e-3).float().mean() - share) < 0.03, wanted
    lens = 2 * half.amax(dim=1).atan() / DEGREE
    assert lens.min() >= 19.9
    assert 100 < lens.max() < 111
    assert 0.08 < (lens > 80).float().mean() < 0.25
    assert 0.05 < (lens < 50).float().mean() < 0.35


def test_people_at_the_edge_are_far_off_the_axis() -> None:
    def off(share: float) -> Tensor:
        cameras = dataclasses.replace(WHOLE, edge_share=share, lens_deg=(75.0, 1.0), wide_share=0.0, tele_share=0.0)
        return draw_shots(standing(300), cameras, seeded())[1][:, 0, 0, :2].norm(dim=-1)

    assert off(1.0).mean() > 2 * off(0.0).mean()


def test_held_cameras_shake_and_tripods_stand() -> None:
    def steps(cameras: CameraRange) -> Tensor:
        """(B, T - 1) angle that the camera turns between two frames, in degrees."""
        rotation = draw_shots(standing(60).expand(60, 100, 22, 3), cameras, seeded())[0].rotation
        cosine = ((rotation[:, 1:] @ rotation[:, :-1].mT).diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
        return torch.acos(cosine.clamp(-1, 1)) / DEGREE

    assert steps(STILL).max() < 0.05
    shaken = steps(dataclasses.replace(STILL, shake_share=1.0))
    assert 0.01 < shaken.mean() < 0.3
    assert shaken.max() < 2, "it does not jump"
    panned = steps(dataclasses.replace(STILL, pan_share=1.0, pan_deg_s=10.0))
    # Steady, at the mean of the size of a normal variable times ten degrees a second.
    assert abs(panned.mean() * RATE_HZ - 10 * math.sqrt(2 / math.pi)) < 2.5
    assert (panned.std(dim=1) < 0.03).all()


def test_tracking_cameras_follow_who_walks() -> None:
    walks = torch.from_numpy(np.stack([walker(4.0, 50, 1.3, 0.7 * i) for i in range(30)])).float()
    followed = dataclasses.replace(STILL, track_share=1.0, distance_m=(4.0, 6.0), high_share=0.0)
    beside = dataclasses.replace(followed, dolly_share=1.0)

    def across(cameras: CameraRange) -> Tensor:
        """(B,) how far the root moves over the picture."""
        points = draw_shots(walks, cameras, seeded())[1][:, :, 0]
        rays = points[..., :2] / points[..., 2:]
        return (rays.amax(dim=1) - rays.amin(dim=1)).norm(dim=-1)

    assert across(followed).max() < 0.5 * across(dataclasses.replace(STILL, track_share=0.0)).median()
    shots, in_camera = draw_shots(walks, beside, seeded())
    assert (shots.position_m[:, -1] - shots.position_m[:, 0]).norm(dim=-1).min() > 3
    assert (in_camera[:, :, 0, 2].amax(dim=1) - in_camera[:, :, 0, 2].amin(dim=1)).max() < 0.8
