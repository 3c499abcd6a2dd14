"""A program as an ONNX file, and ONNX Runtime."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vitdsl.errors import InputError, Problem, first_line
from vitdsl.exporting.names import OPSET
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram

    from vitdsl.exporting.sizes import Sizes

LARGEST = 2**31 - 2**20
"""Bytes of weights that one file of protobuf can hold, and some for the rest."""
IMAGES = "images"


def write_onnx(program: ExportedProgram, draft: Path, output: str, texts: dict[str, str], sizes: Sizes) -> None:
    """Writes a program as an ONNX file.

    Args:
        program: of the model.
        draft: the file.
        output: what the output is called.
        texts: the file's metadata.
        sizes: of its images.

    Raises:
        InputError: it is too large for one file, or has what ONNX does not.
    """
    import onnx_ir

    size = sum(tensor.numel() * tensor.element_size() for tensor in program.state_dict.values())
    if size > LARGEST:
        message = f"an ONNX file holds up to 2 GiB, but this model has weights of {format_measure(size, 'bytes')}"
        raise InputError(Problem(message, hint="`--format pt2` has no such bound", code="E613"))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of how torch and onnxscript call one another
        warnings.filterwarnings("ignore", category=FutureWarning)
        try:
            made: Any = torch.onnx.export(
                program, (), dynamo=True, verbose=False, opset_version=OPSET, input_names=[IMAGES],
                output_names=[output],
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            said = first_line(error.__cause__ or error)
            hint = "`--format pt2` writes a program for torch itself"
            raise InputError(
                Problem(f"torch cannot write this model as ONNX: {said}", hint=hint, code="E613")
            ) from error
    model = made.model
    model.metadata_props.update(texts | {"vitdsl.opset": str(OPSET)})
    _name_axes(model.graph, sizes)
    onnx_ir.save(model, draft)


def _name_axes(graph: Any, sizes: Sizes) -> None:
    """Calls the axes that are dynamic by what they are, in place of torch's symbols."""
    import onnx_ir

    (images,) = graph.inputs
    wanted = ("batch" if sizes.batch else None, None, *("height" if s.step else None for s in sizes.sides[:1]),
              *("width" if s.step else None for s in sizes.sides[1:]))  # fmt: skip
    names = {str(dim): name for dim, name in zip(images.shape, wanted, strict=True) if name}
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    for value in values:
        if value.shape is not None:
            value.shape = onnx_ir.Shape([names.get(str(dim), dim) for dim in value.shape])


def run_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """What runs an ONNX file in ONNX Runtime, on the CPU.

    Raises:
        InputError: ONNX Runtime does not take the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong, it raises too
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        raise _not_run(error) from error

    def run(images: Tensor) -> Tensor:
        try:
            (found,) = session.run(None, {IMAGES: images.numpy()})
        except Exception as error:
            raise _not_run(error) from error
        return torch.from_numpy(found)

    return run


def _not_run(error: Exception) -> InputError:
    hint = "`--format pt2` writes a program for torch itself; and please report it with the spec"
    return InputError(
        Problem(f"ONNX Runtime does not run this file, which was not kept: {first_line(error)}", hint=hint, code="E613")
    )
