"""The picture as it is meant to be seen: turned, mirrored, with square pixels, as an array.

Shape letters: H height, W width of the shown picture.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter


@dataclass(frozen=True)
class Upright:
    """How a stored picture becomes the shown one. Taken from a video's first frame and used for all of them.

    A frame of another size (some streams change it midway) is scaled to the first frame's, so that pixel coordinates
    mean the same over the whole video.

    Attributes
    ----------
    stored_width, stored_height : pixels before turning, after stretching to square pixels.
    transposed : rows become columns; done before the flips.
    flip_x, flip_y : mirrored left to right, top to bottom.
    rotation_deg : the turn in words: clockwise, 0, 90, 180 or 270.
    """

    stored_width: int
    stored_height: int
    transposed: bool
    flip_x: bool
    flip_y: bool
    rotation_deg: int
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter, repr=False, compare=False)

    @classmethod
    def of(cls, frame: VideoFrame, pixel_aspect: Fraction | None) -> Upright:
        """Read a frame's display matrix. `pixel_aspect` is a pixel's width over its height, None for square.

        The matrix maps stored (x, y) to shown (a x + c y, b x + d y); ISO/IEC 14496-12, 6.2.2. Turns that are no
        quarter turns are taken as the nearest.
        """
        a, b, c, d = _display_matrix(frame)
        quarter = round(math.atan2(b, a) / (math.pi / 2)) % 4
        transposed = quarter in (1, 3)
        # Right angles leave one entry in each row; its sign says whether that axis is turned around.
        shown_x, shown_y = (c, b) if transposed else (a, d)
        width = frame.width
        # Wild values come from damaged headers; real ones (DV, anamorphic) lie between 1/2 and 2.
        if pixel_aspect and Fraction(1, 4) <= pixel_aspect <= 4:
            width = max(1, round(width * pixel_aspect))
        return cls(width, frame.height, transposed, shown_x < 0, shown_y < 0, 90 * quarter)

    @property
    def width(self) -> int:
        """Pixels of the shown picture."""
        return self.stored_height if self.transposed else self.stored_width

    @property
    def height(self) -> int:
        """Pixels of the shown picture."""
        return self.stored_width if self.transposed else self.stored_height

    def image(self, frame: VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8 BGR, contiguous."""
        # Bicubic is what ffmpeg itself uses; it matters where colour is stored at half the resolution.
        packed = self._reformatter.reformat(
            frame, self.stored_width, self.stored_height, "bgr24", interpolation=Interpolation.BICUBIC
        )
        # Rows of odd widths come with padding behind them.
        image: np.ndarray = np.ascontiguousarray(packed.to_ndarray())
        if self.transposed:
            image = cv2.transpose(image)
        if self.flip_x or self.flip_y:
            image = cv2.flip(image, -1 if self.flip_x and self.flip_y else int(self.flip_x))
        return image


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    # PyAV's stubs describe another class than the one that it returns.
    side_data = cast(SideDataContainer, frame.side_data)
    if Type.DISPLAYMATRIX not in side_data:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data[Type.DISPLAYMATRIX]))
    if a * d == b * c:
        # A matrix that flattens the picture means nothing; players ignore it too.
        return 1, 0, 0, 1
    return a, b, c, d
