"""Draws bodies: items that hold others, at parts, in windows, repeated, side by side, defined."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.hybrids.items import (
    channels,
    drop,
    maps_carried,
    mixing,
    on_grid,
    operator,
    remember,
    residual,
    there_and_back,
    windows,
    wiring,
)  # fmt: skip
from tests.hybrids.mixers import mixer
from tests.hybrids.pen import Items, Pen, activation, norm
from vitdsl.features import Feature

DEFINES: dict[str, Any] = {
    "plain": {
        "args": ["heads"],
        "optional": {"ratio": 2, "act": "gelu"},
        "body": [{"mixer": {"type": "global", "heads": "$heads"}}, {"mlp": {"ratio": "$ratio", "activation": "$act"}}],
    },
    "wrap": {
        "args": ["inner"],
        "optional": {"around": True, "normed": "layer"},
        "body": [{"residual": "$around", "pre": "$normed", "body": "$inner"}],
    },
    "twice": {
        "args": ["count"],
        "body": [
            {"use": "plain", "heads": "$(min(count, 1))", "ratio": "$(count / 2)"},
            {"repeat": "$count", "use": "plain", "heads": 1},
        ],
    },
    "mixed": {"args": ["what"], "optional": {"where": "all"}, "body": {"at": "$where", "mixer": "$what"}},
}


def body(pen: Pen, x: Feature, most: int, level: int = 0) -> Items:
    """Items that give back what enters them."""
    found: Items = []
    for _ in range(pen.number(1, most)):
        found += items(pen, x, level)
    return found


def items(pen: Pen, x: Feature, level: int) -> Items:
    """An item, or a few that belong together, that give back what enters them."""
    grid = x.grid is not None
    nested = (repeated, residual_body, parallel, used, block) if level < 2 else ()
    partly = (at_part,) if x.tokens or x.count or grid else ()
    kinds = (
        mixing,
        mixing,
        channels,
        channels,
        operator,
        memory,
        there_and_back,
        maps_carried,
        *partly,
        *nested,
        *((on_grid, on_grid, there_and_back) * grid),
        *((in_windows,) * (grid and level < 2)),
    )
    return kinds[pen.number(0, len(kinds) - 1)](pen, x, level)


def memory(pen: Pen, x: Feature, level: int) -> Items:
    """What was written is read again."""
    same = [name for name, feature in pen.streams.items() if feature == x]
    if not same or pen.chance(35):
        return [{"write": remember(pen, x)}]
    name = pen.pick(*same)
    return pen.pick(
        [{"from": name}], [{"from": name, "scale": 0.5, "residual": True}], lambda: [{"from": name, "write": remember(pen, x)}],
        [{"from": name, "linear": {}, "residual": {"input": 0.5}}],
        lambda: [{"from": name, "body": body(pen, x, 1, 2), "residual": True, "pre": "layer"}],
        lambda: [{"parallel": [[], [{"from": name}]], "merge": pen.pick("add", "mean", "multiply")}],
        [{"at": name, "body": [{"norm": "layer"}, "linear"]}], [{"at": name, "mlp": {"ratio": 1}}],
        lambda: [{"at": name, "scale": 0.5, "write": remember(pen, x)}],
    )  # fmt: skip


def at_part(pen: Pen, x: Feature, level: int) -> Items:
    """Something at a part of the feature."""
    parts: list[tuple[Any, Feature]] = [
        ("first", Feature(x.dim, count=1)),
        ("last", Feature(x.dim, count=1)),
        (0, Feature(x.dim, count=1)),
        ("all", x),
    ]
    if x.grid is not None:
        parts += [("grid", x.grid_only)] * 3
    if x.tokens:
        parts += [("tokens", Feature(x.dim, None, x.tokens)), (x.tokens[0], Feature(x.dim, None, x.tokens[:1]))] * 2
        parts += (
            [([x.tokens[0], "grid"], Feature(x.dim, count=x.num_tokens))]
            if x.grid is not None and len(x.tokens) == 1
            else []
        )
    at, part = pen.pick(*parts)
    windowed = part.grid is not None and at == "grid" and pen.chance(40)
    held: Items = [{"body": body(pen, part, 2, level + 1)}] if level < 2 and pen.chance(25) else []
    if not held:
        held = (operator, channels, mixing)[pen.number(0, 2)](pen, part, 2)
    item = held[0] if isinstance(held[0], dict) else {held[0]: {}}
    if "at" in item or "class" in str(item) or (windowed and "body" in item):
        return [item] if "at" not in item else [{"at": at, "linear": {}}]
    if windowed and "mixer" in item:
        item = {"mixer": {"type": "global", "heads": pen.divisor(x.dim)}, "windows": windows(pen, part)}
    return [{"at": at, **{key: value for key, value in item.items() if key != "write"}}]


def repeated(pen: Pen, x: Feature, level: int) -> Items:
    """A body several times."""
    count, before = pen.number(1, 2), pen.index
    pen.index = max(count, before)
    inner = body(pen, x, 2, level + 1)
    pen.index = before
    extra = pen.pick(
        [],
        [{"scale": "$(1 + index)"}],
        [{"mlp": {"ratio": "$(1 + index)"}}],
        [{"repeat": 2, "mlp": {"ratio": "$(1 + index + index_1)"}}],
    )
    return [{"repeat": count, "body": [*inner, *extra], **pen.some(10, {"name": lambda: pen.name("loop")})}]


def residual_body(pen: Pen, x: Feature, level: int) -> Items:
    """A body in one residual branch."""
    return [
        {
            "residual": pen.pick(True, residual(pen, x)),
            "body": body(pen, x, 2, level + 1),
            **wiring(pen, x, 2, 10),
            **pen.some(30, {"pre": lambda: norm(pen, x)}),
        }
    ]


def in_windows(pen: Pen, x: Feature, level: int) -> Items:
    """A body that runs in windows of the grid; the streams outside of them are not there."""
    assert x.grid is not None
    tiles = [size for size in (2, 4) if x.grid[0] % size == 0 and x.grid[1] % size == 0 and size < min(x.grid)]
    opened: Any = pen.pick(*tiles, {"size": 3, "fit": "pad"}, {"size": 2, "fit": "pad", "shift": 1})
    size = opened if isinstance(opened, int) else opened["size"]
    outside, pen.streams = pen.streams, {}
    inner = body(pen, Feature(x.dim, (min(size, x.grid[0]), min(size, x.grid[1]))), 2, level + 1)
    pen.streams = outside
    return [
        {
            **({"at": "grid"} if x.tokens else {}),
            "windows": opened,
            "body": inner,
            **pen.some(30, {"residual": lambda: True, "pre": lambda: norm(pen, x)}),
        }
    ]


def parallel(pen: Pen, x: Feature, level: int) -> Items:
    """Bodies side by side."""
    merge = pen.pick("add", "mean", "multiply", "concat")
    branches: list[Any] = [body(pen, x, 1, level + 1) for _ in range(pen.number(1, 2))]
    branches += pen.pick(
        [], [[]], [[{"pool": {"type": "mean", "over": "all"}}]] if merge != "concat" else [], [{"linear": {}}]
    )
    made: dict[str, Any] = {"parallel": branches, **({} if merge == "add" and pen.chance(50) else {"merge": merge})}
    if merge != "concat":
        return [
            {
                **made,
                **pen.some(20, {"residual": lambda: True, "pre": lambda: norm(pen, x), "drop_path": lambda: drop(pen)}),
            }
        ]
    return [made, {"linear": x.dim}]


def block(pen: Pen, x: Feature, level: int) -> Items:
    """A body in place, perhaps named."""
    return [
        {
            "body": body(pen, x, 2, level + 1),
            **pen.some(20, {"name": lambda: pen.name("b"), "drop_path": lambda: drop(pen)}),
        }
    ]


def used(pen: Pen, x: Feature, level: int) -> Items:
    """A define, used."""
    pen.defines |= deepcopy(DEFINES)  # a spec that is spoilt is changed in place
    plain = {"ratio": lambda: "$(16 / dim)", "act": lambda: activation(pen)}
    wrap = {"around": lambda: {"output": 0.5}, "normed": lambda: norm(pen, x)}
    options: list[Any] = [
        lambda: {"use": "plain", "heads": pen.divisor(x.dim), **pen.some(40, plain)},
        lambda: {"use": "wrap", "inner": body(pen, x, 2, 2), **pen.some(30, wrap)},
        {"use": "twice", "count": 1},
        {"use": "twice", "count": 2},
        lambda: {"use": "mixed", "what": mixer(pen, x), **pen.some(30, {"where": lambda: "all"})},
    ]
    around = {"repeat": lambda: 2, "residual": lambda: True, "name": lambda: pen.name("u"), "pre": lambda: norm(pen, x)}
    return [{**pen.pick(*options), **pen.some(10, around)}]
