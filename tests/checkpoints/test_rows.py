"""Rows of tables: what they may say, and every refusal word for word."""

import pytest

from vitdsl.checkpoints.rows import Drop, Move
from vitdsl.checkpoints.tables import parse_table
from vitdsl.errors import CheckpointError

GOOD = {"layout": "official", "specs": ["tiny"], "source": "someone"}


def test_short_and_long_rows_are_the_same():
    short = parse_table({**GOOD, "rows": ["a.{p} -> b.{p}"]})
    long = parse_table({**GOOD, "rows": [{"from": "a.{p}", "to": "b.{p}"}]})
    assert short == long
    assert str(short.rows[0]) == "a.{p} -> b.{p}"
    assert short.layout == ("official",)


def test_rows_are_moves_or_drops():
    table = parse_table({**GOOD, "rows": ["a -> b", {"drop": "unused", "from": "c"}]})
    assert [type(row) for row in table.rows] == [Move, Drop]
    assert str(table.drops[0]) == "drop c"


def test_restrictions_hold_wherever_they_are_written():
    table = parse_table({**GOOD, "rows": ["a.{p=weight|bias} -> b.{p}"]})
    assert table.moves[0].match("b.mean") is None
    assert table.moves[0].match("b.bias") == {"p": "bias"}


def test_when_takes_odd_or_even_numbers():
    table = parse_table({**GOOD, "rows": [{"from": "a.{i//2}", "to": "b.{i}", "when": {"i": "odd"}}]})
    assert table.moves[0].match("b.2") is None
    assert table.moves[0].match("b.x") is None
    assert table.moves[0].match("b.3") == {"i": "3"}


WRONG_ROWS = [
    ("a => b", "", "a row is `theirs -> ours` or a mapping, found `a => b`"),
    (3, "", "a row is `theirs -> ours` or a mapping, found `3`"),
    ({"from": ["a", "b"], "to": ["c", "d"]}, "", "`from` or `to` may be a list, not both"),
    ({"from": "a", "to": "b", "parts": [1, 2]}, "", "`parts` has 2 numbers for 1 keys"),
    ({"from": "a", "to": "b", "order": [0, 2]}, "", "`order` must hold each of 0 to 1 once, found [0, 2]"),
    ({"from": "a", "to": "b", "pattern": "a b"}, "", "`pattern` must be `theirs -> ours`, found `a b`"),
    ({"from": "a", "to": "b", "sizes": {"h": 2}}, "", "`sizes` are those of a `pattern`, and there is none"),
    ({"from": "a.{i}", "to": "b"}, "", "`i` is not a hole of `b`, which is matched"),
    ({"from": "a", "to": "b", "when": {"i": "odd"}}, "", "`i` is not a hole of `b`, which is matched"),
    ({"from": "a.{start[i]}", "to": "b.{i}"}, "", "`start` is not a hole of `b.{i}`, which is matched"),
    ({"from": "a.{known}", "to": "b.{i}"}, "", "`known` is not a hole of `b.{i}`, which is matched"),
    ({"from": "a", "to": "b.{known}"}, "", "`known` is a hole of `b.{known}`, and a name of `let`"),
    ({"from": "a.{i}", "to": ["b.{i}", "c.{j}"]}, "", "`c.{j}` names other holes than `b.{i}`; they must agree"),
    ({"from": "a.{i}", "to": "b.{i+1}"}, "", "`b.{i+1}` is matched on keys, so its holes are names, not `i+1`"),
    ({"from": "a", "to": "b", "patern": "a -> a"}, ".patern", "there is no key `patern` here"),
    ({"from": "a"}, "", "`to` is missing"),
    ({"from": "a", "to": "b", "per_head": {"parts": ["wide"]}}, ".per_head.parts[0]",
     "`wide` in `wide` is not named by the table's `let`"),
    ({"from": "a", "to": "b", "per_head": {"parts": [0]}}, ".per_head.parts[0]", "Input should be greater than 0"),
    ({"drop": "x", "from": "a", "write": "zeros", "shape": [1]}, "",
     "`write: zeros` needs `each`: beside which of our keys it is written"),
    ({"drop": "x", "from": "a", "each": "b", "write": "zeros"}, "",
     "`shape` goes with `write: zeros`, and with nothing else"),
    ({"drop": "x", "from": "a", "each": "b", "write": "computed"}, "",
     "`function` goes with `write: computed`, and with nothing else"),
    ({"drop": "x", "from": "a", "each": "b", "write": "computed", "function": "f"}, "",
     "`function` must be one of offset_bias_index, relative_position_index, shifted_window_mask, found `f`"),
    ({"drop": "x", "from": "a", "each": "b", "write": "zeros", "shape": ["len(x)"]}, "",
     "$(len(x)): 'len' cannot be called (column 3)"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "below", "message"), WRONG_ROWS)
def test_wrong_rows(row, below, message):
    with pytest.raises(CheckpointError) as caught:
        parse_table({**GOOD, "let": {"known": 3}, "rows": ["x -> y", row]})
    first = caught.value.problems[0]
    assert (first.path, first.message) == (f"rows[1]{below}", message)
    assert str(caught.value).startswith(f"The table of keys is wrong. [E712]\n  - rows[1]{below}\n      {message}")


def test_a_key_that_is_mistyped_has_a_hint():
    with pytest.raises(CheckpointError, match=r"hint: did you mean 'pattern'\?"):
        parse_table({**GOOD, "rows": [{"from": "a", "to": "b", "patern": "a -> a"}]})
    with pytest.raises(CheckpointError, match=r"hint: did you mean 'layout'\?"):
        parse_table({"layot": "x", "rows": ["a -> b"]})
