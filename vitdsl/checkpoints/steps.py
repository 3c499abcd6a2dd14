"""What a row does to tensors, one way and back: join, order, per_head, pattern, split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vitdsl.checkpoints.keys import number
from vitdsl.checkpoints.rows import GRID, Move

if TYPE_CHECKING:
    from torch import Tensor


def forward(row: Move, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Theirs to ours; raises ValueError where the sizes do not allow it."""
    x = _join(tensors, row.sections) if len(row.from_) > 1 else tensors[0]
    x = _reorder(x, row.order) if row.order else x
    x = _parts_first(x, row) if row.per_head else x
    x = _rearrange(x, row.pattern, _sizes(row)) if row.pattern else x
    return _split(x, row.sections) if len(row.to) > 1 else [x]


def backward(row: Move, tensors: Sequence[Tensor], grid: tuple[int, int] | None = None) -> list[Tensor]:
    """Ours to theirs; raises ValueError where the sizes do not allow it.

    Args:
        row: what is done, from theirs to ours.
        tensors: ours.
        grid: that ours is a table of, if it is one.
    """
    x = _join(tensors, row.sections) if len(row.to) > 1 else tensors[0]
    if row.pattern:
        theirs, ours = row.pattern.split("->")
        axes = set(re.findall(r"[a-z_]\w*", row.pattern)).intersection(GRID) - row.sizes.keys()
        sizes = {axis: size for axis, size in zip(GRID, grid or (), strict=False) if axis in axes}
        x = _rearrange(x, f"{ours} -> {theirs}", {**_sizes(row), **sizes})
    x = _heads_first(x, row) if row.per_head else x
    if row.order:
        x = _reorder(x, sorted(range(len(row.order)), key=row.order.__getitem__))
    return _split(x, row.sections) if len(row.from_) > 1 else [x]


def _sizes(row: Move) -> dict[str, int]:
    return {axis: number(size, row.known) for axis, size in row.sizes.items()}


def _lengths(total: int, parts: Sequence[int]) -> list[int]:
    unit, rest = divmod(total, sum(parts))
    if rest:
        raise ValueError(f"{total} rows cannot be parted as {':'.join(map(str, parts))}")
    return [unit * part for part in parts]


def _join(tensors: Sequence[Tensor], parts: Sequence[int]) -> Tensor:
    import torch

    rows = [len(tensor) if tensor.ndim else 0 for tensor in tensors]
    if 0 in rows or rows != _lengths(sum(rows), parts):
        raise ValueError(f"sections of {_and(rows)} rows are not as {':'.join(map(str, parts))}")
    if len({(tensor.shape[1:], tensor.dtype) for tensor in tensors}) > 1:
        found = _and([f"{list(tensor.shape)} {tensor.dtype}" for tensor in tensors])
        raise ValueError(f"the sections differ in more than their first size: {found}")
    return torch.cat(list(tensors))


def _split(x: Tensor, parts: Sequence[int]) -> list[Tensor]:
    return list(x.split(_lengths(_rows(x), parts)))


def _reorder(x: Tensor, order: Sequence[int]) -> Tensor:
    import torch

    sections = x.split(_lengths(_rows(x), (1,) * len(order)))
    return torch.cat([sections[index] for index in order])


def _head_widths(rows: int, row: Move) -> tuple[int, list[int]]:
    """How many heads, and the widths of the parts in each."""
    assert row.per_head is not None
    parts = [number(part, row.known) for part in row.per_head.parts]
    if row.per_head.heads is None:
        heads, rest = divmod(rows, sum(parts))
        if rest:
            raise ValueError(f"{rows} rows are not heads of {sum(parts)}")
        return heads, parts
    heads = number(row.per_head.heads, row.known)
    if rows % heads:
        raise ValueError(f"{rows} rows are not {heads} heads")
    return heads, _lengths(rows // heads, parts)


def _parts_first(x: Tensor, row: Move) -> Tensor:
    import torch

    heads, widths = _head_widths(_rows(x), row)
    parts = x.reshape(heads, sum(widths), *x.shape[1:]).split(widths, dim=1)
    return torch.cat([part.reshape(-1, *x.shape[1:]) for part in parts])


def _heads_first(x: Tensor, row: Move) -> Tensor:
    import torch

    heads, widths = _head_widths(_rows(x), row)
    parts = x.split([heads * width for width in widths])
    shaped = [part.reshape(heads, width, *x.shape[1:]) for part, width in zip(parts, widths, strict=True)]
    return torch.cat(shaped, dim=1).reshape(x.shape)


def _rearrange(x: Tensor, pattern: str, sizes: Mapping[str, int]) -> Tensor:
    from einops import EinopsError, rearrange

    try:
        return rearrange(x, pattern, **sizes)
    except EinopsError as error:
        reason = str(error).strip().splitlines()[-1].strip(" .")
        raise ValueError(f"`{pattern.strip()}` does not fit the shape {list(x.shape)}: {reason}") from error


def _rows(x: Tensor) -> int:
    if x.ndim == 0:
        raise ValueError("a scalar has no rows to part")
    return len(x)


def _and(values: Sequence[object]) -> str:
    return " and ".join(map(str, values))
