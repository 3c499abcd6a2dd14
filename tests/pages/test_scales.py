"""Scales: every value is on its scale, whose ticks are few, round and apart."""

import math
import random

import pytest

from vitdsl.pages.scales import even_scale, is_drawn, labels, scale_of


def check(values, scale):
    assert 2 <= len(scale.ticks) <= 13, scale
    assert list(scale.ticks) == sorted(set(scale.ticks))
    texts = labels(scale.ticks)
    assert len(set(texts)) == len(texts)
    assert max(map(len, texts)) <= 12
    for value in values:
        assert -1e-9 <= scale.share(value) <= 1 + 1e-9


@pytest.mark.parametrize("seed", range(100))
def test_any_values_are_on_their_scale(seed):
    rng = random.Random(seed)
    size, middle = 10.0 ** rng.randint(-99, 99), rng.choice([0.0, 0.0, 1.0, -1.0]) * 10.0 ** rng.randint(-99, 99)
    values = [middle + size * (rng.random() - 0.5) for _ in range(rng.randint(1, 9))]
    values = [value for value in values if is_drawn(value)]
    check(values, even_scale(values))
    check(values, scale_of(values))
    positive = [abs(value) for value in values if value]
    check(positive, scale_of(positive))


@pytest.mark.parametrize(("values", "ticks"), [
    ([], (0, 0.2, 0.4, 0.6, 0.8, 1)), ([0.0], (0, 0.2, 0.4, 0.6, 0.8, 1)), ([0.31, 2.54], (0, 0.5, 1, 1.5, 2, 2.5, 3)),
    ([0.05, 20.0], (0.01, 0.1, 1, 10, 100)), ([-0.5, 20.0], (-5, 0, 5, 10, 15, 20)),
    ([5e-324, 1e-320], (0, 0.2, 0.4, 0.6, 0.8, 1)),
])  # fmt: skip
def test_ticks(values, ticks):
    assert scale_of(values).ticks == ticks


def test_epochs_are_whole_and_the_axis_ends_with_them():
    assert even_scale([1, 2], whole=True, tight=True) == (1, 2, (1, 2), False)
    assert even_scale([1, 60], count=6, whole=True, tight=True).ticks == (10, 20, 30, 40, 50, 60)


def test_shares_stay_within_what_there_can_be():
    assert even_scale([100.0], within=(0, 100)).ticks[-1] == 100
    assert even_scale([0.0], within=(0, 100)).ticks[0] == 0


@pytest.mark.parametrize(("ticks", "texts"), [
    ((0.0, 0.0005, 0.001), ["0", "0.0005", "0.001"]), ((0.0, 1000.0, 2000.0), ["0", "1,000", "2,000"]),
    ((0.0, 50_000.0, 100_000.0), ["0", "50k", "100k"]), ((1e6, 2.5e6), ["1M", "2.5M"]),
    ((0.0, 1e-5), ["0", "1e-5"]), ((0.0, 5e20), ["0", "5e20"]), ((-20.0, 0.0), ["-20", "0"]), ((), []),
])  # fmt: skip
def test_labels(ticks, texts):
    assert labels(ticks) == texts


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e200])
def test_what_has_no_place(value):
    assert not is_drawn(value)
