"""Streams that a define writes, and that what uses it writes too."""

import json

import pytest

import vitdsl
from vitdsl.resolve.files import shipped
from vitdsl.validate.streams import overwritten

BODY = [{"linear": 16}, {"write": "a"}]
TOLD = {
    "a body": ([{"write": "a"}, {"use": "d"}, {"from": "a"}], {"d": {"body": BODY}}, ["d"]),
    "inside of an item": ([{"write": "a"}, {"body": [{"use": "d"}]}, {"from": "a"}], {"d": {"body": BODY}}, ["d"]),
    "a branch": ([{"write": "a"}, {"parallel": [[], [{"use": "d"}]]}, {"from": "a"}], {"d": {"body": BODY}}, ["d"]),
    "through a define": (
        [{"write": "a"}, {"use": "e"}, {"from": "a"}], {"d": {"body": BODY}, "e": {"body": [{"use": "d"}]}}, ["d"],
    ),
    "a define that uses it": (
        [{"use": "e"}, {"from": "a"}], {"d": {"body": BODY}, "e": {"body": [{"write": "a"}, {"use": "d"}]}}, ["d"],
    ),
    "a branch that keeps": (
        [{"write": "a"}, {"use": "d"}, {"from": "a"}], {"d": {"body": [{"linear": 16, "write": "a"}]}}, ["d"],
    ),
    "another name": ([{"write": "b"}, {"use": "d"}, {"from": "b"}], {"d": {"body": BODY}}, []),
    "read alone": ([{"use": "d"}, {"from": "a"}], {"d": {"body": BODY}}, []),
    "not used": ([{"write": "a"}, {"from": "a"}], {"d": {"body": BODY}}, []),
    "named by the user": (
        [{"write": "a"}, {"use": "d", "name_of": "a"}, {"from": "a"}],
        {"d": {"args": ["name_of"], "body": [{"linear": 16}, {"write": "$name_of"}]}}, [],
    ),
    "appended": ([{"pool": "mean"}, {"write": "a[]"}, {"use": "d"}], {"d": {"body": [{"write": "a[]"}]}}, []),
}  # fmt: skip


def spec(body, defines):
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "body": body}
    return {"classes": 5, "input": {"size": 16}, "stages": [stage], "define": defines, "head": {"pool": "mean"}}


@pytest.mark.parametrize("case", TOLD)
def test_a_stream_of_a_define_that_its_user_writes_too(case):
    body, defines, told = TOLD[case]
    loaded = vitdsl.load(json.dumps(spec(body, defines)))
    loaded.graph()
    found = overwritten(loaded.tree)
    assert [define for _, define, _, _ in found] == told
    assert all(name == "a" and mark is not None for name, _, _, mark in found)


def test_a_stream_of_a_stage():
    made = spec([{"use": "d"}], {"d": {"body": BODY}})
    made["stages"].insert(0, {"stream": "a", "tokenizer": {"type": "patch", "size": 4, "dim": 16}})
    made["stages"][1] |= {"stream": "x", "from": "image"}
    assert [each[1] for each in overwritten(vitdsl.load(made).tree)] == ["d"]


def test_no_shipped_spec_does():
    assert not [path.stem for path in shipped().glob("*.yaml") if overwritten(vitdsl.load(path).tree)]
