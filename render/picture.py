"""Composing the picture of one frame: header, video with overlay, and the views of the people in 3D."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from poses import Poses3D, Tracks
from render.cast import Cast
from render.compare import Comparison
from render.floor import Floor, floor_height
from render.header import Header
from render.layout import Layout, Panel, arrange
from render.options import RenderOptions
from render.overlay import Overlay
from render.scene import Scene
from render.style import Theme
from render.theme import load_theme
from render.view import source_heading
from render.viewpoint import Subject, choose_view

_STAGE_AHEAD_M = 5.0


class Picture:
    """Composes the output picture of one frame after another.

    Parameters
    ----------
    source_size : width and height of the source's frames in pixels.
    timestamps_s, tracks, poses : as in `render_video`; both artifacts may be empty.
    theme : in place of that of the options.
    comparison : another result to be drawn beside or into this one.

    Attributes
    ----------
    layout : where everything lies.
    overlay, scenes : what draws the panels.
    """

    def __init__(
        self,
        source_size: tuple[int, int],
        timestamps_s: np.ndarray,
        tracks: Tracks,
        poses: Poses3D,
        options: RenderOptions,
        theme: Theme | None = None,
        comparison: Comparison | None = None,
    ) -> None:
        for name, artifact in (("tracks", tracks), ("poses", poses)):
            if len(artifact) and artifact.frame.max() >= len(timestamps_s):
                raise ValueError(f"{name} go up to frame {artifact.frame.max()}, the video has {len(timestamps_s)}")
        self._times, self._comparison = timestamps_s, comparison
        self._options, self._theme = options, theme or load_theme(options.theme)
        beside = comparison is not None and options.comparison == "beside"
        scenes = len(options.views) * (2 if beside else 1)
        self.layout: Layout = arrange(
            options.layout,
            source_size,
            options.width_px,
            scenes,
            only_camera=options.views == ("camera",) and not beside,
            text_size=self._theme.text_size,
        )
        layout, theme = self.layout, self._theme
        label_height = layout.label_height if options.labels else 0
        self.overlay = None
        if layout.video is not None:
            self.overlay = Overlay(tracks, source_size, layout.video.size, theme, label_height, options.boxes)
        self.scenes: list[tuple[Panel, Scene]] = []
        if layout.scenes:
            self._add_scenes(tracks, poses, beside)
        people = {*tracks.people(), *poses.people(), *(comparison.poses.people() if comparison and beside else ())}
        over_scene = layout.scenes[0].left if layout.scenes else 0
        self._header = Header(
            sorted(people),
            layout.width,
            layout.header_height,
            layout.text_height,
            over_scene,
            theme,
            len(timestamps_s),
            comparison is not None,
        )

    def draw(self, image: np.ndarray | None, frame: int) -> np.ndarray:
        """(layout.height, layout.width, 3) uint8 BGR picture of a frame, newly allocated.

        `image` is the source's frame; None where the layout shows no video.
        """
        layout = self.layout
        out = np.empty((layout.height, layout.width, 3), np.uint8)
        distance_mm = math.nan if self._comparison is None else float(self._comparison.distance_mm[frame])
        out[: layout.header_height] = self._header.draw(frame, float(self._times[frame]), distance_mm)
        if self.overlay is not None and layout.video is not None:
            if image is None:
                raise ValueError("this layout shows the video, so it needs the source's frame")
            out[layout.video.area] = self.overlay.draw(image, frame)
        for panel, scene in self.scenes:
            out[panel.area] = scene.draw(frame)
        self._draw_seams(out)
        return out

    def _add_scenes(self, tracks: Tracks, poses: Poses3D, beside: bool) -> None:
        options, layout, theme, comparison = self._options, self.layout, self._theme, self._comparison
        first = Cast(poses, tracks)
        second = None if comparison is None else Cast(comparison.poses, neutral=not beside)
        casts = [first] if second is None else [first, second]
        floor_m = floor_height(poses, first.world_m)
        subject = Subject.of(casts, floor_m)
        ahead = poses.world_from_camera[:2, 3] + _STAGE_AHEAD_M * source_heading(poses.world_from_camera)
        floor = Floor(floor_m, np.concatenate([c.world_m[..., :2].reshape(-1, 2) for c in casts]), ahead, theme)
        shown: list[Sequence[Cast]] = [[first], [second]] if beside and second is not None else [casts]
        panels = iter(layout.scenes)
        for view in options.views:
            mine = [next(panels) for _ in shown]
            # Two results are seen by the very same camera, though even sizes may make their panels differ by 2 pixels.
            path = choose_view(
                view,
                subject,
                self._times,
                (min(panel.width for panel in mine), min(panel.height for panel in mine)),
                options.camera,
                math.radians(options.view_raise_deg),
                math.radians(options.view_turn_deg),
                options.orbit_s,
            )
            for number, (panel, cast) in enumerate(zip(mine, shown, strict=True)):
                scene = Scene(
                    cast,
                    self._times,
                    floor,
                    path.resized(*panel.size),
                    theme,
                    options.trail_s,
                    layout.text_height,
                    layout.label_height if options.labels else 0,
                    self._caption(view, number if len(shown) > 1 else None),
                )
                self.scenes.append((panel, scene))

    def _caption(self, view: str, result: int | None) -> str:
        """What stands in a panel: its view where there are several or it is not the usual one, and whose result."""
        options, comparison = self._options, self._comparison
        parts = [] if options.views == ("angle",) else [view]
        if comparison is not None and result is not None:
            parts.append(comparison.names[result])
        elif comparison is not None and view == options.views[0]:
            parts.append(f"coloured {comparison.names[0]}, grey {comparison.names[1]}")
        return "  ".join(parts)

    def _draw_seams(self, out: np.ndarray) -> None:
        """A line between 3D panels, which have the same ground."""
        width = max(1, round(self.layout.text_height / 7))
        edges = [panel for panel, _ in self.scenes]
        for panel in edges[1:]:
            rows, columns = panel.area
            if panel.left > edges[0].left:
                out[rows, panel.left : panel.left + width] = self._theme.header
            if panel.top > edges[0].top:
                out[panel.top : panel.top + width, columns] = self._theme.header
