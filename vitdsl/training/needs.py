"""Whether a spec has what a recipe reads: outputs in training, points, classes. Torch is not loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from vitdsl.errors import Problem, SpecError, did_you_mean, one_of
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.views.head import find_classifiers, split_head
from vitdsl.graph.views.points import point_modules, point_names, with_points
from vitdsl.spec import Spec
from vitdsl.syntax.locate import locate
from vitdsl.training.kinds import (
    AttentionCosine,
    CrossEntropy,
    Distillation,
    Loss,
    MixToken,
    MixupCutmix,
    PatchContrastive,
    PatchMixing,
    Regions,
    TokenLabels,
)
from vitdsl.training.recipe import Recipe

LOGITS = "logits"
"""What the output is called where training gives one, as evaluation does."""
At = tuple[str, ...]


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


class Classifier(NamedTuple):
    """The linear map to the classes before an output: its module path, and how wide what enters it is."""

    path: str
    width: int


def classifiers(graph: Graph, classes: int) -> dict[str, Classifier]:
    """The classifier before each output of a head that has one."""
    found = find_classifiers(split_head(graph).head, classes)
    widths = {name: found.head.frame.features[number].dim for name, number in found.entering.items()}
    return {name: Classifier(path, widths[name]) for name, path in found.paths.items()}


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
    problems = [*_Needs(recipe, spec).problems()]
    if problems:
        raise SpecError(problems)


class _Needs:
    """A recipe and a spec, side by side."""

    def __init__(self, recipe: Recipe, spec: Spec) -> None:
        self.recipe, self.spec, self.mix = recipe, spec, recipe.file.mix
        self.classes = spec.model.classes
        graph = self.graph = spec.graph()
        self.outputs, self.names = training_outputs(graph), point_names(graph)
        read = [name for name in points_read(recipe) if name in self.names]
        opened = with_points(graph, read)
        self.points = {name: [point.feature for point in point_modules(opened, name)] for name in read}

    def problems(self) -> Iterator[Problem]:
        """Everything that is missing."""
        if self.classes < 1:
            message = f"`{self.spec.name}` has `classes: 0`, so there is nothing to train on"
            _, mark = locate(self.spec.tree, ("classes",))
            yield Problem(message, "classes", mark, "`classes: 10`, as many as the data has", code="E805")
            return
        for name, loss in self.recipe.file.losses.items():
            yield from self._of_loss(("losses", name), loss)
        if isinstance(self.mix, (MixToken, Regions)):
            yield from self._of_mix(self.mix)

    # ------------------------------------------------------------ losses

    def _of_loss(self, at: At, loss: Loss) -> Iterator[Problem]:
        missing = [*self._missing(at, loss.outputs_needed(), loss.points_needed())]
        yield from missing
        if isinstance(loss, CrossEntropy):
            yield from self._of_labels(at, loss)
        if isinstance(loss, Distillation):
            yield from self._single(at, loss.output)
            if isinstance(self.mix, MixToken):
                message = "a teacher sees whole images, so it cannot say what tokens are that were mixed"
                yield self.recipe.problem(at, message, "`mix: mixup_cutmix`, or `mix: none`", code="E810")
        if isinstance(loss, TokenLabels):
            yield from self._of_tokens(at, loss)
        if isinstance(loss, AttentionCosine):
            yield from self._of_maps(at, loss)
        elif not missing:
            yield from self._of_patches(at, loss)
        if isinstance(loss, PatchMixing):
            yield from self._of_mixed_patches(at, loss)

    def _of_labels(self, at: At, loss: CrossEntropy) -> Iterator[Problem]:
        names = head_outputs(self.graph) if loss.output is None else [loss.output]
        if not names:
            message = "this loss reads the head's outputs, but training gives none of them"
            yield self._beside(self.recipe.problem(at, message, _named(self.outputs), code="E808"), "head")
        for name in names:
            yield from self._logits(at, name)

    def _of_tokens(self, at: At, loss: TokenLabels) -> Iterator[Problem]:
        yield from self._single(at, loss.class_output)
        yield from self._logits(at, loss.output)
        feature = self.outputs.get(loss.output)
        if feature is not None and (feature.grid is None or feature.tokens):
            message = f"this loss needs logits on a grid alone, but `{loss.output}` is {feature}"
            yield self._beside(
                self.recipe.problem(at, message, "a classifier behind `from: grid`", code="E809"), "head"
            )
        if self.mix is not None and not isinstance(self.mix, MixToken):
            hint = "`mix: mix_token`, or `mix: none`"
            yield self.recipe.problem(
                ("mix",), "labels of tokens cannot follow images that are mixed in this way", hint, code="E810"
            )
        if isinstance(self.mix, MixToken) and feature is not None and loss.output not in self.mix.outputs:
            message = f"tokens are mixed, but `mix` does not put `{loss.output}` back, so no label fits its tokens"
            yield self.recipe.problem(at, message, f"`outputs: [{loss.output}]` of `mix`", code="E810")

    def _of_maps(self, at: At, loss: AttentionCosine) -> Iterator[Problem]:
        found = self.points.get(loss.point)
        if not found:
            return
        wanted = (loss.count or 1) + 1
        if len(found) < wanted:
            message = f"this loss needs {wanted} attention maps, but the point `{loss.point}` is at {len(found)}"
            yield self._beside(self.recipe.problem(at, message, "the point in every block", code="E809"), "stages")
        elif len({*found[: wanted if loss.count else None]}) > 1 or not _is_map(found[0]):
            message = (
                f"this loss needs attention maps of one shape, but the point `{loss.point}` is at {_listed(found)}"
            )
            yield self._beside(
                self.recipe.problem(at, message, "`maps: {after: [{point: NAME}]}` of a mixer", code="E809"), "stages"
            )

    def _of_patches(self, at: At, loss: Loss) -> Iterator[Problem]:
        """Every point is at one place, and has patches; those that are compared are alike."""
        found = [*self._once(at, loss.points_needed())]
        yield from found
        names = loss.points_needed()
        for name in () if found else names:
            if self.points[name][0].num_tokens - len(self.points[name][0].tokens) < 2:
                message = f"this loss needs patches, but the point `{name}` is at {self.points[name][0]}"
                yield self._beside(self.recipe.problem(at, message, code="E809"), "stages")
        if isinstance(loss, PatchContrastive) and not found:
            first, last = (self.points[name][0] for name in names)
            if (first.dim, first.grid, first.count) != (last.dim, last.grid, last.count):
                message = (
                    f"this loss compares patches one by one, but `{names[0]}` is {first}, and `{names[1]}` is {last}"
                )
                yield self._beside(
                    self.recipe.problem(at, message, "two points on one grid, of one width", code="E809"), "stages"
                )
            elif loss.kind == "official" and last.grid is None:
                message = f"this loss needs neighbours on a grid, but the point `{names[1]}` is at {last}"
                yield self._beside(self.recipe.problem(at, message, "`kind: paper`", code="E809"), "stages")

    def _of_mixed_patches(self, at: At, loss: PatchMixing) -> Iterator[Problem]:
        if not isinstance(self.mix, Regions) and not says_where(self.mix):
            message = (
                "this loss says which image each patch came from, so images must be mixed by regions, or by CutMix"
            )
            yield self.recipe.problem(
                at, message, "`mix: regions`, or `mix: {type: mixup_cutmix, mixup: 0}`", code="E810"
            )
        known = classifiers(self.graph, self.classes)
        if loss.output in self.outputs and loss.output not in known:
            message = f"this loss shares the classifier of `{loss.output}`, which has none"
            yield self._beside(self.recipe.problem(at, message, did_you_mean(loss.output, known), code="E809"), "head")
        for feature in self.points.get(loss.point, ())[:1]:
            if loss.output in known and feature.dim != known[loss.output].width:
                message = f"the classifier of `{loss.output}` takes {known[loss.output].width} channels"
                message += f", but the point `{loss.point}` is at {feature}"
                yield self._beside(self.recipe.problem(at, message, "a point right before it", code="E809"), "head")
            grid = self.points.get(self.mix.point, [feature])[0].grid if isinstance(self.mix, Regions) else feature.grid
            if feature.grid is None or feature.grid != grid:
                message = f"regions lie on a grid of {_sides(grid)}, but the point `{loss.point}` is at {feature}"
                message = message if grid else f"this loss needs patches on a grid, but `{loss.point}` is at {feature}"
                yield self._beside(
                    self.recipe.problem(at, message, "both at points of one grid", code="E809"), "stages"
                )

    # ------------------------------------------------------------ mixing

    def _of_mix(self, mix: MixToken | Regions) -> Iterator[Problem]:
        at = ("mix",)
        outputs = mix.outputs if isinstance(mix, MixToken) else ()
        missing = [*self._missing((*at, "outputs"), outputs, ()), *self._missing(at, (), (mix.point,))]
        yield from missing or self._once(at, (mix.point,))
        if missing:
            return
        feature, image = self.points[mix.point][0], self.spec.model.input.size
        if not _is_map(feature):
            message = f"images are mixed on a grid alone, but the point `{mix.point}` is at {feature}"
            yield self._beside(
                self.recipe.problem(at, message, "the point before extra tokens come in", code="E809"), "stages"
            )
            return
        assert feature.grid is not None
        for name in outputs:
            if not _is_map(self.outputs[name]) or self.outputs[name].grid != feature.grid:
                message = f"tokens of {_sides(feature.grid)} are mixed, but `{name}` is {self.outputs[name]}"
                yield self._beside(self.recipe.problem((*at, "outputs"), message, code="E809"), "head")
        if isinstance(mix, Regions) and any(image[axis] % feature.grid[axis] for axis in (0, 1)):
            message = f"regions on {_sides(feature.grid)} patches do not lie on whole pixels of {_sides(image)}"
            yield self._beside(
                self.recipe.problem(at, message, "an image that is a multiple of the grid", code="E809"), "input"
            )

    # ------------------------------------------------------------ what is there

    def _missing(self, at: At, outputs: Iterable[str], points: Iterable[str]) -> Iterator[Problem]:
        gives = _named(self.outputs)
        for name in outputs:
            if name not in self.outputs:
                message = (
                    f"this reads `{name}` of what the model gives in training, but `{self.spec.name}` gives {gives}"
                )
                yield self._beside(
                    self.recipe.problem(at, message, did_you_mean(name, self.outputs), code="E808"), "head"
                )
        for name in points:
            if name not in self.names:
                there = f"has {_named(self.names)}" if self.names else "has no points"
                message = f"this reads the point `{name}`, but `{self.spec.name}` {there}"
                hint = did_you_mean(name, self.names) or f"write `point: {name}` where the value flows that is meant"
                yield self._beside(self.recipe.problem(at, message, hint, code="E808"), "stages")

    def _logits(self, at: At, name: str) -> Iterator[Problem]:
        feature = self.outputs.get(name)
        if feature is not None and feature.dim != self.classes:
            message = f"this needs logits of {self.classes} classes, but `{name}` is {feature.dim} wide"
            yield self._beside(self.recipe.problem(at, message, "`classifier` in the head", code="E809"), "head")

    def _single(self, at: At, name: str) -> Iterator[Problem]:
        yield from self._logits(at, name)
        feature = self.outputs.get(name)
        if feature is not None and (feature.grid is not None or feature.num_tokens != 1):
            message = f"this needs one answer for an image, but `{name}` is {feature}"
            yield self._beside(self.recipe.problem(at, message, "`pool` in the head", code="E809"), "head")

    def _once(self, at: At, names: Iterable[str]) -> Iterator[Problem]:
        for name in names:
            if len(self.points[name]) > 1:
                message = f"this needs one place, but the point `{name}` is at {len(self.points[name])}"
                hint = "the point outside of what is repeated"
                yield self._beside(self.recipe.problem(at, message, hint, code="E809"), "stages")

    def _beside(self, problem: Problem, key: str) -> Problem:
        """A problem of the recipe, with the place in the spec where what is missing would stand."""
        _, mark = locate(self.spec.tree, (key,))
        return replace(problem, notes=((f"the spec's `{key}`", mark),))


def says_where(mix: Any) -> bool:
    """Whether every batch that is mixed in this way has one box, which says where its pixels are from."""
    return isinstance(mix, MixupCutmix) and not mix.mixup and mix.mode == "batch"


def _is_map(feature: Feature) -> bool:
    return feature.grid is not None and not feature.tokens


def _sides(size: Any) -> str:
    return f"{size[0]}x{size[1]}" if size else "nothing"


def _listed(features: list[Feature]) -> str:
    return ", ".join(dict.fromkeys(map(str, features)))


def _named(names: Iterable[str]) -> str:
    return one_of(f"`{name}`" for name in names) or "nothing"
