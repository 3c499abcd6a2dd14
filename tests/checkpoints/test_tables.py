"""Tables of keys: what a file may say, and every refusal word for word."""

import pytest

from tests.checkpoints.messages import messages
from vitdsl.checkpoints.rows import Drop, Move
from vitdsl.checkpoints.table import parse_table, read_table
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


def test_only_keeps_the_rows_of_a_spec():
    rows = ["a -> b", {"from": "c", "to": "d", "only": "*_distilled"}]
    table = parse_table({**GOOD, "specs": ["tiny", "tiny_distilled"], "rows": rows})
    assert [str(row) for row in table.of("tiny").rows] == ["a -> b"]
    assert table.of("tiny_distilled") is table


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
    ("a => b", "rows.0: a row is `theirs -> ours` or a mapping, found `a => b`."),
    ({"from": ["a", "b"], "to": ["c", "d"]}, "rows.0: `from` or `to` may be a list, not both."),
    ({"from": "a", "to": "b", "parts": [1, 2]}, "rows.0: `parts` has 2 numbers for 1 keys."),
    ({"from": "a", "to": "b", "order": [0, 2]}, "rows.0: `order` must hold each of 0 to 1 once, found [0, 2]."),
    ({"from": "a", "to": "b", "pattern": "a b"}, "rows.0: `pattern` must be `theirs -> ours`, found `a b`."),
    ({"from": "a", "to": "b", "sizes": {"h": 2}}, "rows.0: `sizes` are those of a `pattern`, and there is none."),
    ({"from": "a.{i}", "to": "b"}, "rows.0: `i` is not a hole of `b`, which is matched."),
    ({"from": "a", "to": "b", "when": {"i": "odd"}}, "rows.0: `i` is not a hole of `b`, which is matched."),
    (
        {"from": "a.{i}", "to": ["b.{i}", "c.{j}"]},
        "rows.0: `c.{j}` names other holes than `b.{i}`; they must agree.",
    ),
    (
        {"from": "a.{i}", "to": "b.{i+1}"},
        "rows.0: `b.{i+1}` is matched on keys, so its holes are names, not `i+1`.",
    ),
    ({"from": "a", "to": "b", "patern": "a -> a"}, "rows.0.patern: Extra inputs are not permitted."),
    ({"from": "a"}, "rows.0.to: Field required."),
    (
        {"drop": "x", "from": "a", "write": "zeros", "shape": [1]},
        "rows.0: `write: zeros` needs `each`: beside which of our keys it is written.",
    ),
    (
        {"drop": "x", "from": "a", "each": "b", "write": "zeros"},
        "rows.0: `shape` goes with `write: zeros`, and with nothing else.",
    ),
    (
        {"drop": "x", "from": "a", "each": "b", "write": "computed"},
        "rows.0: `function` goes with `write: computed`, and with nothing else.",
    ),
    (
        {"drop": "x", "from": "a", "each": "b", "write": "computed", "function": "f"},
        "rows.0: `function` must be one of offset_bias_index, relative_position_index, shifted_window_mask, found `f`.",
    ),
    (
        {"drop": "x", "from": "a", "each": "b", "write": "zeros", "shape": ["len(x)"]},
        "rows.0: `len(x)` is not integer arithmetic of names with + - * // % **.",
    ),
]


@pytest.mark.parametrize(("row", "message"), WRONG_ROWS)
def test_wrong_rows(row, message):
    with pytest.raises(CheckpointError) as caught:
        parse_table({**GOOD, "rows": [row]})
    assert messages(caught.value) == (message,)
    assert str(caught.value) == f"The table of keys is wrong.\n  - {message}"


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(CheckpointError) as caught:
        parse_table({"layout": "official", "specs": [], "source": "x", "rows": ["a => b", "c -> d", "e"]})
    assert messages(caught.value) == (
        "specs: it must not be empty.",
        "rows.0: a row is `theirs -> ours` or a mapping, found `a => b`.",
        "rows.2: a row is `theirs -> ours` or a mapping, found `e`.",
    )


def test_a_row_for_no_spec():
    with pytest.raises(CheckpointError) as caught:
        parse_table({**GOOD, "rows": [{"from": "a", "to": "b", "only": "large"}]})
    assert messages(caught.value) == ("table: row `a -> b` is only for `large`, which the table does not serve.",)


def test_files_name_themselves(tmp_path):
    path = tmp_path / "family.official.yaml"
    path.write_text("layout: [official, timm]\nspecs: [tiny]\nsource: x\nrows:\n  - a.{i} -> b.{i}\n")
    assert read_table(path).name == "family.official"
    path.write_text("[")
    with pytest.raises(CheckpointError, match=r"^The table family\.official\.yaml is wrong\.\n  - It is not YAML: "):
        read_table(path)
    path.write_text("[]")
    with pytest.raises(CheckpointError) as caught:
        read_table(path)
    assert messages(caught.value) == ("A table is a mapping, found list.",)
