"""Whether a model that was built for one size of image is the same for another: the same code, and the same layers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from vitdsl.compiler.forwards import write_model
from vitdsl.compiler.lower import Written
from vitdsl.compiler.statements import text_of
from vitdsl.compiler.tree import has_module
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.operators import LearnedTokens, OpenWindows
from vitdsl.parts.primitives.drop_path import DropPath

INTERNAL = frozenset(vars(nn.Module()))
"""Attributes that torch gives every module."""
SAME_STEP = ("path", "inputs", "output", "shared", "drop_point")
SAME_CALL = ("path", "numbered", "reads", "gives", "appends", "block", "flows", "first", "works_on")
Pairs = Iterator[tuple[str, tuple[Frame, Node], tuple[Frame, Node]]]


class Unlike(Exception):
    """Two graphs are not the same model; `path` is the module path of the first place where they differ."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def difference(old: Graph, new: Graph, training_outputs: bool) -> str | None:
    """Where a model of the first graph would not do what one of the second does with the same weights.

    The generated code reads sizes from the first map that has them. So values of one size must stay of one size.

    Args:
        old: the graph that the model was compiled from.
        new: that of the same spec for another size of image.
        training_outputs: as `build` was told.

    Returns:
        A module path, perhaps that of the model itself, which is empty; None: they are the same.
    """
    grids: dict[tuple[int, int], tuple[int, int] | None] = {}
    try:
        for path, (before, a), (after, b) in pairs(old.frame, new.frame):
            x, y = before.features[a.output], after.features[b.output]
            if (x.dim, x.tokens, x.grid is None) != (y.dim, y.tokens, y.grid is None):
                return path
            outside = a.times == 1 and not isinstance(a.op, OpenWindows)
            if x.grid is not None and outside and grids.setdefault(x.grid, y.grid) != y.grid:
                return path
            if has_module(a) and not same_layer(ingredients(before, a), ingredients(after, b), fed=True):
                return path
    except Unlike as unlike:
        return unlike.path
    same_ends = (old.evaluation, list(old.training or ())) == (new.evaluation, list(new.training or ()))
    first, second = write_model(old, training_outputs), write_model(new, training_outputs)
    return _other_code(first, second, "", set()) if same_ends else ""


def pairs(old: Frame, new: Frame, prefix: str = "", visited: set[tuple[int, int]] | None = None) -> Pairs:
    """The nodes of two frames, side by side; those of repetitions that are alike once.

    Raises:
        Unlike: there are other nodes in one than in the other.
    """
    visited = set() if visited is None else visited
    if len(old.steps) != len(new.steps):
        raise Unlike(prefix)
    for a, b in zip(old.steps, new.steps, strict=True):
        path = joined(prefix, a.path)
        if isinstance(a, Call) and isinstance(b, Call):
            if not _same(a, b, SAME_CALL) or len(a.frames) != len(b.frames):
                raise Unlike(path)
            for (where, inner), (_, other) in zip(a.paths(), b.paths(), strict=True):
                if (id(inner), id(other)) not in visited:
                    visited.add((id(inner), id(other)))
                    yield from pairs(inner, other, joined(prefix, where), visited)
        elif isinstance(a, Node) and isinstance(b, Node):
            if type(a.op) is not type(b.op) or not _same(a, b, SAME_STEP):
                raise Unlike(path)
            yield path, (old, a), (new, b)
        else:
            raise Unlike(path)


def _same(a: Any, b: Any, names: tuple[str, ...]) -> bool:
    return all(getattr(a, name) == getattr(b, name) for name in names)


Ingredients = tuple[Any, tuple[Feature, ...]]
"""What a layer is made of: its operator, and the features that enter it."""


def ingredients(frame: Frame, node: Node) -> Ingredients:
    """What the layer of a node is made of."""
    return node.op, tuple(frame.features[number] for number in node.inputs)


def same_layer(a: Ingredients, b: Ingredients, fed: bool) -> bool:
    """Whether two layers would be built alike, whatever their weights.

    Args:
        a: what the one is made of.
        b: what the other is made of.
        fed: leaves out what a layer takes anew with each call.
    """
    if a == b:
        return True
    if isinstance(a[0], (LearnedTokens, DropPath)):
        return a[0] == b[0]
    with torch.device("meta"):
        layers = build_layer(a), build_layer(b)
    if not alike(*layers, fed):
        return False
    if not any(module._non_persistent_buffers_set for module in layers[0].modules()):
        return True
    with torch.random.fork_rng(devices=[]):  # values of tables that no state dict holds
        return alike(build_layer(a), build_layer(b), fed)


def build_layer(source: Ingredients) -> nn.Module:
    """The layer itself."""
    op, features = source
    return op.build(*features)


def alike(a: nn.Module, b: nn.Module, fed: bool) -> bool:
    """Whether two layers have the same attributes, tables that no state dict holds, and weights of the same shapes."""
    if type(a) is not type(b):
        return False
    flexible = getattr(a, "flexible", ()) if fed else ()
    own, other = ({k: v for k, v in vars(each).items() if k not in INTERNAL and k not in flexible} for each in (a, b))
    if not equal(own, other):
        return False
    for each in ("_parameters", "_buffers"):
        mine, theirs = ({k: v for k, v in getattr(m, each).items() if k not in flexible} for m in (a, b))
        if {k: _shape(v) for k, v in mine.items()} != {k: _shape(v) for k, v in theirs.items()}:
            return False
    computed = a._non_persistent_buffers_set.difference(flexible)
    if not all(equal(a._buffers[name], b._buffers[name]) for name in computed):
        return False
    children, others = dict(a.named_children()), dict(b.named_children())
    return children.keys() == others.keys() and all(alike(children[k], others[k], fed) for k in children)


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def equal(a: Any, b: Any) -> bool:
    """Whether two attributes of layers say the same; what cannot be compared does not."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and (a.is_meta or torch.equal(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, partial):
        return equal((a.func, a.args, a.keywords), (b.func, b.args, b.keywords))
    if isinstance(a, FunctionType):
        inside = [[cell.cell_contents for cell in each.__closure__ or ()] for each in (a, b)]
        return a.__code__ is b.__code__ and equal(*inside)
    return bool(a == b)


def _other_code(a: Written, b: Written, path: str, visited: set[tuple[int, int]]) -> str | None:
    """The module path of the first forward that is written otherwise."""
    if (id(a), id(b)) in visited:
        return None
    visited.add((id(a), id(b)))
    if text_of(a.forward) != text_of(b.forward) or a.children.keys() != b.children.keys():
        return path
    found = (_other_code(a.children[name], b.children[name], joined(path, name), visited) for name in a.children)
    return next((each for each in found if each is not None), None)
