"""A model as a program of `torch.export`, and as a `.pt2` file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.export import ExportedProgram

from vitdsl.errors import InputError, Problem
from vitdsl.exporting.checking import example

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.compiler.model import VisionModel
    from vitdsl.exporting.sizes import Sizes


def trace(model: VisionModel, sizes: Sizes, refuses: bool = False) -> ExportedProgram:
    """The program of a model.

    Args:
        model: in evaluation mode, on the CPU.
        sizes: of its images.
        refuses: writes operators into the program that fail for lengths between two that it takes. A `.pt2` file does
            without: it holds conditions of its own.

    Raises:
        InputError: torch cannot trace it.
    """
    images = example(model, sizes.shapes[0])
    model.takes_any()  # what finds this out would be traced; here it is found out before
    steps = {axis: side.step for axis, side in zip((2, 3), sizes.sides, strict=True) if side.refuses}
    hook = model.register_forward_pre_hook(partial(_cut, steps)) if refuses and steps else None
    try:
        with torch.no_grad():
            return torch.export.export(model, (images,), dynamic_shapes=(sizes.dims or None,))
    except Exception as error:  # which errors torch raises for what it cannot trace is stated nowhere
        raise _untraced(error) from error
    finally:
        if hook is not None:
            hook.remove()


def _cut(steps: Mapping[int, int], model: Any, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """Cuts images along an axis, which fails where there is a rest, and joins them again."""
    (images,) = arguments
    for axis, step in steps.items():
        images = images.unflatten(axis, (-1, step)).flatten(axis, axis + 1)
    return (images,)


def _untraced(error: Exception) -> InputError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = next((line for line in lines if line.startswith("- ")), lines[0]).removeprefix("- ")
    return InputError(Problem(
        f"torch {torch.__version__} cannot trace this model: {said}",
        hint="fewer axes in `--dynamic` ask less of it; a part of another package must run without reading values",
        code="E613",
    ))  # fmt: skip


def write_program(program: ExportedProgram, draft: Path, texts: Mapping[str, str]) -> None:
    """Writes a program as a `.pt2` file.

    Args:
        program: what is written.
        draft: the file.
        texts: extra files in it, by name.

    Raises:
        OSError: the disk is full.
    """
    buffer = io.BytesIO()  # torch, writing a file itself, ends the process where the disk is full
    torch.export.save(program, buffer, extra_files=dict(texts))
    draft.write_bytes(buffer.getbuffer())


def read_program(path: Path) -> Callable[[Tensor], Any]:
    """What runs a `.pt2` file."""
    module = torch.export.load(path).module()

    def run(images: Tensor) -> Any:
        with torch.inference_mode():
            return module(images)

    return run
