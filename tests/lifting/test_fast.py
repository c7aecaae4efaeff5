"""The fast network against the plain one, minimal filtering against exact convolution, bounded memory, precisions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lifting.benchmark import main
from lifting.fast import BlockStream, FastNetwork, check_precision, cpu_has_bf16
from lifting.inference import predict
from lifting.lifter import Lifter
from lifting.minimal_filter import TILE, MinimalFilter, Scratch, transforms
from lifting.model import Architecture
from lifting.parallel import map_in_threads
from lifting.profile import profile
from poses import H36M17, UsageError
from tests.lifting.networks import moving_points, seasoned

needs_bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU does not multiply bfloat16")

ARCHITECTURES = [
    Architecture(17, 17, (3, 3, 3), 32),
    Architecture(17, 17, (3, 3, 3), 32, causal=True),
    Architecture(17, 17, (3, 3), 16, dense=True),
    Architecture(17, 17, (3, 3, 3), 16, causal=True, dense=True),
    Architecture(5, 1, (5, 1, 3), 16),
    Architecture(5, 1, (1,), 16),
    Architecture(17, 17, (3, 3, 3, 3, 3), 32),
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("frames", [1, 9, 130, 3100])
def test_equals_the_plain_network(architecture: Architecture, frames: int) -> None:
    model = seasoned(architecture)
    points = moving_points(frames, architecture.input_joints, people=2)
    wanted = torch.stack([predict(model, person) for person in points])
    torch.testing.assert_close(FastNetwork(model).predict(points), wanted, atol=1e-5, rtol=0)


def test_equals_the_plain_network_with_flip_averaging() -> None:
    model = seasoned(ARCHITECTURES[0])
    points = moving_points(200, 17)[0]
    mirror = (H36M17.mirror, H36M17.mirror)
    torch.testing.assert_close(
        predict(FastNetwork(model), points, mirror), predict(model, points, mirror), atol=1e-5, rtol=0
    )


def test_sequences_without_frames_or_people_give_none() -> None:
    network = FastNetwork(seasoned(ARCHITECTURES[0]))
    assert network.predict(torch.zeros(1, 0, 17, 2)).shape == (1, 0, 17, 3)
    assert network.predict(torch.zeros(0, 5, 17, 2)).shape == (0, 5, 17, 3)
    with pytest.raises(ValueError, match=r"\(B, T, 17, 2\)"):
        network.predict(torch.zeros(1, 5, 16, 2))


@needs_bf16
def test_bfloat16_is_close() -> None:
    # Weights scaled so that answers are of the size of a body in metres.
    model = seasoned(Architecture(17, 17, (3, 3, 3), 256))
    points = moving_points(2000, 17)
    wanted = predict(model, points[0])
    scale = 0.3 / wanted.std()
    error = (FastNetwork(model, "bf16").predict(points)[0] - wanted) * scale
    assert 0 < error.norm(dim=-1).mean() < 0.003


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_same_input_gives_the_same_bytes(precision: str) -> None:
    network = FastNetwork(seasoned(ARCHITECTURES[0]), precision)
    points = moving_points(1000, 17)
    first = network.predict(points).numpy().tobytes()
    network.predict(moving_points(333, 17, seed=9))
    assert network.predict(points).numpy().tobytes() == first


def test_memory_does_not_grow_with_the_sequence() -> None:
    network = FastNetwork(seasoned(ARCHITECTURES[0]))
    blocks = {size for _, size in network._blocks_of(1, 0, 10**7)}
    assert max(blocks) == network.block_frames(1) < 3000


def test_minimal_filtering_saves_more_than_half_of_the_products() -> None:
    architecture = Architecture(17, 17, (3, 3, 3, 3, 3), 64)
    network = FastNetwork(seasoned(architecture))
    stream = BlockStream(network, torch.zeros(1, 34), 1458)
    with FlopCounterMode(display=False) as counter:
        stream.push(torch.zeros(1458, 1, 34))
    per_block_row = 2 * 64 * 64
    saved = profile(architecture).flops_per_frame - 4 * per_block_row * (3 - 8 / 6)
    # The sums before and after the products: small matrices for each channel.
    sums = 4 * 64 * 2 * (8 * 8 + 6 * 8) / 6
    assert counter.get_total_flops() / 1458 == pytest.approx(saved + sums, rel=1e-6)


def test_transforms_are_those_of_the_literature() -> None:
    """F(2, 3) of Lavin and Gray, equation 5, up to the scale of each product."""
    output, filters, inputs = transforms((0.0, 1.0, -1.0, np.inf))
    products = np.einsum("mp,pk,pi->mki", output, filters, inputs)
    wanted = np.zeros((2, 3, 4))
    for m in range(2):
        for k in range(3):
            wanted[m, k, m + k] = 1
    np.testing.assert_allclose(products, wanted, atol=1e-12)
    np.testing.assert_allclose(output, [[1, 1, 1, 0], [0, 1, -1, 1]], atol=0)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("causal", [False, True])
def test_parts_side_by_side_answer_as_the_plain_network(causal: bool) -> None:
    model = seasoned(Architecture(17, 17, (3, 3, 3), 32, causal=causal))
    network = FastNetwork(model)
    points = moving_points(651, 17)
    with torch_threads(3):
        parts = network._parts(651)
        answer = network.predict(points)
        assert torch.get_num_threads() == 3
    assert len(parts) == 3
    torch.testing.assert_close(answer, predict(model, points[0])[None], atol=1e-5, rtol=0)
    # Each part goes through as many frames as another, those before its first answer included.
    worked = [end - max(0, start - network.architecture.padding[0]) for start, end in parts]
    assert max(worked) - min(worked) <= 1


def test_threads_are_shared_and_given_back_even_after_an_error() -> None:
    def fail(item: int) -> int:
        seen.append(torch.get_num_threads())
        raise ValueError(str(item))

    seen: list[int] = []
    with torch_threads(4):
        with pytest.raises(ValueError, match="5"):
            map_in_threads(fail, [5, 6])
        assert torch.get_num_threads() == 4
        assert map_in_threads(lambda item: (item, torch.get_num_threads()), [7]) == [(7, 4)]
    assert set(seen) == {2}


@pytest.mark.parametrize("step", [1, 6])
def test_minimal_filter_is_the_dilated_convolution(step: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 4, 3, generator=generator, dtype=torch.float64)
    rows = 2 * TILE * step
    x = torch.randn(rows + 2 * step, 4, generator=generator)
    wanted = torch.nn.functional.conv1d(x.T[None].double(), weight, dilation=step)[0].T
    answer = MinimalFilter(weight, torch.float32, "cpu")(x, rows, step, Scratch("cpu"))
    assert answer.shape == (TILE, 2, step, 5)
    in_order = answer.transpose(0, 1).reshape(rows, 5)
    torch.testing.assert_close(in_order.double(), wanted, atol=1e-5, rtol=0)


def test_precisions_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="fp16"):
        check_precision("fp16", "cpu")
    with pytest.raises(UsageError, match="fp32, bf16, fp16"):
        check_precision("fp64", "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--architecture", "3", "--channels", "8", "--frames", "10", "--device", "cuda"]) == 2
    assert "--device cpu" in capsys.readouterr().err
    with pytest.raises(UsageError, match="CUDA"):
        FastNetwork(seasoned(ARCHITECTURES[-2]), device="cuda")


@needs_bf16
def test_lifter_takes_a_precision() -> None:
    names = sorted(p.stem for p in (Path(__file__).parents[2] / "lifting" / "weights").glob("*.safetensors"))
    if not names:
        pytest.skip("no bundled weights")
    points = 0.1 * moving_points(60, 17)[0].numpy()
    exact, coarse = (Lifter.load(names[0], precision=precision)(points)[0] for precision in ("fp32", "bf16"))
    assert 0 < np.abs(exact - coarse).max() < 0.05


def test_benchmark_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures.json"
    arguments = ["--architecture", "3,3", "--channels", "16", "--frames", "500", "--runs", "3", "--json", str(out)]
    assert main(arguments) == 0
    figures = json.loads(out.read_text())
    assert figures["frames_per_second"] == sorted(figures["runs_frames_per_second"])[1] > 0
    assert figures["receptive_field"] == 9
    assert "frames/s" in capsys.readouterr().out
    assert main([*arguments, "--precision", "fp8"]) == 2
    assert main([*arguments, "--frames", "0"]) == 2
