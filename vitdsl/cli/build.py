"""`vitdsl build`: a spec becomes a torch module; what it costs, and one forward pass that proves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Debug, ImageSize, Settings, SpecName, image_size, to_write
from vitdsl.cli.output import echo, print_json, print_table
from vitdsl.cli.specs import load_spec, verified
from vitdsl.cli.weights import (
    Container,
    LayoutName,
    Partial,
    WeightsName,
    WeightsOptions,
    WeightsSize,
    check_weights,
    fill,
    find_weights,
)
from vitdsl.errors import InputError, SpecError
from vitdsl.graph.summary import COLUMNS, NUMBERS, rows_of, total_of
from vitdsl.resolve.files import write_text
from vitdsl.syntax.limits import PIXELS
from vitdsl.syntax.locate import problem
from vitdsl.units import parse_count

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel
    from vitdsl.features import Feature
    from vitdsl.graph.costs import Analysis, StageCost
    from vitdsl.graph.graph import Graph
    from vitdsl.spec import Spec


def run(
    spec: SpecName,
    set_: Settings = None,
    size: ImageSize = None,
    weights: WeightsName = None,
    layout: LayoutName = None,
    partial: Partial = False,
    channels: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="Fit the first convolution to other channels: repeat, mean or first."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="The shipped spec that the weights are for, where SPEC does not say it."),
    ] = None,
    container: Container = None,
    weights_size: WeightsSize = None,
    save: Annotated[Path | None, typer.Option(help="Write the module's weights to this .safetensors file.")] = None,
    code: Annotated[Path | None, typer.Option(help="Write the generated code to this .py file.")] = None,
    max_params: Annotated[
        str, typer.Option(metavar="NUMBER", help="A model with more parameters is refused unbuilt.")
    ] = "1G",
    max_modules: Annotated[
        str, typer.Option(metavar="NUMBER", help="A model with more modules is refused unbuilt.")
    ] = "100k",
    debug: Debug = False,
    as_json: AsJson = False,
) -> None:
    """Build the torch module, print its costs, and run it once.

    It is run on a random image, and what it gives is compared with the inferred shapes.
    """
    image = image_size(size)
    most = {"max_params": _at_most(max_params, "--max-params"), "max_modules": _at_most(max_modules, "--max-modules")}
    options = WeightsOptions(weights, layout, partial, channels, base, container, weights_size)
    check_weights(options)
    to_write(save, "--save", ".safetensors")
    to_write(code, "--code", ".py")
    known = verified(load_spec(spec, set_), debug, image)
    analysis = known.analyze(image)
    _check_pixels(known, analysis.graph, image is None)
    report = _describe(known, analysis)
    found = find_weights(known, options)
    report |= _build(known, image, most, save, code, lambda model: fill(model, found, options))
    if as_json:
        print_json(report)
    else:
        _print_costs(report, analysis)
        _print_module(report)


def _check_pixels(spec: Spec, graph: Graph, by_spec: bool) -> None:
    """Refuses a model that cannot be run once, since its image has too many pixels.

    Args:
        spec: what is built.
        graph: of the spec.
        by_spec: whether the spec says the image's size, and not the call.
    """
    height, width = graph.frame.features[0].grid or (0, 0)
    if PIXELS.exceeds(height * width):
        message, hint = PIXELS.fault(height * width)
        if by_spec:
            raise SpecError(problem(spec.tree, ("input", "size"), message, hint, code="E501"))
        raise typer.BadParameter(f"{message}; {hint}", param_hint="--size")


def _at_most(text: str, option: str) -> int:
    """The number that an option says."""
    found = parse_count(text)
    if found is None:
        raise typer.BadParameter(f"'{text}' is not a number, such as 500M or 2G", param_hint=option)
    return found


def _describe(spec: Spec, analysis: Analysis) -> dict[str, Any]:
    """What the graph says."""
    paper = spec.model.paper or {}
    return {
        "name": spec.name,
        "hash": spec.hash,
        "title": paper.get("title"),
        "arxiv": paper.get("arxiv"),
        "image": list(analysis.graph.frame.features[0][1] or ()),
        "stages": [_stage(stage) for stage in analysis.stages],
        "params": analysis.params,
        "trainable_params": analysis.trainable_params,
        "macs": analysis.macs,
        "activation_bytes": analysis.activation_bytes,
        "paper": {key: paper[key] for key in ("params", "macs") if key in paper},
        "unreached": list(analysis.unreached),
    }


def _stage(stage: StageCost) -> dict[str, Any]:
    return {
        "path": stage.path,
        "outputs": {name.lstrip("@"): _feature(feature) for name, feature in stage.outputs.items()},
        "blocks": stage.blocks,
        "params": stage.cost.params,
        "macs": stage.cost.macs,
    }


def _feature(feature: Feature) -> dict[str, Any]:
    grid = None if feature.grid is None else list(feature.grid)
    return {"dim": feature.dim, "grid": grid, "tokens": list(feature.tokens), "count": feature.count}


def _build(
    spec: Spec,
    size: int | tuple[int, int] | None,
    most: Mapping[str, Any],
    save: Path | None,
    code: Path | None,
    load: Callable[[VisionModel], dict[str, str]],
) -> dict[str, Any]:
    """Builds, loads, verifies and writes; says what was done."""
    from vitdsl.compiler.build import build

    model = build(spec, size=size, **most)
    done: dict[str, Any] = {**load(model)}
    done["verified"] = run_once(model, spec.graph(size))
    if save is not None:
        from vitdsl.checkpoints.files import write_weights
        from vitdsl.checkpoints.header import header_of

        write_weights(save, model.state_dict(), header_of(spec, model.image_size))
        done["saved"] = str(save)
    if code is not None:
        write_text(code, model.code)
        done["code"] = str(code)
    return done


def run_once(model: VisionModel, graph: Graph) -> dict[str, Any]:
    """Runs a module on a random image, in evaluation, and compares with its graph.

    Returns:
        Shapes of `image` and `output`, and the number of `params`.

    Raises:
        RuntimeError: module and graph differ, which is a fault of the compiler.
        InputError: the output is not finite.
    """
    import torch

    image = graph.frame.features[0]
    assert image.grid is not None
    params = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if params != graph.frame.cost.trainable_params:
        raise RuntimeError(f"the module has {params:,} parameters, the graph {graph.frame.cost.trainable_params:,}")
    shape = (1, image.dim, *image.grid)
    training = model.training
    with torch.inference_mode():
        output = model.eval()(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    model.train(training)
    expected = returned_shape(graph)
    if tuple(output.shape) != expected:
        raise RuntimeError(f"the module gives {tuple(output.shape)}, the graph {expected}")
    if not torch.isfinite(output).all():
        raise InputError(
            "the output for a random image is not finite: weights, or the spec's `init`, are too large", code="E604"
        )
    return {"image": list(shape), "output": list(output.shape), "params": params}


def returned_shape(graph: Graph) -> tuple[int, ...]:
    """The shape that evaluation returns for one image."""
    name = next(iter(graph.evaluation))
    feature: Feature = graph.frame.features[graph.outputs[name]]
    if feature.grid is None and feature.num_tokens == 1:
        return (1, feature.dim)
    if feature.grid is not None and not feature.tokens and graph.layout != "tokens":
        return (1, feature.dim, *feature.grid)
    return (1, feature.num_tokens, feature.dim)


# ---------------------------------------------------------------- text


def _print_costs(report: dict[str, Any], analysis: Analysis) -> None:
    shown = slice(-1)  # without the activations
    title = f"  {report['title']}" if report["title"] else ""
    arxiv = f" (arXiv {report['arxiv']})" if report["arxiv"] else ""
    echo(f"{report['name']}{title}{arxiv}\n")
    print_table(COLUMNS[shown], [row[shown] for row in rows_of(analysis.stages)], right=NUMBERS)
    echo(f"\nhere:  {total_of(analysis)}")
    if report["paper"]:
        printed = {"params": "parameters", "macs": "MACs"}
        words = [f"{report['paper'][key]} {word}" for key, word in printed.items() if key in report["paper"]]
        echo(f"paper: {', '.join(words)}")
    if report["trainable_params"] != report["params"]:
        echo(f"{report['params'] - report['trainable_params']:,} of the parameters are fixed tables")


def _print_module(report: dict[str, Any]) -> None:
    for key in ("fetched", "weights"):
        if key in report:
            echo(f"\n{report[key]}")
    found = report["verified"]
    image, output = ("×".join(map(str, found[key])) for key in ("image", "output"))
    echo(
        f"\nbuilt, and run on one random image ({image}): output {output}, {found['params']:,} parameters, as inferred"
    )
    for key, what in (("saved", "weights"), ("code", "code")):
        if key in report:
            echo(f"{what} written to {report[key]}")
