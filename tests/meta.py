"""The meta device, quickly: torch infers shapes there in Python; here each operator infers the same ones once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_KNOWN: dict[Any, Any] = {}
"""What came of an operator: by the operator, and by its arguments, tensors by their shapes."""
LARGEST = 200_000
"""So many are kept."""


class Shapes(TorchDispatchMode):
    """Within it an operator that has met such tensors on the meta device gives new ones like those it gave before.

    Views and what writes into its arguments run as ever. A counter of operators that is entered after it sees them all.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.is_view or func._schema.is_mutable:
            return func(*args, **kwargs)
        key = (func, _key(args), _key(kwargs))
        known = _KNOWN.get(key)
        if known is not None:
            return _made(known)
        given = func(*args, **kwargs)
        if len(_KNOWN) < LARGEST and (known := _description(given)) is not None:
            _KNOWN[key] = known
        return given


def _key(value: Any) -> Any:
    """Equal for what an operator cannot tell apart on the meta device: numbers with their types, for 1 equals True."""
    if isinstance(value, Tensor):
        return (value.shape, value.stride(), value.storage_offset(), value.dtype, value.device)
    if isinstance(value, (list, tuple)):
        return tuple(map(_key, value))
    if isinstance(value, Mapping):
        return tuple((name, _key(entry)) for name, entry in value.items())
    return (type(value), value)


def _description(given: Any) -> Any:
    """What is needed to make it anew; None of what is not made of tensors on the meta device alone."""
    if isinstance(given, Tensor):
        return (given.shape, given.stride(), given.dtype) if given.is_meta and given.storage_offset() == 0 else None
    if isinstance(given, (list, tuple)):
        parts = [_description(entry) for entry in given]
        return None if None in parts else parts
    return None


def _made(known: Any) -> Any:
    if isinstance(known, list):
        return tuple(map(_made, known))
    size, stride, dtype = known
    return torch.empty_strided(size, stride, dtype=dtype, device="meta")
