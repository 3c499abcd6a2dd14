"""Numbers of a range, of which none is kept."""

import random

import pytest

from vitdsl.syntax.holes import Hole, Numbers

RANGES = [(1, 9), (3, 3), (-4, 8, 3), (0.5, 1.5, 0.25), (0, 1, 0.1), (2.0, 2.0, 1), (1, 9, 2.0), (0.1, 0.7, 0.2)]


@pytest.mark.parametrize("ends", RANGES)
def test_numbers_are_those_of_a_list(ends):
    low, high, step = (*ends, 1)[:3]
    listed = [round(low + step * index, 12) for index in range(round((high - low) / step) + 1)]
    numbers = Numbers(*ends)
    assert list(numbers) == listed
    assert (numbers[0], numbers[-1]) == (low, high)
    assert all(type(number) is (int if numbers.whole else float) for number in numbers[1:])
    assert [numbers.index(number) for number in listed] == list(range(len(listed)))
    assert not any(number in numbers for number in (low - step, high + step, low + step / 3, "1", None, float("nan")))
    assert numbers[1:3] == listed[1:3]
    assert random.Random(3).choice(numbers) == random.Random(3).choice(listed)
    with pytest.raises(ValueError, match="is not in the range"):
        numbers.index(high + step)
    with pytest.raises(IndexError):
        numbers[len(listed)]


def test_a_long_range_takes_no_room():
    numbers = Numbers(1, 10**9)
    assert len(numbers) == 10**9
    assert numbers.index(999_999_999) == 999_999_998
    assert 10**9 + 1 not in numbers
    assert "x" not in numbers
    fine = Numbers(0, 1, 1e-9)
    assert fine[123_456_789] == 0.123456789
    assert fine.index(0.123456789) == 123_456_789


def test_ranges_of_fractions_may_be_long():
    assert Hole({"range": [0, 1, 1e-9]}).malformed() == []
    assert Hole({"range": [0.1, 1000.1, 0.001]}).malformed() == []
    for end in (float("nan"), float("inf"), 10**400):
        assert Hole({"range": [end, 3, 1]}).malformed()[0][0] == ("range", 0)
