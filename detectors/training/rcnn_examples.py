"""Training examples of the R-CNNs: whole images with all their labelled people.

Shape letters: P people, J joints, H, W of the image. Positions are measured from the corner (`detectors.crops`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.coco_data import PIXEL_MIDDLE, KeypointDataset, KeypointSample, read_image
from detectors.training.augment import draw_view, recolour
from detectors.training.config import FinetuneConfig
from detectors.training.data import view_generator


@dataclass(frozen=True)
class ImageExample:
    """An image and who is in it.

    Attributes
    ----------
    image : (H, W, 3) uint8 BGR.
    box_px : (P, 4) float32 x1, y1, x2, y2.
    keypoints_px : (P, J, 2) float32, NaN where not labelled.
    """

    image: np.ndarray
    box_px: np.ndarray
    keypoints_px: np.ndarray

    @property
    def marked_keypoints(self) -> np.ndarray:
        """(P, J, 3) float32 as COCO has them: x, y, 2 for a known joint; zeros for others."""
        known = np.isfinite(self.keypoints_px).all(axis=-1)
        points = np.where(known[..., None], self.keypoints_px, 0)
        return np.concatenate([points, 2.0 * known[..., None]], axis=-1).astype(np.float32)


class ImageExamples:
    """The images of a dataset that show somebody with labelled keypoints."""

    def __init__(self, dataset: KeypointDataset, config: FinetuneConfig) -> None:
        self.config = config
        self.mirror = dataset.skeleton.mirror
        self.people = [people for people in dataset.by_image().values() if people]

    def __len__(self) -> int:
        return len(self.people)

    def prepare(self, index: int, step: int, place: int) -> ImageExample:
        """Read an image; mirrored and recoloured at random."""
        config = self.config
        view = draw_view(view_generator(config.seed, step, place), config.scale, 0.0, config.flip, config.colour)
        example = self.plain(index)
        image, box, keypoints = recolour(example.image, view), example.box_px, example.keypoints_px
        if view.flip:
            width = image.shape[1]
            image = np.ascontiguousarray(image[:, ::-1])
            box = np.stack([width - box[:, 2], box[:, 1], width - box[:, 0], box[:, 3]], axis=1)
            keypoints = keypoints[:, self.mirror] * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32)
        return ImageExample(image, box, keypoints)

    def plain(self, index: int) -> ImageExample:
        """The image as it is."""
        people = self.people[index]
        first = people[0]
        image = read_image(first.image_path, first.width, first.height)
        return ImageExample(image, *people_arrays(people))


def people_arrays(people: list[KeypointSample]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (P, 4) and keypoints (P, J, 2) of samples, from the corner, NaN for what is not labelled."""
    box = np.stack([sample.box_px for sample in people]).astype(np.float32)
    points = np.stack([sample.keypoints_px for sample in people]) + np.float32(PIXEL_MIDDLE)
    return box, points.astype(np.float32)
