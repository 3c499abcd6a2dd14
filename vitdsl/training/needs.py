"""Whether a spec has what a recipe reads: outputs in training, points, classes. Torch is not loaded."""

from __future__ import annotations

from collections.abc import Iterator

from vitdsl.errors import Problem, SpecError, did_you_mean, one_of
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.views.points import point_names
from vitdsl.spec import Spec
from vitdsl.syntax.locate import locate
from vitdsl.training.kinds import CrossEntropy, MixToken, PatchMixing, Regions, TokenLabels
from vitdsl.training.recipe import Recipe

LOGITS = "logits"
"""What the output is called where training gives one, as evaluation does."""


def training_outputs(graph: Graph) -> dict[str, Feature]:
    """What a model gives in training, by name."""
    if graph.training is not None:
        return {name: graph.frame.features[number] for name, number in graph.training.items()}
    name = next(iter(graph.evaluation)) if len(graph.evaluation) == 1 else LOGITS
    return {name: graph.frame.features[graph.outputs[next(iter(graph.evaluation))]]}


def head_outputs(graph: Graph) -> list[str]:
    """Of what training gives, the names of the head's own outputs: class logits, and no streams beside them."""
    if graph.training is None:
        return [*training_outputs(graph)]
    heads = set(graph.outputs.values())
    return [name for name, number in graph.training.items() if number in heads]


def points_read(recipe: Recipe) -> list[str]:
    """The names of the points that a recipe reads, or acts at."""
    names = [name for loss in recipe.file.losses.values() for name in loss.points_needed()]
    if isinstance(recipe.file.mix, (MixToken, Regions)):
        names.append(recipe.file.mix.point)
    return list(dict.fromkeys(names))


def check_needs(recipe: Recipe, spec: Spec) -> None:
    """Refuses a recipe that reads what a spec does not have.

    Raises:
        SpecError: everything that is missing, at its place in the recipe, with the place in the spec.
    """
    problems = [*_problems(recipe, spec)]
    if problems:
        raise SpecError(problems)


def _problems(recipe: Recipe, spec: Spec) -> Iterator[Problem]:
    graph = spec.graph()
    yield from _of_classes(spec)
    for name, loss in recipe.file.losses.items():
        for output in loss.outputs_needed():
            yield from _of_output(recipe, spec, graph, ("losses", name), output)
        for point in loss.points_needed():
            yield from _of_point(recipe, spec, graph, ("losses", name), point)
        if isinstance(loss, CrossEntropy) and loss.output is None and not head_outputs(graph):
            message = "this loss reads the head's outputs, but training gives none of them"
            yield _beside(recipe.problem(("losses", name), message, _named(graph)), spec, "head")
        if isinstance(loss, TokenLabels) and recipe.file.mix is not None and not isinstance(recipe.file.mix, MixToken):
            hint = "`mix: mix_token`, or `mix: none`"
            yield recipe.problem(("mix",), "labels of tokens cannot follow images that are mixed in this way", hint)
        if isinstance(loss, PatchMixing) and not isinstance(recipe.file.mix, Regions):
            message = "this loss says which image each patch came from, so images must be mixed by regions"
            yield recipe.problem(("losses", name), message, "`mix: regions`")
    mix = recipe.file.mix
    if isinstance(mix, (MixToken, Regions)):
        yield from _of_point(recipe, spec, graph, ("mix",), mix.point)
        for output in mix.outputs if isinstance(mix, MixToken) else ():
            yield from _of_output(recipe, spec, graph, ("mix", "outputs"), output)


def _of_classes(spec: Spec) -> Iterator[Problem]:
    if spec.model.classes < 1:
        message = f"`{spec.name}` has `classes: 0`, so there is nothing to train on"
        _, mark = locate(spec.tree, ("classes",))
        yield Problem(message, "classes", mark, "`classes: 10`, as many as the data has")


def _of_output(recipe: Recipe, spec: Spec, graph: Graph, at: tuple[str, ...], name: str) -> Iterator[Problem]:
    known = training_outputs(graph)
    if name not in known:
        hint = did_you_mean(name, known)
        message = f"this reads `{name}` of what the model gives in training, but `{spec.name}` gives {_named(graph)}"
        yield _beside(recipe.problem(at, message, hint), spec, "head")


def _of_point(recipe: Recipe, spec: Spec, graph: Graph, at: tuple[str, ...], name: str) -> Iterator[Problem]:
    known = point_names(graph)
    if name not in known:
        there = f"has {one_of(f'`{each}`' for each in known)}" if known else "has no points"
        message = f"this reads the point `{name}`, but `{spec.name}` {there}"
        hint = did_you_mean(name, known) or f"write `point: {name}` where the value flows that is meant"
        yield _beside(recipe.problem(at, message, hint), spec, "stages")


def _named(graph: Graph) -> str:
    return one_of(f"`{name}`" for name in training_outputs(graph)) or "nothing"


def _beside(problem: Problem, spec: Spec, key: str) -> Problem:
    """A problem of the recipe, with the place in the spec where what is missing would stand."""
    _, mark = locate(spec.tree, (key,))
    return Problem(problem.message, problem.path, problem.mark, problem.hint, ((f"the spec's `{key}`", mark),))
