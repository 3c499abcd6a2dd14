"""What may be exported, and what that needs; without torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from vitdsl.errors import InputError, Problem, did_you_mean

INSTALL = "pip install 'vitdsl[export]'"
"""The remedy where a package that a format needs is not installed."""
ENDINGS = ("onnx", "pt2", "safetensors")
"""The formats, which are the endings of their files too."""
NEEDS = {"onnx": ("onnx", "onnxscript", "onnxruntime")}
"""The packages that a format needs beside torch."""
AXES = ("batch", "height", "width")
"""What may be dynamic."""
OPSET = 20
"""The version of ONNX's operators in files."""


def check_installed(kind: str) -> None:
    """Refuses where what a format needs is not installed."""
    missing = [name for name in NEEDS.get(kind, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(Problem(f"the format {kind} needs {', '.join(missing)}", hint=INSTALL, code="E601"))


def format_of(path: Path, format: str | None) -> str:
    """The format of a file: what is said, or its ending; one that says another is refused."""
    ending = path.suffix.removeprefix(".")
    kind = ending if format is None else format
    known = ", ".join(f".{each}" for each in ENDINGS)
    if kind not in ENDINGS:
        said = f"'{path.name}' does not say what to write" if format is None else f"'{format}' is no format"
        raise InputError(Problem(said, hint=f"files end in {known}", code="E610"))
    if ending != kind:
        raise InputError(Problem(f"'{path.name}' does not end in .{kind}", hint=f"the format is {kind}", code="E610"))
    return kind


def check_axes(dynamic: Iterable[str], kind: str) -> None:
    """Refuses what cannot be dynamic in a file of a format."""
    for axis in dynamic:
        if axis not in AXES:
            hint = did_you_mean(axis, AXES) or f"{', '.join(AXES)} can"
            raise InputError(Problem(f"'{axis}' cannot be dynamic", hint=hint, code="E612"))
        if kind == "safetensors":
            raise InputError(Problem("weights have no axes that could be dynamic", hint="leave them out", code="E612"))
