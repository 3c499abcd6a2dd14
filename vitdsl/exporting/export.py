"""A model as a file for other programs: traced, written, compared with the model, and only then put in its place."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from vitdsl.checkpoints.files import write_weights
from vitdsl.compiler.build import build
from vitdsl.compiler.build import fold as fold_norms
from vitdsl.compiler.model import VisionModel, check_whole
from vitdsl.compiler.renewal import modes_of, set_modes
from vitdsl.errors import InputError, Problem
from vitdsl.exporting.checking import Check, compare
from vitdsl.exporting.header import IMAGES, texts_of
from vitdsl.exporting.names import OPSET, check_axes, check_installed, format_of
from vitdsl.exporting.sizes import Sizes, find_sizes
from vitdsl.resolve.files import write_whole
from vitdsl.spec import Spec, load

Tell = Callable[[str], None]


class Exported(NamedTuple):
    """What was written.

    Attributes:
        path: the file.
        format: as its ending.
        bytes: its size.
        opset: the version of ONNX's operators in it; of other formats None.
        images: axis by axis, which images it takes.
        runner: what ran it for the comparison, with its version; None: there is nothing to run.
        checks: what came of the comparison.
        seconds: how long it took.
    """

    path: Path
    format: str
    bytes: int
    opset: int | None
    images: dict[str, str | int]
    runner: str | None
    checks: list[Check]
    seconds: float


def export(
    model: VisionModel | Spec | str | Path | Mapping[str, Any],
    path: str | Path,
    format: str | None = None,
    dynamic: Collection[str] = (),
    *,
    size: int | tuple[int, int] | None = None,
    fold: bool = False,
    tell: Tell = lambda text: None,
) -> Exported:
    """Writes a model as an ONNX file, a program of `torch.export`, or weights.

    The file is compared with the model before it is put in its place: on images of the size with which it was traced,
    and where sizes are dynamic on others. A file that was there stays until then.

    Args:
        model: what `build` gave; or a spec, or what `load` takes, with new weights. A model stays as it is.
        path: the file.
        format: `onnx`, `pt2` or `safetensors`; None: as `path` ends.
        dynamic: the axes of the images that may vary: of `batch`, `height` and `width`.
        size: of the images, in place of the spec's; a model has its own.
        fold: folds batch norms into the linear maps beside them.
        tell: is told what is done next.

    Raises:
        InputError: the call is wrong, torch or ONNX cannot say what the model does, or the file does something else.
        SpecError: the spec is wrong, or has parts that are made for one size of image.
        OSError: the file cannot be written.
    """
    began, path = time.monotonic(), Path(path)
    kind = format_of(path, format)
    check_installed(kind)
    check_axes(dynamic, kind)
    known = _model(model, size, fold)
    with _evaluating(known):
        sizes = find_sizes(known, dynamic)
        texts = texts_of(known) | {IMAGES: json.dumps(sizes.described())}
        checks = WRITERS[kind](known, path, sizes, texts, tell)
    seconds = time.monotonic() - began
    opset = OPSET if kind == "onnx" else None
    runner = runner_of(kind) if checks else None
    return Exported(path, kind, path.stat().st_size, opset, sizes.described(), runner, checks, seconds)


def _model(source: Any, size: int | tuple[int, int] | None, folds: bool) -> VisionModel:
    """The model that is exported: with weights, on the CPU."""
    if not isinstance(source, nn.Module):
        model = build(source if isinstance(source, Spec) else load(source), size=size, training_outputs=False)
    else:
        model = check_whole(source)
        if size is not None:
            hint = "`model.set_input_size(…)` makes it one for another size"
            raise InputError(
                Problem(f"`size` is for specs; this model is for images of {model.image_size}", hint=hint, code="E611")
            )
    elsewhere = {tensor.device.type for tensor in model.state_dict().values()} - {"cpu"}
    if elsewhere:
        hint = "`model.cpu()` brings it to the CPU" if elsewhere != {"meta"} else "`vitdsl.load_weights` fills it"
        raise InputError(
            Problem(f"a model is exported from the CPU, but this one is on {min(elsewhere)}", hint=hint, code="E611")
        )
    return fold_norms(model) if folds and not model.folded else model


@contextmanager
def _evaluating(model: VisionModel) -> Iterator[None]:
    """Within, the model is in evaluation mode."""
    modes = modes_of(model)
    model.eval()
    try:
        yield
    finally:
        set_modes(model, modes)


# ---------------------------------------------------------------- formats


def _write_onnx(model: VisionModel, path: Path, sizes: Sizes, texts: dict[str, str], tell: Tell) -> list[Check]:
    from vitdsl.exporting.onnx_file import run_onnx, write_onnx
    from vitdsl.exporting.program import trace

    tell("traces the model")
    program = trace(model, sizes, refuses=True)
    with write_whole(path) as draft:
        tell("turns it into ONNX")
        write_onnx(program, draft, "logits" if model.num_classes else "features", texts, sizes)
        del program
        tell(f"compares it in {runner_of('onnx')}")
        return compare(model, run_onnx(draft), sizes.shapes, runner_of("onnx"))


def _write_pt2(model: VisionModel, path: Path, sizes: Sizes, texts: dict[str, str], tell: Tell) -> list[Check]:
    from vitdsl.exporting.program import read_program, trace, write_program

    tell("traces the model")
    program = trace(model, sizes)
    with write_whole(path) as draft:
        write_program(program, draft, texts)
        del program
        tell(f"compares it in {runner_of('pt2')}")
        return compare(model, read_program(draft), sizes.shapes, runner_of("pt2"))


def _write_weights(model: VisionModel, path: Path, sizes: Sizes, texts: dict[str, str], tell: Tell) -> list[Check]:
    tell("writes weights")
    write_weights(path, model.state_dict(), texts)
    return []


WRITERS = {"onnx": _write_onnx, "pt2": _write_pt2, "safetensors": _write_weights}


def runner_of(kind: str) -> str:
    """What runs a file of a format, with its version."""
    if kind == "onnx":
        import onnxruntime

        return f"ONNX Runtime {onnxruntime.__version__}"
    import torch

    return f"torch {torch.__version__}"
