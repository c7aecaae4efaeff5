"""Drawing the bodies of a frame in a 3D view: limbs, joints and heads, the nearer over the farther."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from render.body import HEAD_RADIUS_M
from render.cast import Cast
from render.shapes import capsules, disc, fill, fixed_point
from render.style import Color, PersonColors, Theme, mix
from render.view import View

_OUTLINE_PX = 1.1
_NEUTRAL_OUTLINE_PX = 1.4
_HAZE = 0.35  # how far the farthest people go towards the background
_UNSEEN = 0.55
_FAR_AWAY_PX = 10_000  # beyond, OpenCV's fixed point would overflow, and nothing is to be seen anyway


@dataclass(frozen=True)
class _Drawn:
    """One person in pixels: what the parts of her body are made of. J joints, L limbs."""

    cast: Cast
    row: int
    colors: PersonColors
    edge: Color
    pixels: np.ndarray
    depth: np.ndarray
    outer: np.ndarray
    inner: np.ndarray


def draw_people(
    image: np.ndarray, view: View, rows: Sequence[tuple[Cast, int]], theme: Theme, usual_distance_m: float
) -> None:
    """All limbs, joints and heads of all people, each a row of a cast, the farthest first.

    `usual_distance_m` is where haze begins, which fades what is far into the background.
    """
    parts: list[tuple[float, str, int, int]] = []
    drawn: list[_Drawn] = []
    for cast, row in rows:
        person = _project(cast, row, view, theme)
        parts.extend(_parts(person, len(drawn)))
        drawn.append(person)
    for depth_m, part, index, number in sorted(parts, reverse=True):
        person = drawn[index]
        haze = _HAZE * min(max(depth_m / usual_distance_m - 0.9, 0.0), 1.0)
        _draw_part(image, view, person, part, number, haze, depth_m, theme)


def neutral_colors(theme: Theme) -> PersonColors:
    """Greys that belong to nobody: left pale, right deep, as in every person's colours."""
    return PersonColors(*(mix(theme.background, theme.text, share) for share in (0.55, 0.33, 0.16)))


def _project(cast: Cast, row: int, view: View, theme: Theme) -> _Drawn:
    body = cast.body
    pixels, depth = view.project(cast.world_m[row])
    known = np.isfinite(depth) & (np.abs(np.nan_to_num(pixels)) < _FAR_AWAY_PX).all(axis=1)
    depth = np.where(known, depth, np.nan)
    pixels = np.where(known[:, None], pixels, 0.0)
    radius = theme.line_width * body.joint_radius_m * view.focal_px / np.where(known, depth, 1.0)
    start, end = body.limbs.T
    ends = pixels[start], pixels[end]
    outline = theme.outline_width * (_NEUTRAL_OUTLINE_PX if cast.neutral else _OUTLINE_PX)
    outer = fixed_point(capsules(*ends, radius[start] + outline, radius[end] + outline))
    inner = fixed_point(capsules(*ends, radius[start], radius[end]))
    if cast.neutral:
        return _Drawn(cast, row, neutral_colors(theme), theme.faint_text, pixels, depth, outer, inner)
    colors = theme.person(int(cast.poses.person_id[row]))
    return _Drawn(cast, row, colors, theme.outline, pixels, depth, outer, inner)


def _parts(person: _Drawn, index: int) -> list[tuple[float, str, int, int]]:
    """(depth, kind, index, number) of every part of a body that can be drawn."""
    body, depth = person.cast.body, person.depth
    known = np.isfinite(depth)
    seen = person.cast.seen[person.row]
    start, end = body.limbs.T
    whole = known[start] & known[end]
    middle = (depth[start] + depth[end]) / 2
    parts = [(float(middle[limb]), "limb", index, limb) for limb in np.flatnonzero(whole).tolist()]
    for joint in body.drawn_joints:
        if known[joint]:
            # Before the limbs that meet here, by less than a body's thickness.
            nearest = float(depth[joint]) - 0.5 * body.joint_radius_m[joint]
            if not seen[joint]:
                # The ring that tells so must not be hidden by the joint's own limbs.
                own = (body.limbs == joint).any(axis=1) & whole
                nearest = min([nearest, *(middle[own] - 1e-3).tolist()])
            parts.append((nearest, "joint", index, joint))
    if body.head is not None and known[list(body.head)].all():
        parts.append((float(depth[list(body.head)].mean()), "head", index, -1))
    return parts


def _draw_part(
    image: np.ndarray,
    view: View,
    person: _Drawn,
    part: str,
    number: int,
    haze: float,
    depth_m: float,
    theme: Theme,
) -> None:
    body, seen = person.cast.body, person.cast.seen[person.row]

    def tone(color: Color, clear: bool) -> Color:
        """Towards the background with distance, and where the position was filled in."""
        share = haze if clear else max(haze, _UNSEEN)
        return mix(color, theme.background, share) if share else color

    if part == "limb":
        clear = bool(seen[body.limbs[number]].all())
        if theme.outline_width:
            fill(image, person.outer[number], person.edge)
        fill(image, person.inner[number], tone(person.colors.of(body.limb_sides[number]), clear))
    elif part == "joint":
        radius_px = float(theme.line_width * body.joint_radius_m[number] * view.focal_px / person.depth[number])
        color, centre = tone(person.colors.of(body.joint_sides[number]), True), person.pixels[number]
        if seen[number]:
            # Where limbs of one thickness meet, it only rounds the bend; themes may make it stand out.
            if theme.joint_size:
                disc(image, centre, 1.06 * theme.joint_size * radius_px, color)
        else:
            disc(image, centre, radius_px, person.edge)
            disc(image, centre, radius_px, color, ring_width=1)
    elif body.head is not None:
        centre = person.pixels[list(body.head)].mean(axis=0)
        radius_px = HEAD_RADIUS_M * view.focal_px / depth_m
        outline = theme.outline_width * (_NEUTRAL_OUTLINE_PX if person.cast.neutral else _OUTLINE_PX)
        disc(image, centre, radius_px + outline, person.edge)
        disc(image, centre, radius_px, tone(person.colors.centre, bool(person.cast.poses.observed[person.row])))
