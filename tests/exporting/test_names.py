"""What may be exported, and what that needs."""

import importlib.util
from pathlib import Path

import pytest

from vitdsl.errors import InputError
from vitdsl.exporting.names import ENDINGS, check_axes, check_installed, format_of


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_format_is_said_or_told_by_the_ending(kind):
    path = Path(f"a/model.{kind}")
    assert format_of(path, None) == format_of(path, kind) == kind


@pytest.mark.parametrize(("name", "format", "said"), [
    ("a.pth", None, "'a.pth' does not say what to write [E610]\n  hint: files end in .onnx, .pt2, .safetensors"),
    ("a", None, "'a' does not say what to write"),
    ("a.onnx", "pt2", "'a.onnx' does not end in .pt2 [E610]\n  hint: the format is pt2"),
    ("a.pth", "torch", "'torch' is no format"),
])  # fmt: skip
def test_a_name_that_says_another_format(name, format, said):
    with pytest.raises(InputError) as error:
        format_of(Path(name), format)
    assert said in str(error.value)


@pytest.mark.parametrize(("axes", "kind", "said"), [
    (["batch", "depth"], "onnx", "'depth' cannot be dynamic [E612]\n  hint: known: batch, height, width"),
    (["heigt"], "pt2", "did you mean 'height'?"),
    (["batch"], "safetensors", "weights have no axes"),
])  # fmt: skip
def test_an_axis_that_cannot_be_dynamic(axes, kind, said):
    with pytest.raises(InputError) as error:
        check_axes(axes, kind)
    assert said in str(error.value)


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("onnxr") else True)
    check_installed("pt2")
    with pytest.raises(InputError, match="needs onnxruntime \\[E601\\]\n  hint: pip install 'vitdsl\\[export\\]'"):
        check_installed("onnx")
