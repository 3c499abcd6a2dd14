"""Weights on disk: safetensors, or pickles that torch is willing to read as weights only."""

from __future__ import annotations

import os
import pickle
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.checkpoints.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".pth", ".pt", ".bin", ".th")
CONTAINERS = ("model", "state_dict", "state_dict_ema", "model_ema")
PREFIX = "module."


@dataclass(frozen=True)
class Weights:
    """What a file held.

    Attributes:
        tensors: the state dict, on the CPU.
        path: the file.
        container: the key under which the state dict was, if it was under one.
        prefix: what was cut off every key, if anything.
    """

    tensors: dict[str, Tensor]
    path: Path
    container: str | None = None
    prefix: str | None = None


def read_weights(path: str | Path, *, container: str | None = None) -> Weights:
    """The state dict in a file.

    Args:
        path: `.safetensors`, or `.pth .pt .bin .th`, which are read with `weights_only=True` and never otherwise.
        container: the key under which the state dict is, where the file has several.

    Raises:
        CheckpointError: the file is of another kind, broken, refused, or holds more than tensors.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return Weights(_read_safetensors(path), path)
    if path.suffix not in PICKLES:
        endings = ", ".join((".safetensors", *PICKLES))
        raise CheckpointError(f"{path.name}: weights end in one of {endings}; found `{path.suffix or 'no ending'}`.")
    values = _read_pickle(path)
    container = container or _container(values, path)
    if container is not None:
        if not isinstance(values, Mapping) or container not in values:
            raise CheckpointError(f"{path.name}: there is no `{container}` in it; found {_some(values)}.")
        values = values[container]
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{path.name}: expected a state dict, found {type(values).__name__}.")
    prefix = PREFIX if values and all(str(key).startswith(PREFIX) for key in values) else None
    return Weights(_tensors(values, path, len(prefix or "")), path, container, prefix)


def write_weights(path: str | Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a state dict as safetensors; the file appears whole or not at all.

    Args:
        path: the file, which is replaced if it is there.
        state: tensors by key.
        metadata: texts that stand in the file's header (`read_metadata`).

    Raises:
        CheckpointError: where the name does not end in `.safetensors`.
    """
    import safetensors.torch

    path = Path(path)
    if path.suffix != ".safetensors":
        found = path.suffix or "no ending"
        raise CheckpointError(f"{path.name}: weights are written as `.safetensors`; found `{found}`.")
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        draft.touch()
        mode = draft.stat().st_mode  # safetensors lets nobody else read what it writes
        safetensors.torch.save_file(_owned(state), draft, metadata={"format": "pt", **(metadata or {})})
        draft.chmod(mode)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts in the header of a safetensors file.

    Raises:
        CheckpointError: the file is broken.
    """
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{Path(path).name}: not a whole safetensors file: {error}.") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch

    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path.name}: not a whole safetensors file: {error}.") from error


def _read_pickle(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name}: refused, because it holds Python objects beside tensors, and reading those runs code. "
            "Where you trust its author, save its state dict alone, as safetensors."
        ) from error
    except (RuntimeError, EOFError) as error:
        raise CheckpointError(f"{path.name}: not a whole torch file: {error}.") from error


def _container(values: Any, path: Path) -> str | None:
    if not isinstance(values, Mapping):
        return None
    found = [name for name in CONTAINERS if isinstance(values.get(name), Mapping)]
    if len(found) > 1:
        names = " and ".join(f"`{name}`" for name in found)
        raise CheckpointError(f"{path.name}: it holds {names}, which may differ; say which with `container`.")
    return found[0] if found else None


def _tensors(values: Mapping[str, Any], path: Path, cut: int) -> dict[str, Tensor]:
    import torch

    others = {key: value for key, value in values.items() if not isinstance(value, torch.Tensor)}
    if others or not values:
        found = f"found {_some(others)}, which hold none" if others else "found none"
        raise CheckpointError(f"{path.name}: a state dict holds tensors alone; {found}.")
    return {str(key)[cut:]: value.detach() for key, value in values.items()}


def _owned(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that own all of their memory: sections and views share theirs, which safetensors refuses."""
    owners: set[int] = set()
    result = {}
    for key, value in state.items():
        tensor = value.detach().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in owners or storage.nbytes() != tensor.numel() * tensor.element_size():
            tensor = tensor.clone()
        owners.add(tensor.untyped_storage().data_ptr())
        result[key] = tensor
    return result


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _some(values: Mapping[str, Any]) -> str:
    names = [f"`{key}`" for key in list(values)[:5]]
    return ", ".join([*names, f"and {len(values) - 5} more"] if len(values) > 5 else names) or "nothing"
