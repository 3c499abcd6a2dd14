"""Writes `docs/parts.md`, which papers use which operators, mixers and layers: `python -m tests.zoo.make_parts`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

import vitdsl
from tests.zoo.specs import NAMES
from vitdsl.parts.base import Primitive
from vitdsl.parts.registry import family
from vitdsl.spec import Spec

PAGE = Path(__file__).parents[2] / "docs" / "parts.md"
HEAD = """\
# What the zoo is made of

How many papers' specs use which operators, mixers and layers; written by `python -m tests.zoo.make_parts`, and a test
says when it is stale. One operator or mixer in ten at most was to serve one paper alone; {verdict}
"""
REASONS = {
    "modulate": "Queries times the mean of the keys, plus positions times keys: there are no values to be weighed.",
    "offset_table": "A number a head for each distance in rows and columns: a table resized by its own rule.",
    "performer_attend": "Attention by random features: a fixed table of directions, and products in another order.",
    "relative_logits": "Products of queries with rows and columns of a table: positions that depend on the query.",
    "resize": "Images and maps at another size; any spec with a stream of its own may want it.",
    "sequence_pool": "The mean of the tokens by weights that are a softmax over the tokens.",
    "sincos2d": "A fixed table by formula, for grids of any size.",
    "subsample": "Every n-th row and column: how queries get a stride without weights.",
    "token_linear": "The linear map over the tokens; what makes keys and values of a lower rank.",
    "cross": "A name for `global` whose keys are other tokens.",
    "depthwise": "A name for `modulate` between its projections.",
    "lowrank": "A name for `global` whose keys and values pass a linear map over the tokens.",
    "performer": "A name for `performer_attend` between its projections.",
    "reattention": "A name for `global` whose maps pass a convolution and a norm behind the softmax.",
    "refined": "A name for `global` whose maps are widened, convolved and narrowed.",
    "windowed": "A name for `global` between `windows`; specs write either.",
    "BankConv2d": "`dynamic_conv` of a bank of kernels, weighed by the image.",
    "GeneratedDepthwise2d": "`dynamic_conv` by kernels that the image makes.",
    "PositionDepthwise2d": "`dynamic_conv` by kernels that each position makes.",
    "OffsetBias": "`offset_table`.",
    "Modulate": "`modulate`.",
    "Performer": "`performer_attend`.",
    "QueryBias": "`relative_logits`.",
    "QuickGelu": "x·σ(1.702·x), an activation.",
    "Resize": "`resize`.",
    "SequencePool": "`sequence_pool`.",
    "Subsample": "`subsample`.",
    "TokenLinear": "`token_linear`.",
    "WindowPosition": "A learned position in each window, where streams are windows of others.",
}  # fmt: skip
"""Why what serves one paper is there all the same. No layer is named after a model or knows one."""


class Usage(NamedTuple):
    """How many specs of which papers use something, by its name."""

    operators: dict[str, Counter[str]]
    mixers: dict[str, Counter[str]]
    layers: dict[str, Counter[str]]


@cache
def usage() -> Usage:
    """Of all shipped specs; layers are made on the meta device."""
    found = Usage(defaultdict(Counter), defaultdict(Counter), defaultdict(Counter))
    for name in NAMES:
        spec = vitdsl.load(name)
        title = str((spec.model.paper or {}).get("title"))
        nodes = [
            (node.op, tuple(frame.features[number] for number in node.inputs))
            for _, node, frame in spec.graph().frame.nodes()
        ]
        for used, names in (
            (found.operators, {"activation" if type(op).family == "activation" else op.type for op, _ in nodes}),
            (found.mixers, set(_mixers(spec))),
            (found.layers, {layer for op, inputs in nodes for layer in _layers(op, inputs)}),
        ):
            for each in names:
                used[each][title] += 1
    return found


@cache
def _layers(op: Primitive, inputs: tuple[Any, ...]) -> tuple[str, ...]:
    """Classes of ours that an operator is made of."""
    if type(op).layer is Primitive.layer and type(op).build is Primitive.build:
        return ()
    with torch.device("meta"):
        made = op.build(*inputs)
    classes = {type(module) for module in made.modules()} if made is not None else set()
    return tuple(sorted(cls.__name__ for cls in classes if cls.__module__.startswith("vitdsl.layers")))


def _mixers(spec: Spec) -> Iterator[str]:
    """Types of mixers in the merged file."""
    return (kind for kind in _named(spec.tree) if kind in family("mixer"))


def _named(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        mixer = tree.get("mixer")
        kind = mixer.get("type") if isinstance(mixer, dict) else mixer
        if isinstance(kind, str):
            yield kind
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _named(value)


def alone(used: dict[str, Counter[str]]) -> list[str]:
    """What one paper uses."""
    return sorted(name for name, papers in used.items() if len(papers) == 1)


def page() -> str:
    """The whole text."""
    found = usage()
    few, many = len(alone(found.operators)), len(found.operators)
    names, kinds = len(alone(found.mixers)), len(found.mixers)
    verdict = (
        f"{few} of {many} operators do, and {names}\nof {kinds} mixers, which are names of compositions and add no "
        "operator. Each stands here with its reason."
    )
    parts = [HEAD.format(verdict=verdict)]
    for title, used in (("Operators", found.operators), ("Mixers", found.mixers), ("Layers", found.layers)):
        often = sorted(used.keys() - set(alone(used)), key=lambda name: (-len(used[name]), name))
        rows = [_row(name, *used[name].items()) for name in alone(used)]
        table = "\n".join(["| of one paper | whose | specs | why it is there |", "| --- | --- | --: | --- |", *rows])
        more = ", ".join(f"`{name}` {len(used[name])}" for name in often)
        parts.append(f"## {title}\n\n{table}\n\nBy several papers: {more}.\n")
    return "\n".join(parts)


def _row(name: str, by: tuple[str, int]) -> str:
    return f"| `{name}` | {by[0]} | {by[1]} | {REASONS[name]} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
