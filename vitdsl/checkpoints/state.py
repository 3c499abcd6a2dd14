"""State dicts: where a file holds one, what wrappers put before its keys, and the grids of its tables.

The grids stand where torch keeps what belongs to a state dict beside its tensors, in `_metadata`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vitdsl.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.layers.tables import Grid

    Grids = Mapping[str, Grid]

PREFIXES = ("_orig_mod.", "module.", "model.")
"""What torch.compile, DataParallel (and averaged models) and Lightning put before every key."""
COUNTER = "n_averaged"
"""What `torch.optim.swa_utils.AveragedModel` writes beside the weights."""
MOST_LEVELS = 4


def grids_of(state: Any, name: str = "the weights given") -> dict[str, Grid]:
    """The grid of each table in a state dict, by key, as far as its metadata says it.

    Args:
        state: the state dict.
        name: what messages call it.

    Raises:
        CheckpointError: what stands there is no grid.
    """
    from vitdsl.layers.tables import GRIDS

    grids: dict[str, Grid] = {}
    for path, entry in _items(getattr(state, "_metadata", None)):
        for leaf, grid in _items(entry.get(GRIDS) if isinstance(entry, Mapping) else None):
            key = f"{path}.{leaf}" if path else str(leaf)
            lengths = tuple(grid) if isinstance(grid, Sequence) else ()
            if not 1 <= len(lengths) <= 2 or not all(type(length) is int and length > 0 for length in lengths):
                raise CheckpointError(
                    f"{name}: the grid of `{key}` must be one or two lengths, found {grid!r:.60}.", code="E705"
                )
            grids[key] = lengths
    return grids


def _items(values: Any) -> Iterator[tuple[Any, Any]]:
    yield from values.items() if isinstance(values, Mapping) else ()


def with_grids(tensors: Mapping[str, Tensor], grids: Grids) -> OrderedDict[str, Tensor]:
    """A state dict of these tensors that says the grids of its tables."""
    from vitdsl.layers.tables import GRIDS

    metadata: dict[str, Any] = {}
    for key, grid in grids.items():
        path, _, name = key.rpartition(".")
        if key in tensors:
            metadata.setdefault(path, {GRIDS: {}})[GRIDS][name] = tuple(grid)
    state: Any = OrderedDict(tensors)
    state._metadata = metadata
    return state


def state_in(values: Any, container: str | None, name: str) -> tuple[dict[str, Tensor], str | None]:
    """The one state dict in what a file holds, and where it was.

    Args:
        values: a state dict, or mappings that hold one beside other things.
        container: where it is, if there are several.
        name: what messages call the whole.

    Raises:
        CheckpointError: there is none, or several; or it is none.
    """
    where = container
    if container is not None:
        values = _at(values, container, name)
    elif isinstance(values, Mapping) and not all(map(_is_tensor, values.values())):
        found = dict(_state_dicts(values, (), set()))
        if len(found) > 1:
            names = " and ".join(f"`{key}` ({len(state)} tensors)" for key, state in found.items())
            raise CheckpointError(
                f"{name}: it holds {names}, which may differ; say which with `container`, or `--container`.",
                code="E704",
            )
        if found:
            [(where, values)] = found.items()
        elif not any(map(_is_tensor, values.values())):
            raise CheckpointError(f"{name}: there is no state dict in it; found {_some(values)}.", code="E703")
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{name}: expected a state dict, found {type(values).__name__}.", code="E703")
    others = {key: value for key, value in values.items() if not _is_tensor(value)}
    if others or not values:
        what = f"found {_some(others)}, which hold none" if others else "found none"
        raise CheckpointError(f"{name}: a state dict holds tensors alone; {what}.", code="E703")
    strange = [str(key) for key, value in values.items() if value.is_meta or value.is_sparse or value.is_quantized]
    if strange:
        raise CheckpointError(
            f"{name}: `{strange[0]}` is a meta, sparse or quantized tensor: it has no plain numbers.", code="E703"
        )
    return with_grids({str(key): value for key, value in values.items()}, grids_of(values, name)), where


def without_prefixes(state: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """A state dict as it is, then without each prefix that wrappers of models put before all of its keys."""
    while state:
        yield state
        keys = [key for key in state if key != COUNTER]
        prefix = next((each for each in PREFIXES if keys and all(key.startswith(each) for key in keys)), None)
        state = _below(state, prefix) if prefix else {}


def _below(state: Mapping[Any, Any], prefix: str) -> OrderedDict[str, Any]:
    """The entries whose keys begin with a prefix, without it."""

    def below(values: Mapping[Any, Any]) -> dict[str, Any]:
        return {key.removeprefix(prefix): value for key, value in values.items() if str(key).startswith(prefix)}

    return with_grids(below(state), below(grids_of(state)))


def _at(values: Any, container: str, name: str) -> Any:
    """What a file holds under a key that a caller named: keys joined by dots, or one key that has dots in it."""
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{name}: there is no `{container}` in it; found {type(values).__name__}.", code="E703")
    if container in values:
        return values[container]
    first, dot, rest = container.partition(".")
    if dot and isinstance(values.get(first), Mapping):
        return _at(values[first], rest, name)
    below = _below(values, f"{container}.")
    if not below:
        raise CheckpointError(f"{name}: there is no `{container}` in it; found {_some(values)}.", code="E703")
    return below


def _state_dicts(values: Mapping[Any, Any], path: tuple[str, ...], visited: set[int]) -> Iterator[tuple[str, Any]]:
    """Every state dict in nested mappings, by its keys joined by dots; each mapping is visited once.

    A state dict has texts as keys and tensors as values. Optimizers have numbers as keys.
    """
    if len(path) == MOST_LEVELS or id(values) in visited:
        return
    visited.add(id(values))
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, Mapping) or not value:
            continue
        if all(map(_is_tensor, value.values())) and all(isinstance(each, str) for each in value):
            yield ".".join((*path, key)), value
        else:
            yield from _state_dicts(value, (*path, key), visited)


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _some(values: Mapping[Any, Any]) -> str:
    names = [f"`{key}`" for key in list(values)[:5]]
    return ", ".join([*names, f"and {len(values) - 5} more"] if len(values) > 5 else names) or "nothing"
