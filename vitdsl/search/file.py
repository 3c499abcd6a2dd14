"""The file of a search: the space, the constraints, the objectives, the sampler and the evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from vitdsl.errors import Fault, Mark, Problem, Refusal, Source, SpecError, did_you_mean, refuse
from vitdsl.fields.marks import KindField
from vitdsl.fields.messages import describe
from vitdsl.fields.types import Positive, Title, read_each
from vitdsl.parts.base import Fields, Reads
from vitdsl.resolve.edit import put
from vitdsl.resolve.files import find, load_tree, shipped
from vitdsl.search.evaluation import Evaluation, read_evaluation, with_defaults
from vitdsl.search.pruners import PRUNERS, NoPruner
from vitdsl.search.samplers import SAMPLERS, Evolution
from vitdsl.space.space import Space
from vitdsl.syntax.locate import locate, placed, problem
from vitdsl.syntax.paths import Key, parse_path
from vitdsl.syntax.printer import dump_tree, plain
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map
from vitdsl.training.recipe import RECIPE, load_recipe
from vitdsl.units import UNITS, parse_quantity

COSTS = ("params", "trainable_params", "macs", "activation_bytes")
"""Measures that the graph gives, before anything is built."""
DIRECTIONS = ("maximize", "minimize")


def read_quantity(value: Any) -> float:
    """A number, or a text of a number and a unit, as a number of ones, seconds or bytes.

    Raises:
        Refusal: it is neither.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    number = parse_quantity(value) if isinstance(value, str) else None
    if number is None:
        hint = f"units: {', '.join(unit for unit in UNITS if unit)}"
        refuse(
            f"must be a number, or one with a unit such as 6M, 20ms or 64MB, but is {describe(value)}",
            hint,
            code="E203",
        )
    return number


Quantity = Annotated[
    Any, Reads(lambda value, reader: None if value is None else read_quantity(value), {"type": ["number", "string"]})
]


class Bound(Fields):
    """The least and the greatest value of a measure, both allowed.

    Attributes:
        min: the least value.
        max: the greatest value.
    """

    min: Quantity = None
    max: Quantity = None


def _bounds(value: Any, reader: Any) -> Any:
    return _each(value, "constraints", lambda name, entry: Bound.read(entry, reader))


def _directions(value: Any, reader: Any) -> Any:
    def read(name: str, entry: Any) -> str:
        if entry not in DIRECTIONS:
            refuse(f"`{name}` must be maximize or minimize, but is {describe(entry)}", code="E205")
        return entry

    directions = _each({value: "maximize"} if isinstance(value, str) else value, "objectives", read)
    if not directions:
        refuse("`objectives` must name what is wanted: `{accuracy: maximize}`", code="E217")
    return directions


def _each(value: Any, what: str, read: Any) -> dict[str, Any]:
    """The entries of a mapping of measures, each read."""
    if not isinstance(value, dict):
        refuse(f"`{what}` must be a mapping of measures, but is {describe(value)}", code="E203")
    return dict(zip(value, read_each(value.items(), read), strict=True))


def _rungs(value: Any, reader: Any) -> tuple[Evaluation, ...]:
    if not isinstance(value, (list, tuple)):
        refuse(f"`rungs` must be a list of evaluations, but is {describe(value)}", code="E203")
    return with_defaults(read_each(enumerate(value), lambda _, entry: read_evaluation(entry)))


class Budget(Fields):
    """The end of a search: the number of judged candidates, and perhaps minutes.

    Attributes:
        trials: number of judged candidates.
        minutes: after so many no further candidate begins.
    """

    trials: Positive
    minutes: Annotated[float, Field(gt=0)] | None = None


class SearchFile(Fields):
    """A whole file.

    Attributes:
        name: what the search is called; by default as its file.
        space: a spec with holes: a name, a path, or the spec itself.
        constraints: bounds of measures: `{params: {max: 6M}}`.
        objectives: what is wanted: `{accuracy: maximize}`.
        sampler: what draws candidates.
        rungs: evaluations, cheap ones first; what fails one is not judged by the next.
        pruner: stops candidates between rungs.
        budget: when the search ends.
        seed: what all draws follow from.
    """

    name: Title | None = None
    space: Annotated[Any, Reads(lambda value, reader: value, {"type": ["string", "object"]})]
    constraints: Annotated[Any, Reads(_bounds, {"type": "object"})] = None
    objectives: Annotated[Any, Reads(_directions, {"type": ["string", "object"]})]
    sampler: Annotated[Any, KindField(SAMPLERS, "sampler")] = Evolution()
    rungs: Annotated[Any, Reads(_rungs, {"type": "array"})] = ()
    pruner: Annotated[Any, KindField(PRUNERS, "pruner")] = NoPruner()
    budget: Budget
    seed: Annotated[int, Field(ge=0)] = 0


class Search:
    """A validated search.

    Attributes:
        file: its fields.
        space: its space.
        name: its name.
    """

    def __init__(self, tree: Map, file: SearchFile, space: Space, name: str) -> None:
        self.tree, self.file, self.space, self.name = tree, file, space, name

    @property
    def constraints(self) -> dict[str, Bound]:
        """Bounds by measure."""
        return self.file.constraints or {}

    @property
    def measures(self) -> tuple[str, ...]:
        """All measures of a complete candidate."""
        return (*COSTS, *(name for rung in self.file.rungs for name in rung.names()))

    def dump(self) -> str:
        """Canonical YAML without the budget; equal searches have equal texts."""
        return dump_tree({key: plain(value) for key, value in self.tree.items() if key != "budget"})


