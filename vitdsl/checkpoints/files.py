"""Weights on disk: safetensors, or pickles that torch is willing to read as weights only."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vitdsl.errors import CheckpointError
from vitdsl.resolve.files import write_whole

if TYPE_CHECKING:
    from torch import Tensor

PREFIXES = ("_orig_mod.", "module.", "model.")
"""What torch.compile, DataParallel (and averaged models) and Lightning put before every key."""
COUNTER = "n_averaged"
"""What `torch.optim.swa_utils.AveragedModel` writes beside the weights."""
MOST_LEVELS = 4


@dataclass(frozen=True)
class Weights:
    """What a file held.

    Attributes:
        tensors: the state dict, on the CPU.
        path: the file.
        container: where in the file the state dict was, keys joined by dots; None: it is the file.
    """

    tensors: dict[str, Tensor]
    path: Path
    container: str | None = None


def read_weights(path: str | Path, *, container: str | None = None) -> Weights:
    """The state dict in a file.

    What kind of file it is, is told by its first bytes: safetensors, or what `torch.save` writes. The latter is read
    with `weights_only=True`, and never otherwise.

    Args:
        path: the file.
        container: where the state dict is, if the file holds several: a key, or keys joined by dots.

    Raises:
        CheckpointError: the file is of another kind, damaged, refused, or holds no state dict.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(16)
    if start[8:9] == b"{":
        values = _read_safetensors(path)
    elif start[:2] in (b"PK", b"\x80\x02"):
        values = _read_pickle(path)
    else:
        found = f"it begins with {start!r}" if start else "it is empty"
        raise CheckpointError(f"{path}: this is neither a safetensors file nor one of `torch.save`: {found}.")
    tensors, where = state_in(values, container, str(path))
    return Weights({key: value.detach() for key, value in tensors.items()}, path, where)


def state_in(values: Any, container: str | None, name: str) -> tuple[dict[str, Tensor], str | None]:
    """The one state dict in what a file holds, and where it was.

    Args:
        values: a state dict, or mappings that hold one beside other things.
        container: where it is, if there are several.
        name: what messages call the whole.

    Raises:
        CheckpointError: there is none, or several; or it is none.
    """
    where = container
    if container is not None:
        values = _at(values, container, name)
    elif isinstance(values, Mapping) and not all(map(_is_tensor, values.values())):
        found = dict(_state_dicts(values, (), set()))
        if len(found) > 1:
            names = " and ".join(f"`{key}` ({len(state)} tensors)" for key, state in found.items())
            raise CheckpointError(
                f"{name}: it holds {names}, which may differ; say which with `container`, or `--container`."
            )
        if found:
            [(where, values)] = found.items()
        elif not any(map(_is_tensor, values.values())):
            raise CheckpointError(f"{name}: there is no state dict in it; found {_some(values)}.")
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{name}: expected a state dict, found {type(values).__name__}.")
    others = {key: value for key, value in values.items() if not _is_tensor(value)}
    if others or not values:
        held = f"found {_some(others)}, which hold none" if others else "found none"
        raise CheckpointError(f"{name}: a state dict holds tensors alone; {held}.")
    strange = [str(key) for key, value in values.items() if value.is_meta or value.is_sparse or value.is_quantized]
    if strange:
        raise CheckpointError(f"{name}: `{strange[0]}` is a meta, sparse or quantized tensor: it has no plain numbers.")
    return {str(key): value for key, value in values.items()}, where


