"""Models of other packages, each tensor filled from its own key, and what they make of an image."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tests.parity import fingerprint
from tests.parity.live import Live
from vitdsl.checkpoints.files import read_weights


class Undrawn(TorchFunctionMode):
    """Within, random values are zeros: to draw them takes long, and they are overwritten."""

    DRAWS = frozenset({Tensor.normal_, Tensor.uniform_})

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0].zero_() if function in self.DRAWS else function(*args, **(kwargs or {}))


def built(live: Live) -> nn.Module:
    """The package's model, with initial values that mean nothing."""
    with Undrawn():
        return _built(live)


def _built(live: Live) -> nn.Module:
    package = import_module(live.package)
    if live.package == "timm":
        return package.create_model(live.name, **live.options)
    if live.package == "torchvision":
        return package.models.get_model(live.name, **live.options)
    if live.package == "transformers":
        kind: Any = getattr(package, live.name)
        return kind(kind.config_class(num_labels=1000, **live.options))
    module, _, name = live.name.rpartition(".")
    return getattr(import_module(f"{live.package}.{module}"), name)(**live.options)


def filled_model(live: Live) -> tuple[nn.Module, dict[str, Tensor]]:
    """It in float64 and evaluation mode, every floating tensor from its key, and its state dict: the same tensors."""
    model = built(live).double().eval()
    for path, module in model.named_modules():
        for pattern, eps in live.eps.items():
            if re.fullmatch(pattern, path):
                assert module.eps != eps, f"{path} has the authors' eps already"
                module.eps = eps  # type: ignore[assignment]
    state = model.state_dict()
    fill(state)
    return model, state


def fill(state: Mapping[str, Tensor]) -> None:
    """Every floating tensor from its own key, in place; unlike a record's, by numpy's fast generator."""
    with torch.no_grad():
        for key, tensor in state.items():
            if tensor.is_floating_point():
                values = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(tuple(tensor.shape))
                tensor.copy_(torch.from_numpy(fingerprint.moderate(key, values)))


def weights(live: Live, model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What users have of it: the state dict, or what transformers writes, whose modules are called otherwise."""
    if live.package != "transformers":
        return state
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)  # type: ignore[operator]
        return read_weights(Path(folder) / "model.safetensors").tensors


def logits(model: nn.Module, x: Tensor) -> Tensor:
    """Of a tensor, or of what transformers wraps around it."""
    with torch.no_grad():
        found = model(x)
    return found if isinstance(found, Tensor) else found.logits
