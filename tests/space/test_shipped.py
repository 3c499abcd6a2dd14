"""The shipped spaces: their numbers, what the papers print, and draws that are built and equal their analysis."""

import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import vitdsl
from tests.meta import Shapes
from tests.zoo.test_zoo import invisible
from vitdsl.errors import SpecError
from vitdsl.resolve.files import shipped

SPACES = sorted(path.stem for path in shipped("spaces").glob("*.yaml"))


@pytest.mark.parametrize("name", SPACES)
def test_every_alternative_is_taken_by_an_architecture_that_fits(name):
    space = vitdsl.Space(name)
    wanted = {(site.spelled(), option) for site in space.sites.all for option in site.options}
    rng = random.Random(0)
    for _ in range(600):
        spec = space.sample(rng)
        try:
            spec.analyze()
        except SpecError:
            continue
        plain = {_without_repetitions(path): value for path, value in spec.decisions.items()}
        wanted -= set(plain.items())
        if not wanted:
            break
    assert not wanted


def _without_repetitions(path: str) -> str:
    from vitdsl.syntax.paths import Repetition, format_path, parse_path

    return format_path([segment for segment in parse_path(path) if not isinstance(segment, Repetition)])


def blocks(options: int, depths: range) -> int:
    """Ways to decide every block, over all depths."""
    return sum(options**depth for depth in depths)


@pytest.mark.parametrize(
    ("name", "size", "searched", "ends"),
    [
        ("autoformer_tiny", 3 * blocks(2 * 2, range(12, 15)), 5.7e6, (5_273_896, 10_409_752)),
        ("autoformer_small", 3 * blocks(3 * 3, range(12, 15)), 22.9e6, (12_965_160, 34_682_920)),
        ("autoformer_base", 3 * blocks(3 * 3, range(14, 17)), 53.7e6, (39_685_336, 76_759_384)),
    ],
)
def test_autoformer(name, size, searched, ends):
    """The paper's searched models (5.7M, 22.9M, 53.7M) lie in their spaces, whose ends are counted by hand below."""
    space = vitdsl.Space(name)
    assert space.size == size
    smallest = space.walk(lambda choice: choice.options[0]).analyze().params
    largest = space.walk(lambda choice: choice.options[-1]).analyze().params
    assert (smallest, largest) == ends
    assert smallest < searched < largest


def by_hand(dim: int, depth: int, heads: int, ratio: float) -> int:
    """Parameters of a uniform AutoFormer: patches, class token, positions, blocks, norm, classifier."""
    inner, hidden = 64 * heads, int(dim * ratio)
    attention = dim * 3 * inner + 3 * inner + inner * dim + dim
    mlp = dim * hidden + hidden + hidden * dim + dim
    around = 3 * 16 * 16 * dim + dim + dim + 197 * dim + 2 * dim + dim * 1000 + 1000
    return around + depth * (attention + mlp + 4 * dim)


def test_autoformer_by_hand():
    assert by_hand(192, 12, 3, 3.5) == 5_273_896
    assert by_hand(448, 14, 7, 4) == 34_682_920
    assert by_hand(624, 16, 10, 4) == 76_759_384


def test_autoformers_count_is_the_papers_where_every_depth_decides_all_blocks():
    """The paper says more than 1.7e16: depths times widths times all blocks of the deepest, in the three supernets."""
    papers = sum(3 * 3 * options**deepest for options, deepest in ((4, 14), (9, 14), (9, 16)))
    assert f"{papers:.1e}" == "1.7e+16"
    assert sum(vitdsl.Space(f"autoformer_{size}").size for size in ("tiny", "small", "base")) == 6_322_468_660_628_274


def judged(seed: int, samples: int) -> tuple[int, int]:
    """How many samples of the hybrid space were built on meta and equal their analysis, and how many were refused."""
    space, rng = vitdsl.Space("hybrid"), random.Random(seed)
    built = refused = 0
    for _ in range(samples):
        spec = space.sample(rng)
        try:
            found = spec.analyze()
        except SpecError as error:
            refused += all(problem.mark is not None and problem.message != "" for problem in error.problems)
            continue
        model = vitdsl.build(spec, device="meta").eval()
        trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), Shapes(), counter:
            logits = model(torch.empty(1, 3, 224, 224, device="meta"))
        assert logits.shape == (1, 1000)
        assert trained == found.trainable_params, spec.decisions
        assert counter.get_total_flops() == 2 * (found.macs - invisible(spec, model)), spec.decisions
        built += 1
    return built, refused


def test_hybrids_are_what_their_analysis_says():
    built, refused = judged(7, 30)
    assert built + refused == 30
    assert built >= 27


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_hybrids_are_what_their_analysis_says(seed):
    """1,000 in all."""
    built, refused = judged(seed, 250)
    assert built + refused == 250
    assert built >= 225


def test_the_digits_space_is_small():
    assert vitdsl.Space("digits").size == 168
