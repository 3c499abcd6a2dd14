"""Where tokens were made: through portions that were taken, put back and joined, and through calls."""

import pytest

import vitdsl
from vitdsl.graph.ir import Call
from vitdsl.graph.origins import origin

MLP = {"mlp": {"ratio": 2}}


def behind(*bodies):
    """The values behind stages of `cls` and 4x4 tokens, and the frame of the model."""
    first = {"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "tokens": ["cls"]}
    stages = [{**(first if index == 0 else {}), "body": body} for index, body in enumerate(bodies)]
    head = {"outputs": {"grid": [{"from": "grid"}, {"pool": "mean"}], "cls": [{"pool": "cls"}]}}
    frame = vitdsl.load({"input": {"size": 16}, "classes": 0, "stages": stages, "head": head}).graph().frame
    return frame, [step.gives["x"] for step in frame.steps if isinstance(step, Call) and "x" in step.gives]


@pytest.mark.parametrize(("body", "same"), [
    ([], True),
    ([MLP], False),
    ([{"at": "cls", **MLP}], False),
    ([{"repeat": 3, "body": []}], True),
    ([{"write": "kept"}, MLP, {"from": "kept"}], True),
    ([{"write": "kept"}, {"at": "grid", **MLP}, {"from": "kept"}], True),
])  # fmt: skip
def test_all_tokens(body, same):
    frame, (before, after) = behind([MLP], body)
    assert (origin(frame, before) == origin(frame, after)) == same


def test_a_number_of_tokens_is_part_of_it():
    frame, (value,) = behind([MLP])
    found = origin(frame, value)
    assert (found.path, found.start, found.stop) == ("stages.0", 0, 17)
