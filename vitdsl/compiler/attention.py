"""The attention maps by which a model mixes tokens, each computed from the queries and keys that the model uses."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vitdsl.compiler.backbone import forward_over
from vitdsl.compiler.forwards import IMAGE, Built, write_values
from vitdsl.compiler.model import VisionModel, check_whole
from vitdsl.compiler.module import is_repetition
from vitdsl.compiler.renewal import put_buffers
from vitdsl.compiler.statements import Forward
from vitdsl.errors import AttentionError, Problem, near
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.operators import OpenWindows
from vitdsl.graph.views.attention import Mixer, Opened, find_mixers, with_maps
from vitdsl.layers.attention import Attend
from vitdsl.layers.windows import map_to_windows

Grid = tuple[int, int]
Blocks = int | str | Sequence[int | str] | None


class AttentionMap(NamedTuple):
    """The map by which a mixer weighs its values.

    Attributes:
        path: module path of the mixer.
        weights: (B, heads, queries, keys); in windows (B, windows, heads, queries, keys). Each row weighs the values of
            the keys: it is what softmax gave, after all that the spec does to maps, and dropout while training.
        queries: what asks: its named extra tokens stand first, then its grid in raster order, or a list of `count`
            tokens. In windows it is one window; `dim` is the width.
        keys: what is asked, likewise.
        windows: those that the mixer runs in, the outermost first; empty: it runs in none.
        softmax: whether each row is a softmax and nothing else: it is positive, and its sum is 1, dropout apart.
    """

    path: str
    weights: Tensor
    queries: Feature
    keys: Feature
    windows: tuple[OpenWindows, ...]
    softmax: bool

    @property
    def query_grid(self) -> Grid | None:
        """Rows and columns of the whole grid that the queries are on, that of all windows; None: they have no grid."""
        return _whole_grid(self.windows, self.queries)

    @property
    def key_grid(self) -> Grid | None:
        """Likewise, of the keys."""
        return _whole_grid(self.windows, self.keys)

    def query_places(self) -> Tensor:
        """Where queries are on `query_grid`: int64 (windows, queries), or (queries) without windows.

        A place is row · columns + column. It is -1 for an extra token, and where windows are filled up.
        """
        return _places(self.windows, self.queries)

    def key_places(self) -> Tensor:
        """Likewise, where keys are on `key_grid`: int64 (windows, keys), or (keys)."""
        return _places(self.windows, self.keys)


class AttentionMaps(NamedTuple):
    """What `attention_maps` gives.

    Attributes:
        maps: in the order that was asked for.
        left_out: by module path, why a mixer has no map, where all were asked for.
    """

    maps: list[AttentionMap]
    left_out: dict[str, str]


def attention_maps(model: VisionModel, images: Tensor, blocks: Blocks = None) -> AttentionMaps:
    """The attention maps of a model's mixers, for some images.

    They are computed from the queries, keys, biases and masks that the model uses, by its own modules, and later layers
    see what the model's own see. The model stays as it is: its modules, weights and running statistics. It runs in the
    mode that it is in; while training, maps have the dropout that they act with.

    Args:
        model: what `build` or `fold` gave.
        images: (B, C, H, W).
        blocks: whose maps: module paths of mixers or of what holds them, or numbers that count the mixers that have a
            map, from 0, negative ones from the end. None: all of them.

    Returns:
        The maps, and what was left out: performers, mixers with a depth-wise kernel, dynamic convolutions.

    Raises:
        AttentionError: there is no such mixer, or it has no map; or what holds it was replaced or has hooks.
        ImageError: the model cannot take these images.
    """
    check_whole(model)
    model.enter(images)
    mixers = {mixer.path: mixer for mixer in find_mixers(graph_at(model, images))}
    chosen = choose(mixers.values(), blocks)
    weights = _weights(model, images, [mixer.path for mixer in chosen])
    batch = len(images)
    maps = [
        AttentionMap(
            mixer.path,
            tensor.unflatten(0, (batch, -1)) if mixer.windows else tensor,
            mixer.queries, mixer.keys, mixer.windows, mixer.softmax,
        )
        for mixer, tensor in zip(chosen, weights, strict=True)
    ]  # fmt: skip
    left_out = {path: mixer.without_map for path, mixer in mixers.items() if mixer.without_map}
    return AttentionMaps(maps, left_out if blocks is None else {})


def graph_at(model: VisionModel, images: Tensor) -> Graph:
    """The graph of a model for images of some size."""
    size = (images.shape[2], images.shape[3])
    return model.lowered if size == model.image_size else model.graph_for(size)


# ---------------------------------------------------------------- choosing


def choose(mixers: Iterable[Mixer], blocks: Blocks) -> list[Mixer]:
    """The mixers that are asked for, each once.

    Args:
        mixers: of a model.
        blocks: as `attention_maps` takes them.

    Raises:
        AttentionError: there is no such mixer, or it has no map.
    """
    known = list(mixers)
    mapped = [mixer for mixer in known if not mixer.without_map]
    if not mapped:
        raise AttentionError(
            _reasons(known) or Problem("this model has no mixer, and so no attention map", code="E607")
        )
    if blocks is None:
        return mapped
    wanted = [blocks] if isinstance(blocks, (int, str)) else blocks
    found = [mixer for each in wanted for mixer in _named(each, known, mapped)]
    if not found:
        raise AttentionError(Problem("no mixer was asked for", hint="leave `blocks` out for all of them", code="E606"))
    return list({mixer.path: mixer for mixer in found}.values())


def _named(wanted: int | str, known: list[Mixer], mapped: list[Mixer]) -> list[Mixer]:
    """The mixers that a number or a path means."""
    if not isinstance(wanted, str):
        wanted = operator.index(wanted)
        if not -len(mapped) <= wanted < len(mapped):
            count = f"{len(mapped)} mixers with" if len(mapped) > 1 else "one mixer with"
            message = f"there is no attention map {wanted}: this model has {count} a map"
            raise AttentionError(
                Problem(message, hint=f"numbers go from {-len(mapped)} to {len(mapped) - 1}", code="E606")
            )
        return [mapped[wanted]]
    below = [mixer for mixer in known if mixer.path == wanted or mixer.path.startswith(f"{wanted}.")]
    if not below:
        paths = [mixer.path for mixer in known]
        nearest = near(wanted, paths)
        hint = f"did you mean '{nearest}'?" if nearest else f"the first mixer is `{paths[0]}`, the last `{paths[-1]}`"
        raise AttentionError(Problem(f"`{wanted}` is no mixer, and holds none", hint=hint, code="E606"))
    if problems := _reasons(below):
        raise AttentionError(problems)
    return below


def _reasons(mixers: Iterable[Mixer]) -> list[Problem]:
    return [Problem(line, code="E607") for line in in_words({mixer.path: mixer.without_map for mixer in mixers})]


def in_words(reasons: Mapping[str, str]) -> list[str]:
    """Which mixers have no map, and why: a line for each reason.

    Args:
        reasons: by module path; empty for a mixer that has a map.
    """
    paths: dict[str, list[str]] = {}
    for path, why in reasons.items():
        if why:
            paths.setdefault(why, []).append(path)
    return [
        f"`{first}`{f' (and {len(more)} more)' if more else ''} has no attention map: {why}"
        for why, (first, *more) in paths.items()
    ]


# ---------------------------------------------------------------- computing


def _weights(model: VisionModel, images: Tensor, paths: Sequence[str]) -> list[Tensor]:
    """The maps of some mixers, (B·windows, heads, queries, keys) each."""
    opened = with_maps(model.lowered, paths)
    _refuse_changed(model, opened)
    forward = forward_over(model, ("attention", *paths), _write, opened, paths)
    before = dict(model.named_buffers()) if any(module.training for module in model.modules()) else {}
    put_buffers(model, {name: buffer.clone() for name, buffer in before.items()})
    try:
        return forward(model, images)
    finally:
        put_buffers(model, before)


def _write(built: Built, opened: Opened, paths: Sequence[str]) -> Forward:
    apart = {path: written for path, written in built.items() if path not in opened.repetitions}
    return write_values(apart, opened.graph, IMAGE, [opened.maps[path] for path in paths])


def _refuse_changed(model: nn.Module, opened: Opened) -> None:
    """Refuses modules that the forward of the maps passes by, where a caller changed what they do."""
    for path in (*opened.repetitions, *opened.attends):  # what holds others stands before them
        module = model.get_submodule(path)
        if not (is_repetition(module) or type(module) is Attend):
            message = f"`{path}` was replaced by `{type(module).__name__}`, whose maps are not known"
            raise AttentionError(Problem(message, code="E608"))
        if module._forward_hooks or module._forward_pre_hooks:
            raise AttentionError(
                Problem(f"`{path}` has hooks, which would not run", hint="remove them first", code="E608")
            )


# ---------------------------------------------------------------- places


def _whole_grid(windows: Sequence[OpenWindows], x: Feature) -> Grid | None:
    """The grid of all windows whose inner feature is `x`."""
    if x.grid is None:
        return None
    grid = x.grid
    for opened in reversed(windows):
        rows, columns = opened.counts
        grid = opened.grid if grid == opened.size else (rows * grid[0], columns * grid[1])
    return grid


def _places(windows: Sequence[OpenWindows], x: Feature) -> Tensor:
    """Places of the tokens of `x`, in each window, on the grid of all windows."""
    if x.grid is None:
        return torch.full((*([_count(windows)] if windows else []), x.num_tokens), -1)
    grid, places = x.grid, torch.arange(x.grid[0] * x.grid[1])[None]
    for opened in reversed(windows):
        own, grid = _cut(opened, grid)
        places = torch.where(places < 0, -1, own[:, places]).flatten(0, 1)
    extra = torch.full((len(places), len(x.tokens)), -1)
    places = torch.cat([extra, places], 1)
    return places if windows else places[0]


def _cut(opened: OpenWindows, inner: Grid) -> tuple[Tensor, Grid]:
    """Places on the grid around windows, int64 (windows, positions of a window), and that grid.

    Args:
        opened: the windows.
        inner: grid of a window, where an operator may have changed its size.
    """
    grid = _whole_grid([opened], Feature(1, inner))
    assert grid is not None
    shift = opened.shift if inner == opened.size else (0, 0)
    numbers = torch.arange(1, grid[0] * grid[1] + 1).view(1, 1, *grid)
    return map_to_windows(numbers, *grid, inner, shift, pad=True).flatten(1) - 1, grid


def _count(windows: Sequence[OpenWindows]) -> int:
    return len(_places(windows, Feature(1, windows[-1].size)))
