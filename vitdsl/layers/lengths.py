"""What an export and a trace see: lengths of axes are symbols in the one, and tensors in the other."""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.jit import TracerWarning  # pyright: ignore[reportPrivateImportUsage]
from torch.jit import is_tracing as _is_tracing  # pyright: ignore[reportPrivateImportUsage]


def known_equal(first: Any, second: Any) -> bool:
    """Whether two lengths are known to be equal; a plain comparison would tie an exported program to these lengths."""
    equal = first == second
    if isinstance(equal, torch.Tensor):  # `torch.jit.trace` gives tensors, and holds for the lengths that it sees
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TracerWarning)
            return bool(equal)
    return statically_known_true(equal)


def are_known_equal(first: Iterable[Any], second: Iterable[Any]) -> bool:
    """Whether each length is known to be equal to the one in its place."""
    return all(known_equal(a, b) for a, b in zip(first, second, strict=True))


def is_tracing() -> bool:
    """Whether `torch.jit.trace` runs."""
    return _is_tracing()


def runs_as_written(x: Any) -> bool:
    """Whether a call with `x` runs as it is written: nothing compiles, exports or traces it; `x` is a plain tensor."""
    return not torch.compiler.is_compiling() and type(x) is torch.Tensor and not _is_tracing()


def length_of(length: Any) -> int:
    """A length as a number, which `torch.jit.trace` gives as a tensor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TracerWarning)
        return int(length)
