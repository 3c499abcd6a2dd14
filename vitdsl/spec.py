"""Specs: read, validated, and analysed without torch."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitdsl.elaborate.builder import Observed
from vitdsl.elaborate.rims import with_sizes
from vitdsl.elaborate.stages import elaborate
from vitdsl.errors import Fault, Problem, Refusal, RimError, ShapeError, SpecError
from vitdsl.fields.messages import with_name
from vitdsl.graph.costs import Analysis
from vitdsl.graph.faults import problem_of
from vitdsl.graph.graph import Graph
from vitdsl.memo import forget
from vitdsl.resolve.extends import resolve
from vitdsl.syntax.holes import malformed_below
from vitdsl.syntax.locate import holes_in, open_holes, problem
from vitdsl.syntax.printer import dump_tree, plain
from vitdsl.syntax.tree import Map
from vitdsl.validate import FILE, Model, SpecReader
from vitdsl.validate.declarations import judge, late_outside_items, unknown_names

GRAPHS = 8
"""Graphs that a spec keeps, each for another size of images: those that were asked for last."""
TOO_DEEP = "bodies and their arguments are nested too deep here, or made of one another"


class Spec:
    """A validated spec: frozen, hashable by what it says.

    Attributes:
        tree: the merged file, with positions.
        model: the same, typed.
        decisions: of a spec that was drawn from a space, what was decided, by written path.
    """

    __slots__ = ("_graphs", "_hash", "decisions", "model", "reader", "tree")

    def __init__(self, tree: Map, model: Model, reader: SpecReader) -> None:
        self.tree, self.model, self.reader = tree, model, reader
        self.decisions: Mapping[str, Any] | None = None
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
        graph = self._graphs.pop(given, None) or self._elaborated(given)
        self._graphs[given] = graph  # last, as what was asked for last
        if len(self._graphs) > GRAPHS:
            del self._graphs[next(iter(self._graphs))]
        return graph

    def _elaborated(self, size: tuple[int, int] | None) -> Graph:
        if holes_in(self.tree):
            raise SpecError(open_holes(self.tree))
        try:
            with paused():
                return elaborate(self.model, self.reader, size)
        except RimError as fault:
            with paused():
                image = size or self.model.input.size
                near = with_sizes(fault, image, lambda other: elaborate(self.model, self.reader, other))
            raise SpecError(problem_of(near, self.tree)) from None
        except ShapeError as fault:
            raise SpecError(problem_of(fault, self.tree)) from None
        except RecursionError:
            raise SpecError(Problem(TOO_DEEP, mark=self.tree.pos, code="E505")) from None

    def observed(self) -> Observed:
        """What late arguments and forms became in the graph, by identity; elaborated anew, as memos do not say it."""
        found: Observed = {}
        forget()
        elaborate(self.model, self.reader, None, found)
        return found

    def analyze(self, size: int | tuple[int, int] | None = None) -> Analysis:
        """Exact costs from the graph: params, trainable_params, macs, activation_bytes, unreached; by stage and node.

        Args:
            size: of the image, in place of the spec's: a side, or (height, width).
        """
        return Analysis(self.graph(size))

    def summary(self, size: int | tuple[int, int] | None = None) -> str:
        """The name, the images, and the costs by stage, as text.

        Args:
            size: of the image, in place of the spec's: a side, or (height, width).
        """
        analysis = self.analyze(size)
        image = analysis.graph.frame.features[0]
        height, width = image.grid or self.model.input.size
        return f"{self.name}, for images {image.dim}×{height}×{width}\n\n{analysis}"

    def dump(self) -> str:
        """Canonical YAML: merged, variables put in; `load` gives the same spec back."""
        return dump_tree(self.tree)

    @property
    def hash(self) -> str:
        """The same for specs that say the same, name and paper apart."""
        if self._hash is None:
            import hashlib

            values = {key: plain(value) for key, value in self.tree.items() if key not in ("name", "paper")}
            self._hash = hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()[:16]
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as canonical YAML, with what it is called after and its decisions."""
        return _restored, (self.dump(), self.tree.names, self.decisions)

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
    with paused():
        return read_tree(resolve(source.tree if isinstance(source, Spec) else source, set, FILE))


def _restored(text: str, names: tuple[str, ...], decisions: Mapping[str, Any] | None) -> Spec:
    """A spec out of what its pickle holds."""
    spec = load(text)
    spec.tree.names, spec.decisions = names, decisions
    return spec


def read_tree(tree: Map) -> Spec:
    """The spec of a merged file.

    Raises:
        SpecError: with every problem found, each at its place.
    """
    defaults, defines = tree.get("defaults"), tree.get("define")
    reader = SpecReader(
        defaults if isinstance(defaults, dict) else Map(), defines if isinstance(defines, dict) else Map()
    )
    try:
        faults = [*judge(reader, tree.variables), *unknown_names(tree)]
        if holes_in(tree):
            faults += malformed_below(tree)
        if faults:
            raise SpecError(_problems(faults, tree, reader))
        model = Model.read(tree, reader)
    except Refusal as error:
        raise SpecError(_placed(error.items, tree)) from None
    except RecursionError:
        raise SpecError(Problem(TOO_DEEP, mark=tree.pos, code="E505")) from None
    if model.open and not holes_in(tree):
        raise SpecError([problem(tree, *fault) for fault in late_outside_items(model)])
    return Spec(tree, model, reader)


def _problems(faults: list[Fault], tree: Map, reader: SpecReader) -> list[Problem]:
    """Those of what is declared, and those of all the rest."""
    bad = {fault.at[1] for fault in faults if fault.at[0] == "defaults" and len(fault.at) > 1}
    if any(fault.at[0] not in ("defaults", "define") or len(fault.at) > 1 for fault in faults):
        try:
            rest = SpecReader({key: value for key, value in reader.defaults.items() if key not in bad}, reader.defines)
            Model.read(tree, rest)
        except Refusal as error:
            faults = [*faults, *error.items]
    return _placed(faults, tree)


def _placed(faults: list[Fault], tree: Map) -> list[Problem]:
    """Refusals at their places in the file."""
    return [problem(tree, *with_name(fault)) for fault in faults]


@contextmanager
def paused() -> Iterator[None]:
    """Within, Python's collector of cycles rests; it takes up to a tenth of the time of a first analysis."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
