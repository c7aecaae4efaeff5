from __future__ import annotations

from pathlib import Path

import pytest

from lifting.person_frame import EXTRA_POINTS
from lifting.recipe import load_recipe
from poses import UsageError

BASE = """
name: a
summary: s
licence: CC0
trained_on: t
archive_weights: {walks: 1.0, jumps: 2.0}
cameras: {aimed: false, roll_deg: 1.0}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(BASE)
    return path


def test_a_recipe_says_only_in_what_it_differs_from_its_base(base: Path) -> None:
    path = base.with_name("b.yaml")
    path.write_text("base: a.yaml\nname: b\ncameras: {roll_deg: 9.0}\narchive_weights: {walks: 3.0}\n")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.summary) == ("b", "s")
    assert (recipe.cameras.aimed, recipe.cameras.roll_deg) == (False, 9.0)
    # A table is one value: archives left out are left out.
    assert recipe.archive_weights == {"walks": 3.0}
    third = base.with_name("c.yaml")
    third.write_text("base: b.yaml\nsteps: 7\n")
    assert (load_recipe(third).name, load_recipe(third).steps) == ("b", 7)


def test_a_circle_of_bases_is_refused(base: Path) -> None:
    base.write_text(BASE + "base: b.yaml\n")
    base.with_name("b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(UsageError, match=r"b\.yaml: its base a\.yaml is based on it"):
        load_recipe(base)


def test_a_missing_base_is_named(base: Path) -> None:
    base.write_text("base: none.yaml\n")
    with pytest.raises(UsageError, match=r"none\.yaml: cannot read"):
        load_recipe(base)


def test_frames_of_output_are_as_far_apart_as_the_network_can_share(base: Path) -> None:
    recipe = load_recipe(base, ["filter_widths=[3, 3, 5]", "outputs=4"])
    # All layers but the last see nine frames; a frame more for the neighbour of the last output.
    assert (recipe.output_spacing, recipe.sequence_frames) == (9, 45 + 3 * 9 + 1)
    assert load_recipe(base, ["spacing=3"]).output_spacing == 3
    with pytest.raises(UsageError, match="spacing must be one of 1, 3, 9, 45, got 5"):
        load_recipe(base, ["filter_widths=[3, 3, 5]", "spacing=5"])
    with pytest.raises(UsageError, match="outputs must be at least 1"):
        load_recipe(base, ["outputs=0"])
    with pytest.raises(UsageError, match="velocity_share lie between 0 and 1"):
        load_recipe(base, ["velocity_share=1.5"])


def test_assignments_reach_into_sections(base: Path) -> None:
    recipe = load_recipe(base, ["cameras.roll_deg=3", "noise.person_spread=0.1", "steps=5"])
    assert (recipe.cameras.roll_deg, recipe.noise.person_spread, recipe.steps) == (3.0, 0.1, 5)
    with pytest.raises(UsageError, match="rol_deg"):
        load_recipe(base, ["cameras.rol_deg=3"])


def test_networks_fit_the_keypoints(base: Path) -> None:
    recipe = load_recipe(base, ["input_skeleton=h36m17", "causal=true"])
    position, trajectory = recipe.architectures()
    assert (position.input_joints, position.output_joints, trajectory.output_joints) == (17 + EXTRA_POINTS, 17, 1)
    assert position.causal
    assert recipe.skeleton.name == "h36m17"


@pytest.mark.parametrize("path", sorted(Path("configs/lifting").glob("wild*.yaml")), ids=lambda path: path.stem)
def test_the_bundled_weights_recipes_can_be_read(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem.replace("_", "-")
    if recipe.start_from is not None:
        assert (path.parent / recipe.start_from).is_file()
