"""What is measured on a device: images to run on, and how much memory lives at once."""

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


def on_device(name: str) -> str:
    """The name of a device that is there.

    Raises:
        SpecError: torch knows no such device, or this machine has none.
    """
    try:
        kind = torch.device(name)
    except RuntimeError:
        raise SpecError(Problem(f"`{name}` is no device", hint="cpu, cuda, cuda:1")) from None
    count = torch.cuda.device_count()
    if kind.type not in ("cpu", "cuda") or (kind.type == "cuda" and (kind.index or 0) >= count):
        raise SpecError(Problem(f"this machine has no `{name}`, but {count} CUDA devices and the CPU", hint="cpu"))
    return name


def images_for(candidate: Candidate, batch: int, device: str) -> Tensor:
    """Normal noise (batch, C, H, W) of the size that a candidate is made for, the same for the same seed."""
    given = candidate.spec.model.input
    generator = torch.Generator().manual_seed(candidate.seed)
    return torch.randn(batch, given.channels, *given.size, generator=generator).to(device)


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that live at once: those that it was told of, and all that operators make within.

    It sees storages as torch's dispatcher hands them out. What a kernel takes and gives back within one operator (the
    unfolded image of a convolution, say) it does not see.

    Attributes:
        now: bytes that live.
        peak: the most that did.
    """

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._seen: dict[int, Any] = {}
        for tensor in known:
            self._count(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operator, and counts what it gives."""
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._seen:
            return
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        self._seen[key] = weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        del self._seen[key]
        self.now -= size


def peak_bytes(model: torch.nn.Module, images: Tensor, training: bool) -> int:
    """The most bytes at once of weights, buffers, gradients, images and what is computed from them.

    On CUDA it is the most that torch's allocator had given out on that device, less what other tensors hold; on the CPU
    see `LiveBytes`.

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
