"""What the package exports: load a spec, analyze it, build it, fill it with weights, see what it attends to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.compiler.attention import attention_maps
from vitdsl.compiler.build import build, build_as, fold
from vitdsl.compiler.eject import eject
from vitdsl.compiler.rollout import attention_rollout
from vitdsl.resolve.files import shipped
from vitdsl.spec import Spec, load

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.checkpoints.loading import Base, Report
    from vitdsl.checkpoints.tables import Table
    from vitdsl.compiler.model import BuiltModel

__all__ = [
    "Spec", "attention_maps", "attention_rollout", "build", "convert", "eject", "fold", "load", "load_weights",
]  # fmt: skip
Layout = str | Path | Mapping[str, Any]
"""Whose keys weights have: a name, the path of a table of keys, or a table as a mapping."""
FOLDED = "official_fused"
"""The layout of authors' weights in which batch norms are folded: those of the model that `fold` gives."""


def convert(
    state: Mapping[str, Tensor],
    spec: Spec | str | Path | Mapping[str, Any],
    layout: Layout | None = None,
    *,
    to: Layout | None = None,
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
    from vitdsl.checkpoints.loading import Base, convert_state, tensors_of

    known = spec if isinstance(spec, Spec) else load(spec)
    shapes, grids = _keys(known, FOLDED in (layout, to))
    tables, (layout, to) = _tables(known, layout, to)
    return convert_state(tensors_of(state), Base("", shapes, tables, grids), layout, to)


def load_weights(
    model: BuiltModel,
    source: str | Path | Mapping[str, Tensor],
    layout: Layout | None = None,
    partial: bool = False,
    channels: str | None = None,
    base: str | None = None,
    container: str | None = None,
    size: int | tuple[int, int] | None = None,
) -> Report:
    """Fills a built model with weights: all of them, each of its own shape. A backbone takes its part of them.

    Tables of positions whose grid alone differs are resized to the model's. For which grid a table is, the metadata of
    a state dict and of a file that `vitdsl` wrote say, or `size`. Else it is taken to be the model's where the count is
    the same, or to be square, or to have the model's aspect; a warning says so where it is no square.

    What the model has on the meta device comes to the CPU. Where the weights are refused, the model is as it was.

    They may be those of a shipped spec that the model's was edited from: renamed as that spec's, and taken by path. A
    spec knows what it extends; one that was dumped under a name of its own does not, and `base` says it.

    Args:
        model: what `build` gave.
        source: a `.safetensors` file, a `.pth` of tensors alone, or a state dict.
        layout: whose names the weights have; None: told apart by the exact set of keys.
        partial: allows tensors that the weights lack, which stay as initialized, and tensors that have no place.
        channels: how the first convolution takes other channels: `repeat` or `mean`, or `first` (zeros behind those).
        base: the shipped spec that the weights are for; None: found by what the model's spec extends.
        container: which state dict of the source, where it holds several: a key such as `model_ema`, or keys joined
            by dots.
        size: of the images that the weights are for, where these do not say it: a side, or (height, width) in pixels.

    Returns:
        What was copied, resized, adapted, left as it was initialized, and not used.

    Raises:
        CheckpointError: with all that does not fit.
        SpecError: there is no spec called `base`, or its images cannot have this `size`.
    """
    from vitdsl.checkpoints.loading import Base, load_into

    spec = model.spec

    def initial_state() -> dict[str, Tensor]:
        return build_as(spec, model.options, model.folded, "cpu").state_dict()

    tables, (name,) = _tables(spec, layout)
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    own = Base("", shapes, tables, _keys(spec, model.folded, size)[1] if size else {})
    bases = chain(_whole(model, own), (own,), _bases(spec, base, layout, size))
    return load_into(
        model, source, bases, name, container=container, partial=partial,
        channels=channels, initial_state=initial_state,
    )  # fmt: skip


def _whole(model: BuiltModel, own: Base) -> Iterator[Base]:
    """Of a backbone, what it is a part of."""
    if model.features is not None:
        shapes, _ = _keys(model.spec, model.folded, model.image_size)
        yield own._replace(shapes=shapes, left_out=frozenset(shapes.keys() - own.shapes.keys()))


def _bases(spec: Spec, named: str | None, layout: Layout | None, size: int | tuple[int, int] | None) -> Iterator[Base]:
    """The spec that was named, or the shipped ones among those that a spec is called after, but for itself."""
    if named is not None:
        yield _base(named, load(named), layout, size)
        return
    for name in spec.names:
        path = shipped() / f"{name}.yaml"
        if path.is_file() and (base := load(path)) != spec:
            yield _base(name, base, layout, size)


def _base(name: str, spec: Spec, layout: Layout | None, size: int | tuple[int, int] | None) -> Base:
    """What weights of a spec are, for images of a size in place of its own."""
    from vitdsl.checkpoints.loading import Base

    shapes, grids = _keys(spec, False, size)
    return Base(name, shapes, _tables(spec, layout)[0], grids if size else {})


def _tables(spec: Spec, *layouts: Layout | None) -> tuple[dict[str, Table], list[str | None]]:
    """The tables by layout that serve a spec, with those that a caller gave; and the names of the caller's layouts."""
    from vitdsl.checkpoints.tables import custom_table, tables_of

    source = spec.tree.pos.source.name if spec.tree.pos else ""
    file = Path(source) if source.endswith(".yaml") else None
    tables, names = tables_of(spec.names, file), []
    for layout in layouts:
        table = None if layout is None else custom_table(layout, spec.names)
        names.append(str(layout) if table is None and layout is not None else table and table.layout[0])
        if table is not None:
            tables[table.layout[0]] = table
    return tables, names


@lru_cache(maxsize=64)
def _keys(
    spec: Spec, folded: bool = False, size: int | tuple[int, int] | None = None
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The shape of each of our keys, and the grids of tables of positions, by key.

    Args:
        spec: what the keys are of.
        folded: whether they are those of what `fold` gives.
        size: of the images, in place of the spec's.
    """
    from vitdsl.checkpoints.fitting import grids

    model = build_as(spec, {"size": size}, folded)
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}, grids(model)
