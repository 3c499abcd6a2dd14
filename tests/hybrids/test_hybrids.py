"""Random compositions of everything the language has: what is accepted holds, what is refused says where."""

import gc
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, note, seed, settings

import vitdsl
from tests.hybrids.census import stands, wanted
from tests.hybrids.checks import check_built, check_text
from tests.hybrids.models import specs
from tests.hybrids.stages import Spec
from vitdsl.memo import forget
from vitdsl.syntax.printer import dump_tree

LEAST = 10
"""In so many accepted examples stands every part, role and wiring key."""
LARGEST = 2**26
"""What has more bytes of activations for one image is not built: a spec that was spoilt may be as large as it likes."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Tally:
    """What a run has seen."""

    def __init__(self) -> None:
        self.seen, self.accepted, self.built = 0, 0, 0
        self.counts: Counter[str] = Counter()

    def judge(self, tree: Spec, builds: Callable[[str], bool]) -> None:
        """One example."""
        text = dump_tree(tree)
        note(text)
        self.seen += 1
        try:
            spec = vitdsl.load(text)
            spec.graph()
        except vitdsl.SpecError as error:
            refused = error
        else:
            refused = None
        if refused is not None:
            assert refused.problems[0].mark is not None, f"no position: {refused}"
            return
        self.accepted += 1
        self.counts.update(stands(spec))
        again, written_out = check_text(spec)
        if builds(text) and spec.analyze().activation_bytes <= LARGEST:
            self.built += 1
            check_built(spec, again, written_out)
        if self.seen % 50 == 0:  # modules are in cycles, and the collector knows nothing of the size of their tensors
            forget()
            gc.collect()

    def __str__(self) -> str:
        rare = {name: self.counts[name] for name in sorted(wanted(), key=lambda name: self.counts[name])[:12]}
        share = f"{self.accepted / max(1, self.seen):.0%}"
        return f"{self.seen} drawn, {self.accepted} accepted ({share}), {self.built} built; rarest: {rare}"


def run(number: int, examples: int, builds: Callable[[str], bool]) -> Tally:
    """Draws and judges so many examples, the same ones each time."""
    tally = Tally()

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(specs())
    def judged(tree: Spec) -> None:
        tally.judge(tree, builds)

    judged()
    print(f"\n{tally}")
    return tally


def share(percent: int) -> Callable[[str], bool]:
    """Picks so many in a hundred, by the text alone, so that a failing example fails again."""
    return lambda text: int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % 100 < percent


def check_tally(tally: Tally, least: int = LEAST) -> None:
    assert tally.accepted >= 0.6 * tally.seen, str(tally)
    rare = {name: tally.counts[name] for name in sorted(wanted()) if tally.counts[name] < least}
    assert not rare, f"in fewer than {least} accepted examples: {rare}"


def test_hybrids_are_read_and_analysed() -> None:
    check_tally(run(0, 400, share(0)), 1)


def test_hybrids_are_built() -> None:
    tally = run(0, 75, share(100))
    assert tally.built >= 49, str(tally)


@pytest.mark.full
def test_many_hybrids_are_read_and_analysed() -> None:
    check_tally(run(0, 2000, share(0)))


@pytest.mark.full
@pytest.mark.parametrize("number", [1, 2])
def test_many_hybrids_are_built(number: int) -> None:
    tally = run(number, 700, share(100))
    check_tally(tally, 1)
    assert tally.built >= 450, str(tally)
