"""A model as a program of `torch.export`, and as a `.pt2` file."""

import json
import resource
import sys

import pytest
import torch

import vitdsl
from tests.exporting.models import model_of, spec_of
from vitdsl.errors import InputError
from vitdsl.exporting.program import trace, write_program
from vitdsl.exporting.sizes import find_sizes


def test_the_file_holds_the_model(pt2, program, model):
    images = torch.rand(3, 3, 48, 80)
    assert (program(images) - model(images)).abs().max() < 1e-6
    assert [check.shape for check in pt2.checks] == [(2, 3, 32, 32), (1, 3, 32, 32), (3, 3, 48, 48)]


@pytest.mark.parametrize("shape", [(1, 3, 40, 32), (1, 3, 32, 33), (1, 1, 32, 32), (1, 3, 16, 32)])
def test_a_program_refuses_what_it_does_not_take(program, shape):
    with pytest.raises((AssertionError, RuntimeError)):
        program(torch.rand(shape))


def test_the_file_says_what_it_is(pt2, model):
    texts = dict.fromkeys(
        ("vitdsl.spec", "vitdsl.version", "torch.version", "vitdsl.images", "vitdsl.preprocessing"), ""
    )
    torch.export.load(pt2.path, extra_files=texts)
    assert vitdsl.load(texts["vitdsl.spec"]) == model.spec
    assert (texts["vitdsl.version"], texts["torch.version"]) == (vitdsl.__version__, torch.__version__)
    assert json.loads(texts["vitdsl.images"])["batch"] == "any from 1"
    assert json.loads(texts["vitdsl.preprocessing"])["crop"] == 0.9


def test_shifted_windows_and_relative_positions_have_any_batch():
    """A mask for each window beside a bias for each image's windows."""
    windows = {"windows": {"size": 2, "shift": 1}, "mixer": {"type": "global", "heads": 2, "position": "relative_2d"}}
    model = model_of(vitdsl.load({
        **spec_of(tokens=None, tokenizer={"type": "patch", "size": 8, "dim": 8}, block=[windows]).tree,
        "head": {"pool": "mean"},
    }))  # fmt: skip
    program = trace(model, find_sizes(model, ("batch",))).module()
    for count in (1, 2, 5):
        images = torch.rand(count, 3, 32, 32)
        assert (program(images) - model(images)).abs().max() < 1e-6


def test_what_torch_cannot_trace_is_said(model, monkeypatch):
    def fail(*call, **more):
        raise RuntimeError("\nConstraints violated\n  - it is odd.\n")

    monkeypatch.setattr(torch.export, "export", fail)
    with pytest.raises(
        InputError, match=f"torch {torch.__version__.partition('+')[0]}.* cannot trace this model: it is"
    ):
        trace(model, find_sizes(model, ()))
    assert not model._forward_pre_hooks


@pytest.mark.skipif(sys.platform == "win32", reason="limits files as Unix does")
def test_a_disk_that_is_full_is_an_error_and_no_crash(tmp_path):
    program = torch.export.export(torch.nn.Linear(100, 100), (torch.rand(1, 100),))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_program(program, tmp_path / "a.pt2", {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
