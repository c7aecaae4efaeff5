"""All that a user can set about tracking and cleaning."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from poses import UsageError


@dataclass(frozen=True)
class TrackingOptions:
    """Options of `detectors.tracking.track`; `UsageError` names a value that cannot be."""

    max_gap_s: float = field(
        default=1.0, metadata={"help": "bridge gaps up to this long, in a person and in single keypoints (seconds)"}
    )
    relink_s: float = field(
        default=2.0,
        metadata={"help": "after longer gaps, up to this one, join a person who comes back where motion led (seconds)"},
    )
    min_similarity: float = field(
        default=0.2, metadata={"help": "least likeness (OKS and box overlap, 0 to 1) of one person in two frames"}
    )
    min_length_s: float = field(default=0.5, metadata={"help": "drop people seen for a shorter time (seconds)"})
    min_mean_score: float = field(default=0.4, metadata={"help": "drop people whose mean score over time is lower"})
    min_keypoint_score: float = field(
        default=0.1, metadata={"help": "keypoints of a lower score count as missing and are filled in"}
    )
    undo_swaps: bool = field(
        default=True, metadata={"help": "find spans of frames with left and right exchanged, and exchange them back"}
    )
    outlier_s: float = field(
        default=0.1,
        metadata={"help": "a keypoint that jumps away and back within this time counts as missing (seconds; 0: off)"},
    )
    smooth: bool = field(default=True, metadata={"help": "smooth keypoints over time, weighted by their score"})
    smoothing_s: float = field(
        default=0.04,
        metadata={"help": "strength of smoothing: motion of 1/(2 pi times this) Hz keeps half its amplitude (seconds)"},
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, bool) and not value >= 0:
                raise UsageError(f"{item.name} must not be negative, got {value}")
