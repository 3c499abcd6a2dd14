"""Small stages, and how many blocks each has."""

import pytest

import vitdsl

STEM = {"tokenizer": [{"conv": {"dim": 4, "kernel": 2, "stride": 2}}]}
RESIDUAL = [{"mlp": {"ratio": 2}}]
BODIES = [
    pytest.param(RESIDUAL, 1, id="residual"),
    pytest.param([*RESIDUAL, *RESIDUAL], 1, id="all residual items of a body are one block"),
    pytest.param([{"body": RESIDUAL}, {"body": RESIDUAL}], 2, id="two bodies"),
    pytest.param([{"repeat": 3, "body": RESIDUAL}, {"body": RESIDUAL}], 4, id="repetitions and a body"),
    pytest.param([{"repeat": 2, "body": [{"repeat": 3, "body": RESIDUAL}]}], 2, id="the outermost repetition"),
    pytest.param([{"repeat": 2, "linear": 4}], 2, id="a repetition that adds nothing"),
    pytest.param([{"linear": 4}, {"activation": "relu"}], 1, id="a body without blocks is one"),
    pytest.param([], 0, id="an empty body is none"),
    pytest.param([{"residual": True, "body": [{"body": RESIDUAL}]}], 1, id="residual bodies inside of one"),
    pytest.param([{"parallel": [RESIDUAL, RESIDUAL], "residual": False}], 1, id="branches are inside"),
    pytest.param([{"drop_path": "none", "mlp": {}}, {"body": RESIDUAL}], 2, id="what never drops is a block too"),
    pytest.param([{"repeat": 3, "body": RESIDUAL}, *RESIDUAL], 4, id="items behind a repetition are one block"),
    pytest.param([*RESIDUAL, {"body": RESIDUAL}, *RESIDUAL], 3, id="a body with blocks splits what is around it"),
    pytest.param([*RESIDUAL, {"body": [{"linear": 4}]}, *RESIDUAL], 1, id="a body without blocks does not"),
]
"""Bodies, and how many blocks each has."""


def spec_of(body: list) -> vitdsl.Spec:
    return vitdsl.load({"input": {"size": 8}, "classes": 3, "stages": [{**STEM, "body": body}]})
