"""From a container's presentation timestamps to seconds that strictly increase."""

from __future__ import annotations

from fractions import Fraction

RESET_PERIODS = 4.0
"""A step back over more frame periods is a new time line (joined recordings, a counter that wrapped)."""


class FrameClock:
    """Gives each decoded frame its time in seconds since the first one.

    Times are the container's wherever those increase. The rest is repaired from what came before:

    - no timestamp: one frame period after the previous frame;
    - the previous frame's timestamp again, or a little earlier: half a period after the previous frame, so that the
      following frames find their own times free again;
    - a step back of more than `RESET_PERIODS`: a new time line, laid one period after the previous frame; or, where
      the container has one time line only, a picture that a decoder let go too late after damage: None, leave it out.

    Parameters
    ----------
    time_base : seconds a tick.
    period_s : the nominal time between two frames.
    one_line : the container cannot hold a second time line (MP4, Matroska).
    origin : ticks of the video's first frame; None takes the first timestamp that comes.
    """

    def __init__(self, time_base: Fraction, period_s: float, one_line: bool = False, origin: int | None = None) -> None:
        self._time_base = time_base
        self._period_s = period_s
        self._one_line = one_line
        self._origin = origin
        self._offset_s = 0.0
        self._previous_s: float | None = None

    def seconds(self, ticks: int) -> float:
        """Seconds of a container timestamp, unrepaired. The origin must be known."""
        assert self._origin is not None
        # Whole numbers until the one division: 100 ticks of 1/1000 are the float 0.1, as a user would type it.
        return (ticks - self._origin) * self._time_base.numerator / self._time_base.denominator + self._offset_s

    @property
    def knows_origin(self) -> bool:
        """Whether `seconds` can be asked."""
        return self._origin is not None

    def stamp(self, ticks: int | None) -> float | None:
        """Seconds of the next frame, later than the one before; None for a frame that comes far too late."""
        previous_s = self._previous_s
        expected_s = 0.0 if previous_s is None else previous_s + self._period_s
        if ticks is None:
            time_s = expected_s
        elif self._origin is None:
            self._origin, self._offset_s = ticks, expected_s
            time_s = expected_s
        else:
            time_s = self.seconds(ticks)
            if previous_s is not None and time_s < previous_s - RESET_PERIODS * self._period_s:
                if self._one_line:
                    return None
                self._offset_s += expected_s - time_s
                time_s = expected_s
            elif previous_s is not None and time_s <= previous_s:
                time_s = previous_s + self._period_s / 2
        self._previous_s = time_s
        return time_s
