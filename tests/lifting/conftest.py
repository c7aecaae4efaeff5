from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lifting.card import Card, model_from, save_weights
from lifting.lifter import Lifter
from lifting.model import Architecture
from lifting.training_data import TrainingData, load_training_data
from tests.lifting.dataset_runs import TINY
from tests.lifting.small_dataset import write_dataset

ARCHITECTURES = (Architecture(19, 17, (3, 3), 16, 0.25), Architecture(19, 1, (3, 3), 8, 0.25))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from threads, and lose much where others compute beside the tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def small_card() -> Card:
    """A card for networks with few channels."""
    return Card("small", "for tests", "CC0", "nothing", *ARCHITECTURES, measured={"mpjpe_mm": 321.5})


@pytest.fixture
def small_weights(tmp_path: Path, small_card: Card) -> Path:
    """A file with random weights."""
    path = tmp_path / "small.safetensors"
    save_weights(path, small_card, model_from(small_card.position, 1), model_from(small_card.trajectory, 2))
    return path


@pytest.fixture
def small_lifter(small_weights: Path) -> Lifter:
    """A lifter with random weights: right shapes, wrong poses."""
    return Lifter.load(str(small_weights))


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset's archives, not to be changed."""
    return write_dataset(tmp_path_factory.mktemp("h36m"))


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> TrainingData:
    """What `TINY` trains on."""
    return load_training_data(TINY, dataset_folder)
