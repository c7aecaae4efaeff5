"""What a run on a dataset trains on: labelled and unlabelled sequences, and the examples of each step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from lifting.data.sequences import PoseDataset, load_dataset
from lifting.dataset_recipe import DatasetRecipe
from lifting.frame_store import EndlessOrder, FrameStore, Windows, epoch_order
from lifting.semi_supervised import input_skeleton, shared_joints
from lifting.unlabelled import find_tracks, load_tracks
from poses import InputError, UsageError
from poses.distributed import Ranks

_LABELLED, _UNLABELLED = 1, 2


@dataclass(frozen=True)
class TrainingData:
    """What a run is trained and evaluated on. `unlabelled` is None for supervised training."""

    labelled: PoseDataset
    test: PoseDataset
    unlabelled: PoseDataset | None


def load_training_data(recipe: DatasetRecipe, folder: Path) -> TrainingData:
    """Read the archives and tracks that a recipe names. `InputError` or `UsageError` name what is missing or wrong."""
    dataset = recipe.data
    train = recipe.subjects_train or dataset.train_subjects
    test = recipe.subjects_test or dataset.test_subjects
    twice = set(recipe.unlabelled_subjects) & set(train)
    if twice:
        raise UsageError(f"subjects {', '.join(sorted(twice))} stand in subjects_train and in unlabelled_subjects")
    everyone = load_dataset(dataset, folder, recipe.keypoints, [*dict.fromkeys([*train, *test])], recipe.actions)
    labelled = everyone.select(train).subset(recipe.subset, recipe.downsample)
    return TrainingData(
        labelled, everyone.select(test).downsample(recipe.downsample), _load_unlabelled(recipe, folder, labelled)
    )


def _load_unlabelled(recipe: DatasetRecipe, folder: Path, labelled: PoseDataset) -> PoseDataset | None:
    if not recipe.semi_supervised:
        return None
    skeleton = input_skeleton(labelled.layout)
    shared_joints(skeleton, labelled.dataset.skeleton)
    unlabelled = dataclasses.replace(labelled, sequences=())
    if recipe.unlabelled_subjects:
        subjects = recipe.unlabelled_subjects
        unlabelled = load_dataset(recipe.data, folder, recipe.keypoints, subjects, recipe.actions, labelled=False)
        unlabelled = unlabelled.downsample(recipe.downsample)
        if any(sequence.intrinsics is None for sequence in unlabelled.sequences):
            raise UsageError(
                f"{recipe.dataset} publishes no intrinsics for its cameras, so nothing can be projected into them",
                "leave unlabelled_subjects out",
            )
    own = [s for p in find_tracks(recipe.unlabelled_tracks) for s in load_tracks(p, skeleton, labelled.rate_hz)]
    if not own and not unlabelled.sequences:
        raise InputError(f"{', '.join(recipe.unlabelled_tracks)}: no track is long enough to train on")
    return dataclasses.replace(unlabelled, sequences=(*unlabelled.sequences, *own))


class Batches:
    """Gives each step of a run its examples.

    The labelled chunks of an epoch, original and mirrored, come in an order that depends on seed and epoch alone; the
    unlabelled ones are an endless stream, as many a step as labelled ones.
    """

    def __init__(self, recipe: DatasetRecipe, data: TrainingData, padding: tuple[int, int], ranks: Ranks) -> None:
        self._recipe, self._padding, self._ranks = recipe, padding, ranks
        self._labelled = FrameStore(data.labelled, ranks.device, recipe.flip_training)
        self._chunks = self._labelled.chunks(recipe.stride)
        self._unlabelled: FrameStore | None = None
        if data.unlabelled is not None:
            self._unlabelled = FrameStore(data.unlabelled, ranks.device, recipe.flip_training)
            self._unlabelled_chunks = self._unlabelled.chunks(recipe.stride)
            self._stream = EndlessOrder(len(self._unlabelled_chunks), recipe.seed, _UNLABELLED)
        # Batch norm needs two examples in each process: a smaller rest is left out of the epoch.
        whole, rest = divmod(len(self._chunks), recipe.chunks_per_batch)
        self.steps = whole + (rest >= 2 * ranks.world)
        if not self.steps:
            raise UsageError(f"{len(self._chunks)} training examples are too few", "use a larger subset")
        self._epoch = -1

    def batch(self, epoch: int, step: int, with_unlabelled: bool) -> tuple[Windows, Windows | None, float]:
        """(labelled, unlabelled, weight) of this process's share of a step.

        The weight is the share's size relative to an even one, so that gradients averaged over the processes are those
        of the mean over the whole batch.
        """
        if epoch != self._epoch:
            order = epoch_order(len(self._chunks), self._recipe.seed, _LABELLED, epoch)
            self._order, self._epoch = order.to(self._ranks.device), epoch
        first = step * self._recipe.chunks_per_batch
        chosen = self._order[first : first + self._recipe.chunks_per_batch]
        own = self._ranks.part(chosen)
        labelled = self._labelled.windows(self._chunks, own, self._padding)
        unlabelled = None
        if with_unlabelled and self._unlabelled is not None:
            place = (epoch * self.steps + step) * self._recipe.chunks_per_batch
            other = self._ranks.part(self._stream.take(place, len(chosen)))
            unlabelled = self._unlabelled.windows(self._unlabelled_chunks, other, self._padding)
        return labelled, unlabelled, len(own) * self._ranks.world / len(chosen)
