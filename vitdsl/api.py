"""What the package exports: load a spec, analyze it, build it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.declared import judge, unknown, unknown_names
from vitdsl.dump import dump_tree
from vitdsl.errors import Problem, ShapeError, SpecError
from vitdsl.graph.analysis import Analysis
from vitdsl.graph.elaborate import elaborate
from vitdsl.graph.faults import problem_of
from vitdsl.graph.frames import Call, Graph
from vitdsl.parts.fields import Refusal
from vitdsl.places import holes_in, open_holes, problem
from vitdsl.reading import shipped
from vitdsl.resolve import resolve
from vitdsl.source import Map
from vitdsl.spec import Model, SpecReader

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from vitdsl.checkpoints.loading import Base, Report
    from vitdsl.checkpoints.table import Table
    from vitdsl.compiler.model import VisionModel

TOO_DEEP = "bodies and their arguments are nested too deep here, or made of one another"
FOLDED = "official_fused"
"""The layout of authors' weights in which batch norms are folded: those of the model that `fold` gives."""
MAX_PARAMS = 10**11
"""A model with more parameters is not built unless the caller allows it."""


class Spec:
    """A validated spec: frozen, hashable by what it says.

    Attributes:
        tree: the merged file, with positions.
        model: the same, typed.
    """

    __slots__ = ("_graphs", "_hash", "model", "reader", "tree")

    def __init__(self, tree: Map, model: Model, reader: SpecReader) -> None:
        self.tree, self.model, self.reader = tree, model, reader
        self._graphs: dict[Any, Graph] = {}
        self._hash: str | None = None

    @property
    def name(self) -> str:
        """The spec's name, or `model`."""
        return self.model.name or "model"

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, and the names of the specs that it extends, nearest first."""
        return tuple(dict.fromkeys((self.name, *self.tree.names)))

    def graph(self, size: int | tuple[int, int] | None = None) -> Graph:
        """The typed graph, for images of the spec's size or of another.

        Raises:
            SpecError: features do not fit, or the spec has holes.
        """
        given = (size, size) if isinstance(size, int) else size
        if given not in self._graphs:
            if holes_in(self.tree):
                raise SpecError(open_holes(self.tree))
            try:
                self._graphs[given] = elaborate(self.model, self.reader, given)
            except ShapeError as fault:
                raise SpecError(problem_of(fault, self.tree)) from None
            except RecursionError:
                raise SpecError(Problem(TOO_DEEP, mark=self.tree.pos)) from None
        return self._graphs[given]

    def analyze(self, size: int | tuple[int, int] | None = None) -> Analysis:
        """Exact costs from the graph: params, trainable_params, macs, activation_bytes, unreached; by stage and node.

        Args:
            size: of the image, in place of the spec's: a side, or (height, width).
        """
        return Analysis(self.graph(size))

    def dump(self) -> str:
        """Canonical YAML: merged, variables put in; `load` gives the same spec back."""
        return dump_tree(self.tree)

    @property
    def hash(self) -> str:
        """The same for specs that say the same, name and paper apart."""
        if self._hash is None:
            said = {key: value for key, value in self.tree.items() if key not in ("name", "paper")}
            self._hash = hashlib.sha256(dump_tree(said).encode()).hexdigest()[:16]
        return self._hash

    def rebuild(self, options: dict[str, Any], folded: bool, training: bool, state: dict[str, Any]) -> VisionModel:
        """A model out of what its pickle holds."""
        made = build(self, device="meta", **options)
        made = fold(made) if folded else made
        made.to_empty(device=next(iter(state.values())).device if state else "cpu")
        made.load_state_dict(state, assign=True)
        return made.train(training)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as canonical YAML."""
        return load, (self.dump(),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"<Spec {self.name} {self.hash}>"


def load(source: str | Path | Mapping[str, Any] | Spec, set: Mapping[str, Any] | None = None) -> Spec:
    """Reads and validates a spec.

    Args:
        source: a shipped name, a path, YAML text, a mapping, or a spec.
        set: values by written path, laid over the file.

    Raises:
        SpecError: with every problem found, each at its place.
    """
    tree = resolve(source.tree if isinstance(source, Spec) else source, set)
    defaults, defines = tree.get("defaults"), tree.get("define")
    reader = SpecReader(
        defaults if isinstance(defaults, dict) else Map(), defines if isinstance(defines, dict) else Map()
    )
    try:
        faults = [*judge(reader, tree.variables), *unknown_names(tree)]
        if faults:
            raise Refusal(faults)
        model = Model.read(tree, reader)
    except Refusal as error:
        raise SpecError(_problems(error.items, tree, reader)) from None
    except RecursionError:
        raise SpecError(Problem(TOO_DEEP, mark=tree.pos)) from None
    if model.open and not holes_in(tree):
        raise SpecError([problem(tree, *fault) for fault in unknown(model)])
    return Spec(tree, model, reader)


def _problems(faults: list[Any], tree: Map, reader: SpecReader) -> list[Problem]:
    """Refusals at their places in the file; those of what is declared, and those of all the rest."""
    bad = {location[1] for location, _, _ in faults if location[0] == "defaults" and len(location) > 1}
    if any(location[0] not in ("defaults", "define") or len(location) > 1 for location, _, _ in faults):
        try:
            rest = SpecReader({key: value for key, value in reader.defaults.items() if key not in bad}, reader.defines)
            Model.read(tree, rest)
        except Refusal as error:
            faults = [*faults, *error.items]
    return [problem(tree, *fault) for fault in faults]


def build(
    spec: Spec | str | Path | Mapping[str, Any],
    device: str | torch.device = "cpu",
    *,
    training_outputs: bool = True,
    size: int | tuple[int, int] | None = None,
    max_params: int = MAX_PARAMS,
) -> VisionModel:
    """The torch module of a spec, initialized as it says.

    Args:
        spec: a spec, or what `load` takes.
        device: where the weights are made; `meta` makes none.
        training_outputs: False returns the evaluation tensor in training too.
        size: of the image, in place of the spec's.
        max_params: a model with more parameters is refused before anything is allocated.

    Raises:
        SpecError: the spec is wrong, or too large.
    """
    from vitdsl.compiler.model import compile_graph

    known = spec if isinstance(spec, Spec) else load(spec)
    graph = known.graph(size)
    params = graph.frame.cost.params
    if params > max_params:
        raise SpecError(_too_large(known, graph, max_params))
    return compile_graph(graph, known, known.model.drop_path, known.model.init or {}, device, training_outputs)


def fold(model: VisionModel) -> VisionModel:
    """The model with every batch norm folded into the convolution or linear map beside it, where there is one.

    It computes the same in evaluation mode, which it is in; the model that was given is left as it is.

    Args:
        model: what `build` gave.
    """
    from vitdsl.compiler.fold import folded_graph, folded_state
    from vitdsl.compiler.model import compile_graph

    spec, graph = model.spec, model.spec.graph(model.image_size)
    state = folded_state(graph, model.state_dict())
    made = compile_graph(folded_graph(graph), spec, spec.model.drop_path, {}, "meta", model.training_outputs)
    made.to_empty(device=next(iter(state.values())).device)
    made.load_state_dict(state, assign=True)
    made.folded = True
    return made.eval()


def _too_large(spec: Spec, graph: Graph, most: int) -> Problem:
    """What to say of a model with too many parameters: how many, and which stage has most of them."""
    costs = [step.frames[0].cost.params for step in graph.frame.steps if isinstance(step, Call)]
    index = costs.index(max(costs))
    where = ("stages", index) if index < len(spec.model.stages) else ("head",)
    message = f"this model has {sum(costs):,} parameters, but at most {most:,} are allowed; most of them are here"
    return problem(spec.tree, where, message, "`--max-params` allows more")


def convert(
    state: Mapping[str, Tensor],
    spec: Spec | str | Path | Mapping[str, Any],
    layout: str | None = None,
    *,
    to: str | None = None,
) -> dict[str, Tensor]:
    """A state dict of other people's model as ours, or the other way.

    Args:
        state: the weights.
        spec: what they are for: a spec, or what `load` takes.
        layout: whose names `state` has: `official`, `timm`, …, or `ours`; None: told apart by the exact set of keys.
        to: whose names are wanted; None: ours.

    Returns:
        A new dict; tensors that nothing rearranges are passed on, not copied.

    Raises:
        CheckpointError: with every key that is missing, unexpected, or of another shape.
        SpecError: the spec is wrong.
    """
    from vitdsl.checkpoints.loading import convert_state

    known = spec if isinstance(spec, Spec) else load(spec)
    folded = FOLDED in (layout, to)
    return convert_state(state, _shapes(known, folded), _tables(known), layout, to)


def load_weights(
    model: VisionModel,
    source: str | Path | Mapping[str, Tensor],
    layout: str | None = None,
    partial: bool = False,
    channels: str | None = None,
) -> Report:
    """Fills a built model with weights: all of them, each of its own shape.

    Tables of positions whose grid alone differs are resized to the model's. What the model has on the meta device
    comes to the CPU. Where the weights are refused, the model is as it was.

    They may be those of a shipped spec that the model's was edited from: renamed as that spec's, and taken by path.

    Args:
        model: what `build` gave.
        source: a `.safetensors` file, a `.pth` of tensors alone, or a state dict.
        layout: whose names the weights have; None: told apart by the exact set of keys.
        partial: allows tensors that the weights lack, which stay as initialized, and tensors that have no place.
        channels: how the first convolution takes other channels: `repeat` or `mean`, or `first` (zeros behind those).

    Returns:
        What was copied, resized, adapted, left as it was initialized, and not used.

    Raises:
        CheckpointError: with all that does not fit.
    """
    from vitdsl.checkpoints.loading import load_into

    spec = model.spec

    def fresh() -> dict[str, Tensor]:
        made = build(spec, size=model.image_size)
        return (fold(made) if model.folded else made).state_dict()

    return load_into(
        model, source, _tables(spec), layout, partial=partial, channels=channels, bases=_bases(spec), fresh=fresh
    )


def _bases(spec: Spec) -> Iterator[Base]:
    """The shipped specs among those that a spec is called after, but for itself."""
    from vitdsl.checkpoints.loading import Base

    for name in spec.names:
        path = shipped() / f"{name}.yaml"
        if path.is_file() and (base := load(path)) != spec:
            yield Base(name, _shapes(base), _tables(base))


def _tables(spec: Spec) -> dict[str, Table]:
    from vitdsl.checkpoints.loading import tables_of

    return tables_of(spec.names)


@lru_cache(maxsize=64)
def _shapes(spec: Spec, folded: bool = False) -> dict[str, tuple[int, ...]]:
    """The shape of each of our keys; `folded`: of the model that `fold` gives."""
    model = build(spec, device="meta")
    return {key: tuple(tensor.shape) for key, tensor in (fold(model) if folded else model).state_dict().items()}
