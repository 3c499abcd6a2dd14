"""What becomes a loop, and what the call of a container."""

from __future__ import annotations

import re

from tests.compiler.printed import ATTEND, MLP, forward


def test_blocks_that_differ_in_numbers_alone_are_one_call() -> None:
    """Blocks that are all of a container and nothing else become one call of it."""
    code = forward({"depth": 4, "block": [MLP]}, drop_path=0.2)
    assert code.count("self.stages[0].block") == 1
    assert "for " not in code


def test_blocks_with_more_than_one_value_loop() -> None:
    stage = {"tokens": ["cls"], "depth": 4, "block": [{"peg": {}}, MLP]}
    code = forward(stage)
    assert "for block in self.stages[0].block:\n        x = block(x, height, width)" in code
    assert code.count("self.stages[0].block") == 1


def test_blocks_that_append_values_do_not_loop() -> None:
    kept = {"repeat": 3, "body": [MLP, {"from": "first", "write": "kept[]"}]}
    code = forward({"tokens": ["cls"], "body": [MLP, kept]}, {"stream": "kept"})
    assert "for " not in code
    assert len(re.findall(r"\bbody\[1\]\[\d\]\(", code)) == 3


def test_what_is_read_behind_a_loop_keeps_its_name() -> None:
    inner = {"repeat": 3, "body": [MLP, {"peg": {}}]}
    code = forward(
        {"tokens": ["cls"], "body": [{"write": "early"}, inner, {"mixer": {**ATTEND, "keys": ["x", "early"]}}]}
    )
    (copied,) = re.findall(r"^    (\w+) = (\w+)$", code, re.MULTILINE)
    assert copied[0] != copied[1]
    assert code.index(f"{copied[0]} = {copied[1]}") < code.index("for ")


def test_a_stream_that_a_loop_begins_with_stays_what_it_was() -> None:
    """The stream and the value that flows are one tensor before the first repetition, and two after it."""
    item = {"linear": 8, "from": "early", "repeat": 3}
    code = forward({"body": [{"write": "early"}, item]})
    assert re.search(r"for layer in .*:\n        (\w+) = layer\(\1, (?!\1\b)\w+\)", code)


def test_a_part_of_a_container_loops_over_that_part() -> None:
    """The second of two loops over the same container begins where the first has stopped."""
    each = {"repeat": 2, "body": [{"peg": {}}, MLP]}
    code = forward({"tokens": ["cls"], "body": [each, MLP, each]})
    assert code.count("for layer in ") == 2