def without_prefixes(keys: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """A state dict as it is, then without each prefix that wrappers of models put before all of its keys."""
    state = dict(keys)
    while state:
        yield state
        rest = [key for key in state if key != COUNTER]
        prefix = next((each for each in PREFIXES if rest and all(key.startswith(each) for key in rest)), None)
        state = {key.removeprefix(prefix): state[key] for key in rest} if prefix else {}


def write_weights(path: str | Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a state dict as safetensors; the file appears whole or not at all.

    Args:
        path: the file, which is replaced if it is there.
        state: tensors by key.
        metadata: texts that stand in the file's header (`read_metadata`).

    Raises:
        CheckpointError: where the name does not end in `.safetensors`.
        OSError: the file cannot be written; what was there is as it was.
    """
    import safetensors
    import safetensors.torch

    path = Path(path)
    if path.suffix != ".safetensors":
        found = path.suffix or "no ending"
        raise CheckpointError(f"{path.name}: weights are written as `.safetensors`; found `{found}`.")
    with write_whole(path) as draft:
        mode = draft.stat().st_mode  # safetensors lets nobody else read what it writes
        try:
            safetensors.torch.save_file(_owned(state), draft, metadata={"format": "pt", **(metadata or {})})
        except safetensors.SafetensorError as error:  # also where the disk is full
            raise OSError(None, str(error), str(path)) from None
        draft.chmod(mode)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts in the header of a safetensors file.

    Raises:
        CheckpointError: the file is damaged.
    """
    import safetensors

    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except safetensors.SafetensorError as error:
        raise _damaged(Path(path), "safetensors", error) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors.torch

    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # the bytes may be anything, and what is raised then is stated nowhere
        raise _damaged(path, "safetensors", error) from error


def _read_pickle(path: Path) -> Any:
    import torch

    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kinds of content that are refused, or of no interest here
        try:
            _check_sums(file)
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # the bytes may be anything, and what unpickling raises then is stated nowhere
            found = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
            if found is None:
                raise _damaged(path, "torch", error) from error
            raise CheckpointError(
                f"{path}: refused, because it holds a Python object (`{found[1]}`) beside tensors, and reading it may "
                "run code. If you trust its author, read it with `torch.load(…, weights_only=False)` and save its "
                "state dict alone."
            ) from error


def _check_sums(file: BinaryIO) -> None:
    """Compares what is in a zip file of torch with its check sums, which torch itself does not do for tensors."""
    if zipfile.is_zipfile(file):  # else of the format before, or cut off
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.CRC:  # torch can be told to leave them out
                    with archive.open(info) as part:
                        while part.read(1 << 20):
                            pass
    file.seek(0)


def _damaged(path: Path, kind: str, error: Exception) -> CheckpointError:
    said = str(error).strip() or type(error).__name__
    return CheckpointError(f"{path}: this {kind} file is damaged, or not whole: {said.splitlines()[0].rstrip('.')}.")


def _at(values: Any, container: str, name: str) -> Any:
    """What a file holds under a key that a caller named: keys joined by dots, or one key that has dots in it."""
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{name}: there is no `{container}` in it; found {type(values).__name__}.")
    if container in values:
        return values[container]
    first, dot, rest = container.partition(".")
    if dot and isinstance(values.get(first), Mapping):
        return _at(values[first], rest, name)
    below = {key.removeprefix(f"{container}."): value for key, value in values.items() if _is_below(key, container)}
    if not below:
        raise CheckpointError(f"{name}: there is no `{container}` in it; found {_some(values)}.")
    return below


def _is_below(key: Any, container: str) -> bool:
    return isinstance(key, str) and key.startswith(f"{container}.")


def _state_dicts(values: Mapping[Any, Any], path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Every state dict in nested mappings, by its keys joined by dots; each mapping is looked at once.

    A state dict has texts as keys and tensors as values. Optimizers have numbers as keys.
    """
    if len(path) == MOST_LEVELS or id(values) in seen:
        return
    seen.add(id(values))
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, Mapping) or not value:
            continue
        if all(map(_is_tensor, value.values())) and all(isinstance(each, str) for each in value):
            yield ".".join((*path, key)), value
        else:
            yield from _state_dicts(value, (*path, key), seen)


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


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


def _some(values: Mapping[Any, Any]) -> str:
    names = [f"`{key}`" for key in list(values)[:5]]
    return ", ".join([*names, f"and {len(values) - 5} more"] if len(values) > 5 else names) or "nothing"
