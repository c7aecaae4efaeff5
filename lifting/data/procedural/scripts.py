"""What scripts of actions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lifting.data.procedural.draw import Draw
from lifting.data.procedural.keys import Key

Script = Callable[[Draw, float], list[Key]]
"""Makes the key poses of one plan that lasts at least so many seconds."""


@dataclass(frozen=True)
class Action:
    """An action by its script.

    Attributes
    ----------
    script : makes plans.
    loose : whether a key pose may be left out where a body cannot do it: the others follow one another as well.
    """

    script: Script
    loose: bool = False


def lasts(keys: Sequence[Key], seconds: float) -> bool:
    """Whether a plan fills that time."""
    return bool(keys) and sum(key.move_s + key.hold_s for key in keys) - keys[0].move_s >= seconds
