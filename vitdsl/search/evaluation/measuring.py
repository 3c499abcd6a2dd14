"""Devices, images for measurements, and the peak memory of a model."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vitdsl.errors import Problem, SpecError

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate


def check_device(name: str) -> str:
    """The name of a device, if this machine has it.

    Raises:
        SpecError: torch knows no such device, or this machine has none.
    """
    try:
        kind = torch.device(name)
    except RuntimeError:
        raise SpecError(Problem(f"`{name}` is no device", hint="cpu, cuda, cuda:1", code="E815")) from None
    count = torch.cuda.device_count()
    if kind.type not in ("cpu", "cuda") or (kind.type == "cuda" and (kind.index or 0) >= count):
        raise SpecError(
            Problem(f"this machine has no `{name}`, but {count} CUDA devices and the CPU", hint="cpu", code="E815")
        )
    return name


def images_for(candidate: Candidate, batch: int, device: str) -> Tensor:
    """Normal noise (batch, C, H, W) of a candidate's input size, the same for the same seed."""
    image = candidate.spec.model.input
    generator = torch.Generator().manual_seed(candidate.seed)
    return torch.randn(batch, image.channels, *image.size, generator=generator).to(device)


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of storages that live at the same time.

    It counts those of given tensors, and those that torch's dispatcher shows. It does not see memory that a kernel
    allocates and frees within one operator, such as the unfolded image of a convolution.

    Args:
        tensors: that exist already.

    Attributes:
        now: bytes that live now.
        peak: the largest value of `now`.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._finalizers: dict[int, Any] = {}
        for tensor in tensors:
            self._count(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operator, and counts its outputs."""
        outputs = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(outputs):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return outputs

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._finalizers:
            return
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        self._finalizers[key] = weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        del self._finalizers[key]
        self.now -= size


def peak_bytes(model: torch.nn.Module, images: Tensor, training: bool) -> int:
    """The peak bytes of weights, buffers, gradients, images and computed tensors.

    On CUDA it is the peak of torch's allocator on that device, without the memory of other tensors; on the CPU see
    `LiveBytes`.

    Args:
        model: on the device of the images.
        images: (B, C, H, W).
        training: forward and backward in training mode, else a forward in evaluation mode without gradients.
    """
    model.train(training)
    held = [*model.parameters(), *model.buffers(), images]
    if images.device.type != "cuda":
        counter = LiveBytes(held)
        with counter:
            _run(model, images, training)
        return counter.peak
    device = images.device
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    others = torch.cuda.memory_allocated(device) - sum(tensor.untyped_storage().nbytes() for tensor in held)
    _run(model, images, training)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - others


def _run(model: torch.nn.Module, images: Tensor, training: bool) -> None:
    with torch.set_grad_enabled(training):
        outputs = model(images)
        if training:
            logits = outputs.values() if isinstance(outputs, dict) else [outputs]
            torch.stack([each.sum() for each in logits]).sum().backward()
