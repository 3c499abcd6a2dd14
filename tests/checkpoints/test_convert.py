"""Conversion on tiny made-up tables: every operation both ways, and every complaint word for word."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.checkpoints.messages import messages
from vitdsl.checkpoints.convert import take_any, to_ours, to_theirs
from vitdsl.checkpoints.tables import parse_table
from vitdsl.errors import CheckpointError

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64]


def table_of(*rows):
    return parse_table({"layout": "official", "specs": ["tiny"], "source": "someone", "rows": list(rows)})


def numbered(*shape, dtype=torch.float32, start=0):
    count = torch.Size(shape).numel()
    return torch.arange(start, start + count).reshape(shape).to(dtype)


def shapes(state):
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def complaints(function, *args, **options):
    with pytest.raises(CheckpointError) as caught:
        function(*args, **options)
    return messages(caught.value)


def same(left, right):
    return left.keys() == right.keys() and all(
        left[key].dtype == right[key].dtype and torch.equal(left[key], right[key]) for key in left
    )


def both_ways(row, theirs, ours):
    """Convert to what is expected, and back to what came in."""
    table = table_of(row)
    made = to_ours(theirs, table, shapes(ours))
    assert same(made, ours)
    assert same(to_theirs(made, table), theirs)


def test_renaming_shares_memory():
    theirs = {"b.1.w": numbered(2, 3), "b.3.w": numbered(2, 3)}
    table = table_of("b.{2*i+1}.w -> c.{i}.weight")
    made = to_ours(theirs, table, {"c.1.weight": (2, 3), "c.0.weight": (2, 3)})
    assert list(made) == ["c.1.weight", "c.0.weight"]
    assert made["c.0.weight"] is theirs["b.1.w"]
    assert made["c.1.weight"] is theirs["b.3.w"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_pattern(dtype):
    row = {"from": "a", "to": "b", "pattern": "o (w h c) -> o (c h w)", "sizes": {"w": 2, "h": 2}}
    x = numbered(2, 12, dtype=dtype)
    both_ways(row, {"a": x}, {"b": x.reshape(2, 2, 2, 3).permute(0, 3, 2, 1).reshape(2, 12)})
    both_ways(
        {"from": "a", "to": "b", "pattern": "o i 1 1 -> o i"},
        {"a": numbered(4, 3, 1, 1, dtype=dtype)},
        {"b": numbered(4, 3, dtype=dtype)},
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_several_keys_become_one(dtype):
    qk, v = numbered(4, 3, dtype=dtype), numbered(2, 3, dtype=dtype, start=50)
    both_ways({"from": ["qk", "v"], "to": "qkv", "parts": [2, 1]}, {"qk": qk, "v": v}, {"qkv": torch.cat([qk, v])})


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_key_becomes_several(dtype):
    qkv = numbered(6, 3, dtype=dtype)
    both_ways({"from": "qkv", "to": ["q", "kv"], "parts": [1, 2]}, {"qkv": qkv}, {"q": qkv[:2], "kv": qkv[2:]})


@pytest.mark.parametrize("dtype", DTYPES)
def test_order(dtype):
    k, q, v = (numbered(2, 3, dtype=dtype, start=start) for start in (0, 10, 20))
    theirs = {"kqv": torch.cat([k, q, v])}
    both_ways({"from": "kqv", "to": "qkv", "order": [1, 0, 2]}, theirs, {"qkv": torch.cat([q, k, v])})
    both_ways({"from": "kqv", "to": "vkq", "order": [2, 0, 1]}, theirs, {"vkq": torch.cat([v, k, q])})


@pytest.mark.parametrize("per_head", [{"parts": [1, 1, 2], "heads": 3}, {"parts": [2, 2, 4]}])
def test_parts_inside_each_head(per_head):
    theirs = numbered(24, 5)
    heads = theirs.reshape(3, 8, 5)
    ours = torch.cat([heads[:, :2].reshape(6, 5), heads[:, 2:4].reshape(6, 5), heads[:, 4:].reshape(12, 5)])
    both_ways({"from": "a", "to": "b", "per_head": per_head}, {"a": theirs}, {"b": ours})


@given(
    heads=st.integers(1, 4),
    parts=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    order=st.permutations(range(3)),
    unit=st.integers(1, 3),
    columns=st.integers(1, 3),
)
def test_any_row_comes_back_bit_for_bit(heads, parts, order, unit, columns):
    rows = [
        {"from": "a.{p}", "to": "ours.a.{p}", "per_head": {"heads": heads, "parts": parts}},
        {"from": "b.{p}", "to": "ours.b.{p}", "order": list(order)},
        {"from": "c.{p}", "to": [f"ours.c{index}.{{p}}" for index in range(len(parts))], "parts": parts},
        {"from": [f"d{index}.{{p}}" for index in range(len(parts))], "to": "ours.d.{p}", "parts": parts},
        {"from": "e", "to": "ours.e", "pattern": "(h u) c -> c (u h)", "sizes": {"h": heads}},
    ]
    total = sum(parts) * unit
    theirs = {}
    for leaf, tail in (("weight", (columns,)), ("bias", ())):
        theirs[f"a.{leaf}"] = torch.randn(heads * total, *tail, dtype=torch.float64)
        theirs[f"b.{leaf}"] = torch.randn(3 * unit, *tail)
        theirs[f"c.{leaf}"] = torch.randn(total, *tail)
        theirs |= {f"d{index}.{leaf}": torch.randn(part * unit, *tail) for index, part in enumerate(parts)}
    theirs["e"] = torch.randn(heads * unit, columns)
    table, ours = table_of(*rows), {"ours.e": (columns, unit * heads)}
    for leaf, tail in (("weight", (columns,)), ("bias", ())):
        ours |= {f"ours.a.{leaf}": (heads * total, *tail), f"ours.b.{leaf}": (3 * unit, *tail)}
        ours |= {f"ours.c{index}.{leaf}": (part * unit, *tail) for index, part in enumerate(parts)}
        ours[f"ours.d.{leaf}"] = (total, *tail)
    made = to_ours(theirs, table, ours)
    assert shapes(made) == ours
    assert same(dict(sorted(to_theirs(made, table, ours).items())), dict(sorted(theirs.items())))


def test_counters_are_copied_where_both_have_them():
    table = table_of("n.{p} -> m.{p}")
    count, mean = torch.tensor(7), numbered(2)
    ours = {"m.mean": (2,), "m.num_batches_tracked": ()}
    whole = {"n.mean": mean, "n.num_batches_tracked": count}
    assert same(to_ours(whole, table, ours), {"m.mean": mean, "m.num_batches_tracked": count})
    assert same(to_theirs(to_ours(whole, table, ours), table), whole)
    assert same(to_ours({"n.mean": mean}, table, ours), {"m.mean": mean})
    assert same(to_ours(whole, table, {"m.mean": (2,)}), {"m.mean": mean})
    assert same(to_theirs({"m.mean": mean}, table, ours), {"n.mean": mean})


def test_counters_of_joined_norms_are_left_out():
    table = table_of({"from": ["q.{p}", "k.{p}"], "to": "qk.{p}"})
    theirs = {"q.mean": numbered(2), "q.num_batches_tracked": torch.tensor(1), "k.mean": numbered(2)}
    assert list(to_ours(theirs, table, {"qk.mean": (4,), "qk.num_batches_tracked": ()})) == ["qk.mean"]


def test_dropped_keys_are_left_zeroed_or_computed():
    table = table_of(
        "t.{i} -> w.{i}",
        {"drop": "unused", "from": "junk.{rest*}"},
        {"drop": "zeros", "from": "z.{i}", "each": "w.{i}", "write": "zeros", "shape": [1, "d0 - 1", "i + 1"]},
        {
            "drop": "follows",
            "from": "index.{i}",
            "each": "w.{i}",
            "when": {"i": "odd"},
            "write": "computed",
            "function": "relative_position_index",
        },
    )
    theirs = {"t.0": numbered(9, 2), "t.1": numbered(9, 2), "z.0": numbered(3), "junk.a.b": numbered(1)}
    made = to_ours(theirs, table, {"w.0": (9, 2), "w.1": (9, 2)})
    assert list(made) == ["w.0", "w.1"]
    back = to_theirs(made, table)
    assert list(back) == ["t.0", "t.1", "z.0", "z.1", "index.1"]
    assert back["z.1"].shape == (1, 8, 2)
    assert back["index.1"].shape == (4, 4)


def test_missing_and_unexpected_keys_name_their_nearest():
    table = table_of("block.{p} -> ours.{p}", "other -> elsewhere")
    theirs = {"blocks.weight": numbered(2), "other": numbered(1)}
    assert complaints(to_ours, theirs, table, {"ours.weight": (2,), "elsewhere": (1,)}) == (
        "Their key `block.weight` is missing; our `ours.weight` is made of it. The nearest key is `blocks.weight`.",
        "Their key `blocks.weight` of shape [2] is unexpected. The nearest key is `block.weight`.",
    )


def test_keys_that_no_row_or_two_rows_make():
    table = table_of("a.{p} -> x.{p}", "b.{p} -> x.{p=weight}", "c -> never")
    theirs = {"a.weight": numbered(1), "b.weight": numbered(1)}
    assert complaints(to_ours, theirs, table, {"x.weight": (1,), "y": (1,)}) == (
        "Our key `x.weight` is made twice: by row `a.{p} -> x.{p}` and by row `b.{p} -> x.{p=weight}`.",
        "Our key `y` is made by no row.",
        "Row `c -> never` is of no use: it matches none of our keys.",
    )


def test_keys_that_are_used_twice():
    table = table_of("a -> x", "a -> y", {"drop": "unused", "from": "a"})
    assert complaints(to_ours, {"a": numbered(1)}, table, {"x": (1,), "y": (1,)}) == (
        "Their key `a` is used twice: by row `a -> x` and by row `a -> y`.",
        "Their key `a` is used twice: by row `a -> x` and by row `drop a`.",
    )


def test_a_row_whose_second_key_we_lack():
    table = table_of({"from": "a", "to": ["x", "y"]})
    assert complaints(to_ours, {"a": numbered(2)}, table, {"x": (1,)}) == (
        "Row `a -> [x, y]` also makes `y`, which is not one of our keys.",
    )


def test_a_shifted_index_below_zero():
    table = table_of("a.{i-1} -> x.{i}", {"drop": "d", "from": "b.{i-1}", "each": "x.{i}"})
    reason = "`i-1` is -1 where i is 0; it must be an integer that is not negative"
    assert complaints(to_ours, {"a.0": numbered(1)}, table, {"x.0": (1,), "x.1": (1,)}) == (
        f"Row `a.{{i-1}} -> x.{{i}}` has no key of theirs for our `x.0`: {reason}.",
        f"Row `drop b.{{i-1}}` has no key of theirs beside our `x.0`: {reason}.",
    )


def test_a_drop_beside_nothing():
    table = table_of("a -> x", {"drop": "d", "from": "b", "each": "y"})
    assert complaints(to_ours, {"a": numbered(1)}, table, {"x": (1,)}) == (
        "Row `drop b` is of no use: `y` matches none of our keys.",
    )


def test_shapes_that_differ():
    theirs = {"a": numbered(2, 3), "b": numbered(4), "c": numbered(2)}
    table = table_of("a -> x", {"from": ["b", "c"], "to": "y", "parts": [2, 1]})
    assert complaints(to_ours, theirs, table, {"x": (3, 3), "y": (9,)}) == (
        "Our `x` has shape [3, 3], found `a` of shape [2, 3] (row `a -> x`).",
        "Our `y` has shape [9], found `b` of shape [4] and `c` of shape [2], which gives [6] (row `[b, c] -> y`).",
    )
    made = to_ours(theirs, table, {"x": (3, 3), "y": (9,)}, misfit=take_any)
    assert shapes(made) == {"x": (2, 3), "y": (6,)}


REFUSED = [
    ({"to": ["x", "y"], "parts": [2, 1]}, (5,), "5 rows cannot be parted as 2:1"),
    ({"to": "x", "order": [1, 0]}, (5,), "5 rows cannot be parted as 1:1"),
    ({"to": "x", "order": [1, 0]}, (), "a scalar has no rows to part"),
    ({"to": "x", "per_head": {"parts": [2, 2]}}, (6,), "6 rows are not heads of 4"),
    ({"to": "x", "per_head": {"parts": [1, 1], "heads": 4}}, (6,), "6 rows are not 4 heads"),
    ({"to": "x", "per_head": {"parts": [1, 1], "heads": 2}}, (6,), "3 rows cannot be parted as 1:1"),
]


@pytest.mark.parametrize(("row", "shape", "reason"), REFUSED)
def test_sizes_that_an_operation_refuses(row, shape, reason):
    table = table_of({"from": "a", **row})
    ours = dict.fromkeys(table.moves[0].to, (1,))
    assert complaints(to_ours, {"a": numbered(*shape)}, table, ours) == (
        f"Row `{table.moves[0]}` does not fit `a` of shape {list(shape)}: {reason}.",
    )


def test_a_pattern_that_does_not_fit():
    table = table_of({"from": "a", "to": "x", "pattern": "o i 1 1 -> o i"})
    (found,) = complaints(to_ours, {"a": numbered(2, 3)}, table, {"x": (2, 3)})
    start = "Row `a -> x` does not fit `a` of shape [2, 3]: `o i 1 1 -> o i` does not fit the shape [2, 3]: "
    assert found.startswith(start)
    assert found.endswith("dim tensor.")


def test_sections_that_do_not_join():
    table = table_of({"from": ["a", "b"], "to": "x"})
    assert complaints(to_ours, {"a": numbered(2), "b": numbered(4)}, table, {"x": (6,)}) == (
        "Row `[a, b] -> x` does not fit `a` of shape [2] and `b` of shape [4]: "
        "sections of 2 and 4 rows are not as 1:1.",
    )
    assert complaints(to_ours, {"a": numbered(2, 1), "b": numbered(2, 3)}, table, {"x": (4, 3)}) == (
        "Row `[a, b] -> x` does not fit `a` of shape [2, 1] and `b` of shape [2, 3]: the sections differ in more than "
        "their first size: [2, 1] torch.float32 and [2, 3] torch.float32.",
    )


def test_complaints_on_the_way_back():
    table = table_of({"from": ["a", "b"], "to": "x"}, "c -> y", "d -> weight")
    state = {"x": numbered(3), "y": numbered(2), "weights": numbered(1)}
    assert complaints(to_theirs, state, table, {"x": (3,), "y": (3,), "weight": (1,)}) == (
        "Our key `weight` is missing. The nearest key is `weights`.",
        "Our `y` has shape [2], expected [3].",
        "Our key `weights` of shape [1] is unexpected. The nearest key is `weight`.",
        "Row `[a, b] -> x` does not fit our `x` of shape [3]: 3 rows cannot be parted as 1:1.",
    )


def test_what_cannot_be_written_back():
    zeros = {"drop": "d", "from": "z", "each": "x", "write": "zeros", "shape": ["d0 - 3"]}
    assert complaints(to_theirs, {"x": numbered(2)}, table_of("a -> x", zeros)) == (
        "Row `drop z` cannot write `z` beside our `x`: `d0 - 3` is -1 where d0 is 2; it must be an "
        "integer that is not negative.",
    )


def test_the_message_stops_and_the_problems_do_not():
    with pytest.raises(CheckpointError) as caught:
        to_ours({}, table_of("a.{i} -> x.{i}"), {f"x.{i}": (1,) for i in range(30)})
    lines = str(caught.value).splitlines()
    assert lines[0] == "The weights do not fit the table official. [E706]"
    assert lines[-1] == "  - ... and 10 more."
    assert len(lines) == 22
    assert len(caught.value.problems) == 30
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems
