"""Which operators the returned outputs read: token by token."""

from __future__ import annotations

import pytest

import vitdsl

CASES = {
    "the last token, where the first is pooled": (
        "stages: [{body: [{at: last, linear: {}}, {at: first, linear: {}}]}]\nhead: {pool: first}",
        ("stages.0.body.0.linear",),
    ),
    "a token by its place, kept as a stream": (
        "stages: [{tokens: [cls], body: [{from: 3, write: kept}, {at: kept, linear: {}}, {at: 3, linear: {}}]}]\n"
        "head: {from: kept, pool: first}",
        ("stages.0.tokens", "stages.0.body.2.linear"),
    ),
    "the first of what was appended": (
        "stages: [{tokens: [cls], depth: 2, block: [{at: cls, linear: {}}, {from: cls, write: 'kept[]'}]}]\n"
        "head: {from: kept, pool: first}",
        ("stages.0.block.1.0.linear",),
    ),
    "tokens beside a grid that became smaller": (
        "stages: [{tokens: [cls], body: [{at: cls, linear: {}}, {pool: {type: max, kernel: 2}}, {at: 2, norm: layer}]}]"
        "\nhead: {pool: last}",
        ("stages.0.tokens", "stages.0.body.0.linear", "stages.0.body.2.norm"),
    ),
    "everything, through attention": (
        "stages: [{body: [{at: last, linear: {}}, {mixer: {type: global, heads: 1}}, {at: last, linear: {}}]}]\n"
        "head: {pool: first}",
        ("stages.0.body.2.linear",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_unreached(case: str) -> None:
    text, expected = CASES[case]
    assert vitdsl.load(f"input: {{size: 4}}\n{text}").analyze().unreached == expected
