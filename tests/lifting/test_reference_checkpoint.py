"""Checkpoints that the reference implementation wrote, and what it answered (see tests/data/README.md)."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lifting.card import Card, save_weights
from lifting.fast import FastNetwork
from lifting.inference import predict
from lifting.model import Architecture
from lifting.reference_checkpoint import (
    infer_architecture,
    load_reference_checkpoint,
    main,
    save_reference_checkpoint,
)
from poses import H36M17, InputError
from tests.lifting.networks import seasoned

DATA = Path(__file__).parents[1] / "data"
COCO_MIRROR = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
MIRROR = (COCO_MIRROR, H36M17.mirror)


@pytest.fixture(scope="module")
def outputs() -> dict[str, np.ndarray]:
    with np.load(DATA / "reference_outputs.npz") as archive:
        return dict(archive)


def random_state(seed: int) -> tuple[Any, ...]:
    state = np.random.RandomState(seed).get_state(legacy=True)
    assert isinstance(state, tuple)
    return state


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", ["symmetric", "causal", "dense"])
def test_answers_are_the_reference_s(name: str, fast: bool, outputs: dict[str, np.ndarray]) -> None:
    checkpoint = load_reference_checkpoint(DATA / f"reference_{name}.bin", causal=name == "causal")
    assert checkpoint.position.architecture.dense == (name == "dense")
    model = FastNetwork(checkpoint.position) if fast else checkpoint.position
    points = torch.from_numpy(outputs["keypoints"])
    np.testing.assert_allclose(predict(model, points), outputs[name], atol=1e-5)
    np.testing.assert_allclose(predict(model, points, MIRROR), outputs[f"{name}_flip"], atol=1e-5)


def test_trajectory_network_is_the_reference_s(outputs: dict[str, np.ndarray]) -> None:
    trajectory = load_reference_checkpoint(DATA / "reference_symmetric.bin").trajectory
    assert trajectory is not None
    points = torch.from_numpy(outputs["keypoints"])
    np.testing.assert_allclose(predict(trajectory, points), outputs["symmetric_traj"], atol=1e-5)
    answer = predict(trajectory, points, (COCO_MIRROR, np.array([0])))
    np.testing.assert_allclose(answer, outputs["symmetric_traj_flip"], atol=1e-5)


def test_everything_else_in_the_file_is_read(outputs: dict[str, np.ndarray]) -> None:
    checkpoint = load_reference_checkpoint(DATA / "reference_symmetric.bin", filter_widths=(3, 3, 3))
    assert checkpoint.epoch == 80
    assert checkpoint.lr == pytest.approx(0.001 * 0.95**80)
    assert checkpoint.optimizer is not None
    assert checkpoint.optimizer["param_groups"][0]["amsgrad"]
    assert checkpoint.trajectory is not None
    parameters = [*checkpoint.position.parameters(), *checkpoint.trajectory.parameters()]
    shapes = [checkpoint.optimizer["state"][index]["exp_avg"].shape for index in range(len(parameters))]
    assert shapes == [parameter.shape for parameter in parameters]
    assert checkpoint.random_state is not None
    generator = np.random.RandomState()
    generator.set_state(checkpoint.random_state)
    assert generator.randint(0, 1000, 5).tolist() == outputs["random_state_next"].tolist()


def test_random_state_as_a_plain_tuple_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.bin"
    state = random_state(3)
    model = seasoned(Architecture(17, 17, (3, 3), 8))
    numbers = {"lr": np.float64(0.5), "epoch": np.int64(7)}
    torch.save({"model_pos": model.state_dict(), "random_state": state, **numbers}, path)
    checkpoint = load_reference_checkpoint(path)
    assert (checkpoint.lr, checkpoint.epoch) == (0.5, 7)
    assert checkpoint.random_state is not None
    np.testing.assert_array_equal(checkpoint.random_state[1], state[1])


@pytest.mark.parametrize("dense", [False, True])
def test_ours_written_in_that_form_come_back(dense: bool, tmp_path: Path) -> None:
    path = tmp_path / "ours.bin"
    position = seasoned(Architecture(17, 17, (3, 5), 8, dense=dense))
    trajectory = seasoned(Architecture(17, 1, (3, 5), 8, dense=dense), seed=2)
    state = random_state(3)
    save_reference_checkpoint(path, position, trajectory, epoch=3, lr=0.25, random_state=state)
    back = load_reference_checkpoint(path)
    assert back.position.architecture == position.architecture
    assert back.trajectory is not None
    assert (back.epoch, back.lr) == (3, 0.25)
    assert back.random_state is not None
    np.testing.assert_array_equal(back.random_state[1], state[1])
    for ours, theirs in ((position, back.position), (trajectory, back.trajectory)):
        for name, tensor in ours.state_dict().items():
            torch.testing.assert_close(theirs.state_dict()[name], tensor, atol=0, rtol=0)


def test_optimiser_state_belongs_to_the_same_parameters_after_the_journey(tmp_path: Path) -> None:
    model = seasoned(Architecture(17, 17, (3, 3), 8))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    model(torch.randn(2, 9, 17, 2)).square().sum().backward()
    optimiser.step()
    path = tmp_path / "ours.bin"
    save_reference_checkpoint(path, model, optimizer=optimiser.state_dict())
    # In the file, parameter i is the i-th of the module's tensors, as the reference's own optimiser counts them.
    saved = torch.load(path, weights_only=False)
    parameters = [name for name in saved["model_pos"] if name in dict(model.named_parameters())]
    for index, name in enumerate(parameters):
        assert saved["optimizer"]["state"][index]["exp_avg"].shape == saved["model_pos"][name].shape
    back = load_reference_checkpoint(path).optimizer
    assert back is not None
    for index, values in optimiser.state_dict()["state"].items():
        torch.testing.assert_close(back["state"][index]["exp_avg"], values["exp_avg"], atol=0, rtol=0)


def test_exported_file_has_the_keys_of_the_reference_s(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.bin", DATA / "reference_dense.bin"
    model = load_reference_checkpoint(theirs).position
    save_reference_checkpoint(ours, model)
    # These files are our own: the second one was written by the reference from random weights for this test.
    mine, other = (torch.load(path, weights_only=False) for path in (ours, theirs))
    # The reference writes None for a trajectory that it did not train, and its own evaluation then fails on it.
    assert other["model_traj"] is None
    assert mine.keys() == other.keys() - {"model_traj"}
    assert list(mine["model_pos"]) == list(other["model_pos"])
    assert type(mine["random_state"]) is type(other["random_state"])


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("was_run",)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_with_code_in_it_is_refused(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.bin"
    torch.save({"model_pos": {}, "epoch": _Code()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"evil.bin: refused.*mkdir"):
        load_reference_checkpoint(path)
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize("name", ["symmetric", "dense"])
def test_a_file_cut_off_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.bin"
    whole = (DATA / f"reference_{name}.bin").read_bytes()
    for kept in [*range(0, len(whole), 797), len(whole) - 1]:
        path.write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"cut.bin: "):
            load_reference_checkpoint(path)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.bin"
    tensors = dict(seasoned(Architecture(17, 17, (3, 3), 8)).state_dict())

    def refused(content: object, match: str) -> None:
        torch.save(content, path)
        with pytest.raises(InputError, match=match):
            load_reference_checkpoint(path)

    refused({"state_dict": {}}, "model_pos, it holds state_dict")
    refused({"model_pos": {}}, "expand_conv.weight")
    refused({"model_pos": {n: t for n, t in tensors.items() if n != "layers_bn.1.bias"}}, "layers_bn.1.bias")
    refused({"model_pos": tensors | {"layers_bn.0.bias": torch.zeros(9)}}, r"layers_bn.0.bias.*\(9,\), expected \(8,\)")
    refused({"model_pos": tensors | {"head.weight": torch.zeros(9)}}, "head.weight")
    with pytest.raises(InputError, match="no such file"):
        load_reference_checkpoint(tmp_path / "none.bin")
    with pytest.raises(InputError, match=r"architecture 3,3,3, not 3,3,3,3.*--architecture 3,3,3"):
        load_reference_checkpoint(DATA / "reference_symmetric.bin", filter_widths=(3, 3, 3, 3))


def test_both_readings_of_an_ambiguous_network() -> None:
    tensors = seasoned(Architecture(2, 1, (3, 3, 3), 4, dense=True)).state_dict()
    assert infer_architecture(tensors).filter_widths == (3, 3, 3)
    assert infer_architecture(tensors, dense=False).filter_widths == (3, 7, 19)
    dilated = seasoned(Architecture(2, 1, (3, 3, 3), 4)).state_dict()
    assert not infer_architecture(dilated).dense
    with pytest.raises(ValueError, match="dense"):
        infer_architecture(dilated, dense=True)


def test_command_describes_and_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(DATA / "reference_symmetric.bin")]) == 0
    assert "model_traj: architecture 3,3,3, dilated, 8 channels" in capsys.readouterr().out
    position, trajectory = (Architecture(19, joints, (3, 3), 8) for joints in (17, 1))
    card = Card("name", "summary", "licence", "data", position, trajectory)
    weights, out = tmp_path / "ours.safetensors", tmp_path / "ours.bin"
    save_weights(weights, card, seasoned(position), seasoned(trajectory))
    assert main([str(weights), "--export", str(out)]) == 0
    assert load_reference_checkpoint(out).position.architecture.input_joints == 19
    assert main([str(tmp_path / "none.bin")]) == 1