def load_search(source: str | Path | Mapping[str, Any], set: Mapping[str, Any] | None = None) -> Search:
    """Reads and validates a search.

    Args:
        source: a shipped name (`specs/searches`), a path, YAML text or a mapping.
        set: values by written path, which replace those of the file.

    Raises:
        SpecError: with every problem found, each at its place; or those of its space.
    """
    path = _file(source)
    tree = _with_recipes(load_tree(path or source), path)
    for written, value in (set or {}).items():
        origin = Mark(Source("--set", f"{written}={value}"), 1, 1)
        tree = put(tree, parse_path(written, "--set"), recognise(value, ()), origin, written)
    if "stages" in tree or "extends" in tree:
        raise SpecError(
            Problem("this is a spec, not a search", mark=tree.pos, hint="a search names it as its `space`", code="E111")
        )
    try:
        file = SearchFile.read(_without_space(tree), None)  # type: ignore[arg-type]
        faults = [*_late(tree), *_unmeasured(file)]
        if faults:
            raise Refusal(faults)
    except Refusal as error:
        raise SpecError([problem(tree, *fault) for fault in error.items]) from None
    space = _space(tree, path)
    reasons = [(index, rung.unsuited(space.spec)) for index, rung in enumerate(file.rungs)]
    if any(reason for _, reason in reasons):
        raise SpecError([problem(tree, ("rungs", index), reason, code="E910") for index, reason in reasons if reason])
    return Search(tree, file, space, file.name or (path.stem if path else "search"))


def _file(source: Any) -> Path | None:
    """The file of a path or a shipped name."""
    if isinstance(source, Mapping) or (isinstance(source, str) and ("\n" in source or ": " in source)):
        return None
    path = Path(source)
    if path.is_file() or path.parent != Path() or path.suffix:
        return path
    named = shipped("searches") / f"{path.name}.yaml"
    if named.is_file():
        return named
    names = [path.stem for path in shipped("searches").glob("*.yaml")]
    raise SpecError(Problem(f"there is no search `{source}`", hint=did_you_mean(str(source), names), code="E101"))


def _with_recipes(tree: Map, path: Path | None) -> Map:
    """The file with the recipes of its rungs written out, so that it says all that they do, wherever it is read."""
    rungs = tree.get("rungs")
    for index, rung in enumerate(rungs if isinstance(rungs, (list, tuple)) else ()):
        recipe = rung.get("recipe") if isinstance(rung, dict) else None
        if isinstance(recipe, (str, dict)):
            at = ("rungs", index, "recipe")
            tree = put(tree, at, _recipe(recipe, path, locate(tree, at)[1]), None, "")
    return tree


def _recipe(given: str | dict[str, Any], path: Path | None, where: Mark | None) -> Map:
    """A recipe, merged: a name, a path beside the file, or the recipe itself."""
    with placed("recipe", where):
        if isinstance(given, str):
            return load_recipe(find(given, path.parent if path else None, RECIPE)).tree
        return load_recipe(given).tree


def _without_space(tree: Map) -> Map:
    """The file without the content of its space, which is a spec with holes and late values of its own."""
    copy = Map(
        {key: "written here" if key == "space" and isinstance(value, dict) else value for key, value in tree.items()}
    )
    copy.pos, copy.marks = tree.pos, tree.marks
    return copy


def _late(tree: Map) -> list[Fault]:
    message = "a search is written out: it has no holes and no late values"
    return [
        Fault((key,), message, "the space has them", code="E209")
        for key, value in tree.items() if key != "space" and facts(value).late
    ]  # fmt: skip


def _unmeasured(file: SearchFile) -> list[Fault]:
    """Problems: measures that nothing gives, and pruning with several objectives, which Optuna does not have."""
    known = (*COSTS, *(name for rung in file.rungs for name in rung.names()))
    faults: list[Fault] = []
    for key, names in (("objectives", file.objectives), ("constraints", file.constraints or {})):
        for name in names:
            if name not in known:
                message = f"nothing measures `{name}`: it is no cost, and no rung gives it"
                faults.append(Fault((key, Key(name)), message, did_you_mean(name, known), code="E907"))
    if file.pruner.type != "none":
        if len(file.objectives) > 1:
            message = "with several objectives nothing is pruned: Optuna's pruners judge one value"
            faults.append(Fault(("pruner",), message, "bound the others by `constraints`", code="E909"))
        measure = file.pruner.measure
        if measure is not None and measure not in known:
            message = f"nothing measures `{measure}`"
            faults.append(Fault(("pruner", "measure"), message, did_you_mean(measure, known), code="E907"))
    return faults


def _space(tree: Map, path: Path | None) -> Space:
    raw = tree["space"]
    if isinstance(raw, dict):
        return Space(raw)
    where = tree.marks.get("space", (None, None))[1]
    if not isinstance(raw, str):
        raise SpecError(problem(tree, ("space",), "`space` must be a name, a path or a spec with holes", code="E203"))
    with placed("space", where):
        named = shipped("spaces") / f"{raw}.yaml"  # before a file beside the search that may have the same name
        return Space(named if named.is_file() else find(raw, path.parent if path else None))
