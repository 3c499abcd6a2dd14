"""Names and values that expressions of tests see."""

import pytest

from vitdsl.errors import ExpressionError
from vitdsl.syntax.expressions import Late, parse

ENV = {
    "dim": 64,
    "index": 3,
    "ratio": 0.5,
    "flag": True,
    "dims": [64, 128, 320],
    "table": {"heads": 4, "0": "zero"},
    "other": "large",
    "part": "grid",
    "nothing": None,
}


def value(text):
    late = parse(text)
    assert isinstance(late, Late)
    return late.evaluate(ENV)


def problem(text):
    with pytest.raises(ExpressionError) as caught:
        value(text)
    return caught.value
