"""Ranges of joint motion, and the angles of a body against them.

Sources: American Academy of Orthopaedic Surgeons (AAOS), *Joint Motion: Method of Measuring and Recording* (1965), as
tabulated in Norkin & White, *Measurement of Joint Motion: A Guide to Goniometry* (2016): shoulder flexion 180,
extension 60, abduction 180, internal rotation 70, external 90; elbow flexion 150; hip flexion 120, extension 30,
abduction 45, adduction 30, rotations 45; knee flexion 135. Squatting, kneeling and sitting cross-legged go beyond the
last ones: Hemmerich et al., *Hip, knee, and ankle kinematics of high range of motion activities of daily living*, J.
Orthop. Res. 24 (2006), measured knees at up to 157 degrees. Outward rotation of the hip is therefore allowed to 60
and knee flexion to 155. The trunk (AAOS: flexion 80, extension 25, to the side 35, rotation 45) is shared between its
two bends, the neck moves by 40 to 50 and turns by 75 (AAOS: 45 and 60; later studies more).

Shape letters: N poses, C channels, L = 4 limbs.
"""

from __future__ import annotations

import numpy as np

from lifting.data.procedural.skeleton import CHANNELS, CHEST, LUMBAR, NECK, SIDE, Body, limb, limb_channels

# Least and greatest degrees. Spine: to the right, forward, to the left about the three axes.
_LUMBAR = ((-18.0, 18.0), (-15.0, 45.0), (-15.0, 15.0))
_CHEST = ((-20.0, 20.0), (-15.0, 40.0), (-32.0, 32.0))
_NECK = ((-40.0, 40.0), (-50.0, 50.0), (-75.0, 75.0))
# Flexion, abduction, outward rotation, bend. Of legs the clinical angles (`hip_angles`), of arms the channels.
_LEG = ((-30.0, 125.0), (-30.0, 50.0), (-45.0, 60.0), (0.0, 155.0))
_LEG_CHANNELS = ((-30.0, 130.0), (-35.0, 80.0), (-60.0, 125.0), (0.0, 155.0))
_ARM = ((-60.0, 178.0), (-60.0, 178.0), (-95.0, 90.0), (0.0, 150.0))

LEAST = np.full(CHANNELS, -np.inf)
MOST = np.full(CHANNELS, np.inf)
for _where, _ranges in (
    (LUMBAR, _LUMBAR), (CHEST, _CHEST), (NECK, _NECK),
    (limb(0), _LEG_CHANNELS), (limb(1), _LEG_CHANNELS), (limb(2), _ARM), (limb(3), _ARM),
):  # fmt: skip
    LEAST[_where], MOST[_where] = np.radians(_ranges).T

MARGIN_RAD = np.radians(6.0)
"""By how much a limb that reaches for its target may pass its range: people differ by more (the AAOS gives means)."""


def within(channels: np.ndarray) -> np.ndarray:
    """Channels (N, C) cut to their ranges."""
    return np.clip(channels, LEAST, MOST)


def hip_angles(body: Body) -> np.ndarray:
    """(N, 2, 4) flexion, abduction, outward rotation and bend of the knee, as goniometry measures them.

    The thigh is flexed, then abducted about its own axis, then turned about itself: in a channel's swing and twist, the
    thigh of someone who sits cross-legged would count as turned by 100 degrees and more.
    """
    local = np.swapaxes(body.base[:, :2], -1, -2) @ body.upper[:, :2]
    sign = SIDE[:2]
    down = -local[..., 2]
    flexion = np.arctan2(down[..., 0], -down[..., 2])
    abduction = np.arcsin(np.clip(down[..., 1], -1, 1))
    # After R = Ry(-flexion) Rx(abduction) Rz(rotation), R's second row is (cos a sin r, cos a cos r, -sin a).
    rotation = np.arctan2(local[..., 1, 0], local[..., 1, 1])
    return np.stack([flexion, abduction * sign, rotation * sign, body.bend[:, :2]], axis=-1)


def beyond_rad(body: Body) -> np.ndarray:
    """(N,) by how much the joint that passes its range most does so; negative where all are within."""
    angles = np.concatenate([hip_angles(body), limb_channels(body)[:, 2:]], axis=1)
    beyond = []
    for index in range(angles.shape[1]):
        low, high = np.radians(_LEG if index < 2 else _ARM).T
        beyond += [low - angles[:, index], angles[:, index] - high]
        if index >= 2:
            beyond.append(_behind_rad(body, index)[:, None])
    return np.asarray(np.concatenate(beyond, axis=1).max(axis=1))


def _behind_rad(body: Body, index: int) -> np.ndarray:
    """(N,) an upper arm too far behind the body or across it.

    Horizontal abduction ends 35 degrees behind the plane of the shoulders, horizontal adduction 45 degrees past
    straight ahead; a hanging arm goes back by 60 degrees, but hardly across the back.
    """
    direction = -np.einsum("nji,nj->ni", body.base[:, index], body.upper[:, index, :, 2])
    ahead, outward = direction[:, 0], direction[:, 1] * (1 if index == 2 else -1)
    behind = -ahead - np.interp(direction[:, 2], [-1.0, -0.5, 0.0, 1.0], [0.6, 0.85, 0.55, 0.4])
    across = -outward - np.interp(ahead, [-0.4, 0.1, 0.6], [0.1, 0.3, 0.75])
    return np.asarray(np.maximum(behind, across))
