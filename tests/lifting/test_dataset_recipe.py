from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lifting.dataset_recipe import DatasetRecipe, recipe_from
from poses import UsageError

CONFIGS = Path(__file__).parents[2] / "configs" / "lifting"


def test_schedule_of_the_paper() -> None:
    recipe = DatasetRecipe("h36m", "cpn_ft_h36m_dbb")
    assert recipe.learning_rate_at(0) == pytest.approx(1e-3)
    assert recipe.learning_rate_at(79) == pytest.approx(1e-3 * 0.95**79)
    assert recipe.momentum_at(0) == pytest.approx(0.1)
    assert recipe.momentum_at(40) == pytest.approx(0.01), "half way between 0.1 and 0.001 on a logarithmic scale"
    assert recipe.momentum_at(80) == pytest.approx(0.001)
    position, trajectory = recipe.architectures(17, 17)
    assert (position.receptive_field, position.channels, position.dropout, trajectory) == (243, 1024, 0.25, None)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("h*.yaml")), ids=lambda path: path.stem)
def test_bundled_recipes_are_valid(path: Path) -> None:
    recipe = recipe_from(yaml.safe_load(path.read_text()), [], path.name)
    assert recipe.architectures(17, 17)[0].receptive_field >= 1


def test_assignments_come_last_and_are_checked() -> None:
    mapping = {"dataset": "h36m", "keypoints": "gt", "channels": 8}
    recipe = recipe_from(mapping, ["channels=16", "subjects_train=[S1]", "learning_rate=1"], "mine.yaml")
    assert (recipe.channels, recipe.subjects_train, recipe.learning_rate) == (16, ("S1",), 1.0)
    with pytest.raises(UsageError, match=r"mine\.yaml.*lacks keypoints"):
        recipe_from({"dataset": "h36m"}, [], "mine.yaml")
    with pytest.raises(UsageError, match="--set channels: expected name=value"):
        recipe_from(mapping, ["channels"], "mine.yaml")
    with pytest.raises(UsageError, match="nothing is learnt"):
        recipe_from(mapping, ["unlabelled_subjects=[S5]", "projection=false", "bone_length=false"], "mine.yaml")


def test_only_what_changes_the_weights_tells_recipes_apart() -> None:
    recipe = DatasetRecipe("h36m", "gt")
    assert DatasetRecipe("h36m", "gt", save_every_s=1.0, export_every=3).fingerprint() == recipe.fingerprint()
    assert DatasetRecipe("h36m", "gt", dropout=0.1).fingerprint() != recipe.fingerprint()
