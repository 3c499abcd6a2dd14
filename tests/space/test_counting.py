"""How many logs of decisions there are."""

import pytest

import vitdsl
from tests.space.spaces import body
from vitdsl.space.counting import logs


def test_the_number_of_logs_is_that_of_all_of_them(tiny):
    # by hand: width 2; 6^d blocks of depth d; n 2; the mixer 2 + 3 + 1; the ratio is asked where d is 3 and n is 1
    assert tiny.size == 2 * 6 * (2 * (6 + 36) + 216 * (2 + 1))
    made = {tuple(sorted(draw.log.items())) for draw in logs(tiny.sites)}
    assert len(made) == tiny.size


def test_what_each_would_ask_too_often_is_refused():
    text = body("depth: 4096, block: [{repeat: 4096, mlp: {ratio: {choose: [1, 2], each: true}}}]")
    with pytest.raises(vitdsl.SpecError, match="would ask this 16,777,216 times, and at most 10,000") as caught:
        vitdsl.Space(text)
    assert caught.value.problems[0].mark is not None
