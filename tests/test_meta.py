"""Shapes on the meta device are torch's own, whether an operator is met for the first time or not."""

from contextlib import ExitStack

import pytest
import torch
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import vitdsl
from tests.meta import Shapes


def run(model, x, *modes):
    """What every module gives, and how many operations are counted."""
    given = []
    hooks = [part.register_forward_hook(lambda part, args, y: given.extend(tree_leaves(y))) for part in model.modules()]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), ExitStack() as stack:
        for mode in (*modes, counter):
            stack.enter_context(mode)
        model(x)
    for hook in hooks:
        hook.remove()
    return [(y.shape, y.stride(), y.dtype) for y in given], counter.get_total_flops()


@pytest.mark.parametrize("name", ["swin_tiny", "levit_128s", "mobilenet_v2", "tnt_small", "dynamic_resnet18"])
def test_the_second_time_is_as_the_first(name):
    model, x = vitdsl.build(name, device="meta").eval(), torch.empty(1, 3, 224, 224, device="meta")
    expected = run(model, x)
    assert expected[1] > 0
    assert run(model, x, Shapes()) == expected
    assert run(model, x, Shapes()) == expected


def test_what_is_wrong_is_wrong_each_time():
    a, b = torch.empty(2, 3, device="meta"), torch.empty(2, 3, device="meta")
    for _ in range(2):
        with Shapes(), pytest.raises(RuntimeError):
            a @ b


def test_numbers_keep_their_types():
    a = torch.empty(2, dtype=torch.int64, device="meta")
    with Shapes():
        assert [(a + number).dtype for number in (1, 1.0, True, 1, 1.0)] == [
            torch.int64, torch.float32, torch.int64, torch.int64, torch.float32,
        ]  # fmt: skip


def test_views_and_writes_are_torchs():
    a = torch.empty(4, 4, device="meta")
    with Shapes():
        for _ in range(2):
            assert a.view(16)._base is a
            assert a.add_(1) is a
