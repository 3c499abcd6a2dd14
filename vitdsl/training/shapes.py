"""What shapes tensors must have, and the error that says so."""

from __future__ import annotations

import torch
from torch import Tensor


def check_shape(name: str, tensor: Tensor, axes: str, *sizes: int | None) -> None:
    """Refuses a tensor of another shape.

    Args:
        name: what the caller calls it.
        tensor: any.
        axes: names of its axes, such as `B N K`; a number is a size too.
        sizes: one for each axis, None where any will do; without them, the number of axes is all that is asked for.

    Raises:
        ValueError: the shape is another one.
    """
    names = axes.split()
    given = zip(names, sizes or [None] * len(names), strict=True)
    wanted = {axis: int(axis) if axis.isdigit() else size for axis, size in given}
    shape = tuple(tensor.shape)
    if len(shape) == len(names) and all(
        size in (None, found) for size, found in zip(wanted.values(), shape, strict=True)
    ):
        return
    said = [axis if size is None or axis.isdigit() else f"{axis}={size}" for axis, size in wanted.items()]
    raise ValueError(f"`{name}` must be of shape ({', '.join(said)}), but is {shape}")


def check_numbers(name: str, numbers: Tensor, classes: int) -> None:
    """Refuses what are no class numbers.

    Args:
        name: what the caller calls them.
        numbers: integers.
        classes: how many there are.

    Raises:
        ValueError: a type that is no integer, or a number that is no class.
    """
    if numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool:
        raise ValueError(f"`{name}` must be class numbers, but are of type {numbers.dtype}")
    least, most = (int(value) for value in torch.aminmax(numbers)) if numbers.numel() else (0, 0)
    if least < 0 or most >= classes:
        raise ValueError(f"`{name}` must be class numbers from 0 to {classes - 1}, but are from {least} to {most}")


def check_share(name: str, value: float) -> None:
    """Refuses a number outside of 0 to 1.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be from 0 to 1, but is {value}")
