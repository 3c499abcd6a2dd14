"""Generated code runs as if it stood in a file: tracebacks, sources, blocks that are replaced, deleted, added."""

from __future__ import annotations

import copy
import gc
import inspect
import linecache
import pickle
import traceback
from typing import Any

import pytest
import torch
from torch import nn

import vitdsl
from tests.compiler.small import photos, small
from vitdsl.compiler import module
from vitdsl.compiler.containers import Body
from vitdsl.compiler.module import is_repetition


class Broken(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("broken")


@pytest.mark.parametrize(("path", "line"), [
    ("stages.0.block.1.0.mixer.attend", "self[0].mixer.attend(q, k, v)"),
    ("stages.0.tokenizer.0.conv", "self.stages[0].tokenizer[0].conv(image)"),
])  # fmt: skip
def test_a_traceback_shows_the_line(path: str, line: str) -> None:
    model = small("deit_tiny_distilled")
    model.set_submodule(path, Broken())
    with pytest.raises(TypeError if "attend" in path else RuntimeError) as error:
        model(photos(model))
    shown = traceback.extract_tb(error.value.__traceback__)
    ours = [frame for frame in shown if frame.filename.startswith("<vitdsl deit_tiny_distilled")]
    assert ours
    assert line in (ours[-1].line or "")
    assert all(frame.line for frame in ours)


def test_the_source_of_a_block_is_its_text() -> None:
    """Python finds the source of a function by its file; that of a class it looks for in a module."""
    model = small("cvt13")
    blocks = [block for path, block in model.named_modules() if path and is_repetition(block)]
    assert blocks
    for block in blocks:
        source = inspect.getsource(type(block).forward)
        assert source in type(block).code
        assert source.lstrip().startswith("def forward(self")


def test_lines_stay_when_caches_are_checked() -> None:
    model = small("deit_tiny_distilled")
    linecache.checkcache()
    assert inspect.getsource(type(model.stages[0].block[0]).forward)


def test_lines_go_with_what_they_define() -> None:
    """A search builds thousands of models, and keeps few of them."""

    def shown() -> set[str]:
        gc.collect()
        return {file for file in linecache.cache if file.startswith("<vitdsl")}

    before = shown()
    for heads in range(1, module.RECENT + 8):
        stage = {"depth": 1, "block": [{"mixer": {"type": "global", "heads": heads, "head_dim": 1}}]}
        vitdsl.build({"input": {"size": 4}, "classes": 2, "stages": [stage], "head": {"pool": "mean"}}, "meta")
    assert len(shown() - before) <= module.RECENT


def test_equal_texts_are_run_once() -> None:
    first, second = (vitdsl.build("deit_tiny", "meta") for _ in range(2))
    assert type(first.stages[0].block[0]) is type(second.stages[0].block[0])
    assert len(module._compiled) <= module.RECENT


# ---------------------------------------------------------------- blocks as a list


def test_blocks_are_a_list() -> None:
    model = small("deit_tiny_distilled")
    blocks = model.stages[0].block
    assert [*blocks] == [blocks[0], blocks[1]] == [*blocks.children()]
    assert blocks[0:1] == [blocks[0]]
    assert blocks["0"] is blocks[0]
    assert blocks[-1] is blocks[len(blocks) - 1] is model.stages[-1].block[1]
    assert all(isinstance(block, Body) for block in blocks)


def run_by_hand(model: Any, image: torch.Tensor, change: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """What a model gives before and after its blocks are changed."""
    with torch.no_grad():
        before = model(image)
        change(model.stages[0].block)
        return before, model(image)


def test_a_block_may_be_left_out() -> None:
    """A model without its last block is that of the smaller depth."""
    deep = small("deit_tiny_distilled")
    shallow = vitdsl.build(vitdsl.load(deep.spec, {"stages[0].depth": 1})).eval()
    image = photos(deep)

    before, after = run_by_hand(deep, image, lambda blocks: delattr(blocks, "1"))
    shallow.load_state_dict(deep.state_dict())
    with torch.no_grad():
        assert torch.equal(after, shallow(image))
    assert not torch.equal(before, after)


def test_a_block_may_be_added() -> None:
    """With a block more, a model is that of the larger depth."""
    model = small("deit_tiny_distilled")
    deeper = vitdsl.build(vitdsl.load(model.spec, {"stages[0].depth": 3})).eval()
    image = photos(model)
    before, after = run_by_hand(
        model, image, lambda blocks: blocks.add_module("2", copy.deepcopy(deeper.stages[0].block[2]))
    )
    deeper.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(after, deeper(image))
    assert not torch.equal(before, after)


@pytest.mark.parametrize("name", ["deit_tiny_distilled", "cvt13"])
def test_a_block_may_be_replaced(name: str) -> None:
    """By one that does nothing, as by index and by path."""

    class Same(nn.Module):
        def forward(self, x: torch.Tensor, *sizes: int) -> torch.Tensor:
            return x

    model, other, image = small(name), small(name), photos(small(name))
    path = next(path for path, block in model.named_modules() if is_repetition(block) and path)
    model.set_submodule(path, Same())
    parent, _, number = path.rpartition(".")
    setattr(other.get_submodule(parent), number, Same())
    with torch.no_grad():
        assert torch.equal(model(image), other(image))
        assert not torch.equal(model(image), small(name)(image))


def test_a_changed_model_is_copied_and_refused_by_pickle() -> None:
    model = small("deit_tiny_distilled")
    model.stages[0].block.add_module("2", copy.deepcopy(model.stages[0].block[1]))
    copied = copy.deepcopy(model)
    with torch.no_grad():
        assert torch.equal(copied(photos(model)), model(photos(model)))
    with pytest.raises(pickle.PicklingError, match=r"stages\.0\.block\.2"):
        pickle.dumps(model)


@pytest.mark.parametrize("name", ["deit_tiny_distilled", "swin_tiny"])
def test_a_changed_model_compiles_and_exports(name: str) -> None:
    """In one graph, with the block that was put in twice."""
    torch.compiler.reset()
    model = small(name)
    blocks = model.stages[-1].block
    blocks.add_module(str(len(blocks)), copy.deepcopy(blocks[-1]))
    model, image = model.double(), photos(model).double()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    program = torch.export.export(model, (image,)).module()
    with torch.no_grad():
        expected = model(image)
        assert (compiled(image) - expected).abs().max() <= 1e-9
        assert (program(image) - expected).abs().max() <= 1e-9
    torch.compiler.reset()
