"""What every layer must stand, whatever it computes."""

import copy
import io

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def assert_compiles(module: nn.Module, *inputs: Tensor) -> None:
    """One graph, and the same values."""
    torch._dynamo.reset()
    with torch.no_grad():
        expected = module(*inputs)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*inputs).detach(), expected, rtol=0, atol=1e-12)


def assert_exports(module: nn.Module, *inputs: Tensor) -> None:
    """One program for batches of 1 and of 3, traced at 3, both by tracing and by reading the code."""
    batch = torch.export.Dim("batch")
    for strict in (False, True):
        torch._dynamo.reset()
        program = torch.export.export(
            module, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs) or None, strict=strict
        ).module()
        for size in (1, 3):
            cut = tuple(x[:size] for x in inputs)
            with torch.no_grad():
                torch.testing.assert_close(program(*cut), module(*cut), rtol=0, atol=1e-12)


def assert_copies(module: nn.Module, *inputs: Tensor) -> None:
    """A copy, and a saved and loaded module, compute the same, and share nothing."""
    with torch.no_grad():
        expected = module(*inputs)
        copied = copy.deepcopy(module)
        assert torch.equal(copied(*inputs), expected)
        stream = io.BytesIO()
        torch.save(module, stream)
        stream.seek(0)
        assert torch.equal(torch.load(stream, weights_only=False)(*inputs), expected)
        for parameter in copied.parameters():
            parameter.add_(1.0)
        assert torch.equal(module(*inputs), expected)


def multiply_adds(module: nn.Module, *inputs: Tensor) -> int:
    """What torch counts in one call."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module(*inputs)
    return counter.get_total_flops() // 2


def parameters(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters())


def randomize(module: nn.Module) -> nn.Module:
    """Float64, evaluation mode, and nothing at a value that hides a mistake."""
    module = module.double().eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) + 0.1)
    return module


def normal(*shape: int) -> Tensor:
    """A fixed float64 input."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
