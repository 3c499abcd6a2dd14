"""Draws whole files: stages, streams, heads, defines, variables and late values, whether or not they fit together."""

from __future__ import annotations

from typing import Any

from tests.hybrids import fields
from tests.hybrids.pen import Pen

LATE = (
    "$(index)", "$(index+1)", "$dim", "$(dim//2)", "$w", "$(height)", "$a", "$(a+1)", "$b", "$(index_1)", "$nothing",
    "$v", "$(w+1)", "$(v*2)",
)  # fmt: skip
TOKENIZERS: tuple[Any, ...] = (
    {"type": "patch", "size": 2, "dim": 12}, {"type": "patch", "size": 4, "dim": 8}, {"type": "merge"}, "patch",
    {"type": "soft_split", "kernel": 3, "stride": 2, "padding": 1}, [{"conv": {"dim": 12, "kernel": 3, "stride": 2}}],
)  # fmt: skip
STAGE: dict[str, tuple[Any, ...]] = {
    "tokens": (["cls"], ["cls", "dist"], {"count": 3, "dim": 12}, {"count": 2}),
    "position": ("learned", "sinusoid", "sincos2d", "peg", "none", {"type": "learned", "over": "grid", "windows": 2}),
    "carry": ("none", [], [{"linear": 12}]),
    "stream": ("a", "b", "x"),
    "from": ("image", "a", "none", "grid", "x"),
    "norm": ("layer", "none", "batch"),
    "drop_path": ("none", 0.1, {"rate": 0.2}),
    "name": ("first", "second"),
}
DEFAULTS: tuple[Any, ...] = (
    {"norm": "rms"}, {"mixer": {"heads": 2}}, {"mlp": {"ratio": "$w"}}, {"layer_scale": 0.1}, {"mixer": "performer"},
    {"pre": "none", "post": "layer"},
)  # fmt: skip
DROPS: tuple[Any, ...] = (0.1, {"rate": [0, 0.1], "schedule": "per_stage"}, {"rate": 0.1, "ends": "open"}, "none")
OUTPUTS: tuple[Any, ...] = (
    [{"pool": "mean"}, "classifier"], [{"pool": "cls"}, "classifier"], [{"pool": "sequence"}], ["classifier"],
    [{"from": "a"}, {"pool": "mean"}, "classifier"], [{"from": "grid"}, "classifier", {"write": "kept"}, {"pool": "max"}],
)  # fmt: skip
BLOCKS: tuple[Any, ...] = (
    {"use": "block", "a": 2}, {"use": "block", "a": "$(index+1)"}, {"use": "block", "a": "$v"},
    {"use": "loose"},
    [{"use": "block", "a": 2}, {"mlp": {"ratio": "$(index+1)"}}], [{"mixer": {"type": "global", "heads": "$(1+index%2)"}}],
)  # fmt: skip


def spec(pen: Pen) -> dict[str, Any]:
    """A file with one to three stages, a define of each kind, and perhaps defaults."""
    drawn = {
        "input": {"size": 16},
        "classes": pen.pick(0, 5),
        "vars": {"n": pen.pick(0, 2), "w": pen.pick(2, "$(dim//4)"), "v": pen.pick(1, "$(index+1)", "$(w+1)")},
        "define": defines(pen),
        "stages": [stage(pen, index == 0) for index in range(pen.number(1, 3))],
        "head": head(pen),
        **pen.some(20, {"defaults": lambda: pen.pick(*DEFAULTS), "drop_path": lambda: pen.pick(*DROPS)}),
    }
    late = {key: with_late(pen, drawn[key]) for key in ("define", "stages", "head")}
    return {**drawn, **late}


def defines(pen: Pen) -> dict[str, Any]:
    """A body with arguments, one without, and a stage."""
    more = pen.pick([], [{"repeat": "$b", "mlp": {"ratio": "$(index+1)"}}])
    return {
        "block": {
            "args": ["a"],
            "optional": {"b": pen.pick(1, "$a")},
            "body": [{"mlp": {"ratio": pen.pick(1, "$a", "$(a+index)", "$(a+v)")}}, *more],
        },
        "loose": {"body": body(pen)},
        "whole": {
            "args": ["a"],
            "stage": {
                "tokenizer": {"type": "patch", "size": 2, "dim": "$(4*a)"},
                "body": [{"use": "block", "a": "$a"}],
            },
        },
    }


def body(pen: Pen) -> Any:
    """A body, often with parts that were drawn."""
    return pen.pick(*fields.BODIES, lambda: [fields.item(pen)], lambda: [fields.item(pen), fields.item(pen)])


def stage(pen: Pen, first: bool) -> dict[str, Any]:
    """A stage, or the use of one."""
    if pen.chance(8):
        return {"use": pen.pick("whole", "block", "nothing"), "a": 2}
    made = pen.some(22, {key: lambda key=key: pen.pick(*STAGE[key]) for key in STAGE})
    if first or pen.chance(40):
        made["tokenizer"] = pen.pick(*TOKENIZERS, lambda: fields.part(pen, "tokenizer", 1))
    if pen.chance(30):
        return {**made, "body": body(pen)}
    blocks = {"depth": pen.pick(0, 1, 2, 3, "$n"), "block": pen.pick(*BLOCKS, lambda: body(pen))}
    return {**made, **blocks} if pen.chance(70) else made


def head(pen: Pen) -> Any:
    """A head of each kind."""
    pools = ("mean", "cls", ["cls", "dist"], "sequence", {"type": "mean", "over": "all"})
    if pen.chance(40):
        return {
            "pool": pen.pick(*pools),
            **pen.some(20, {
                "norm": lambda: "layer", "from": lambda: pen.pick("a", "cls", "grid"), "merge": lambda: {"cls": 1},
                "training": lambda: pen.pick("same", ["cls"], ["logits", "a"]), "layout": lambda: "tokens",
            }),
        }  # fmt: skip
    if pen.chance(50):
        names = pen.pick(["cls"], ["cls", "aux"])
        return {
            "outputs": {name: pen.pick(*OUTPUTS, lambda: body(pen)) for name in names},
            **pen.some(
                50, {"merge": lambda: {"cls": 1, names[-1]: 0.5}, "training": lambda: pen.pick("same", ["cls", "kept"])}
            ),
        }
    return pen.pick(*OUTPUTS, [], lambda: body(pen))


def with_late(pen: Pen, node: Any) -> Any:
    """The tree with some of its numbers replaced by late values."""
    if isinstance(node, dict):
        return {key: with_late(pen, value) for key, value in node.items()}
    if isinstance(node, list):
        return [with_late(pen, value) for value in node]
    number = isinstance(node, (int, float)) and not isinstance(node, bool)
    return pen.pick(*LATE) if number and pen.chance(6) else node
