"""Weights on disk: safetensors, or pickles that torch is willing to read as weights only."""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from vitdsl.checkpoints.state import grids_of, state_in, with_grids
from vitdsl.errors import CheckpointError, first_line
from vitdsl.resolve.files import write_whole

if TYPE_CHECKING:
    from torch import Tensor

GRIDS_TEXT = "vitdsl.grids"
"""The text in the header of a safetensors file that holds the grid of each table, as JSON."""


class Weights(NamedTuple):
    """What a file holds.

    Attributes:
        tensors: the state dict, on the CPU, with the grids of its tables (`grids_of`) as far as the file says them.
        container: where in the file the state dict is, keys joined by dots; None: it is the file.
    """

    tensors: Mapping[str, Tensor]
    container: str | None = None


def read_weights(path: str | Path, *, container: str | None = None) -> Weights:
    """The state dict in a file.

    What kind of file it is, its first bytes say: safetensors, or what `torch.save` writes. The latter is read with
    `weights_only=True`, and never otherwise.

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
        raise CheckpointError(
            f"{path}: this is neither a safetensors file nor one of `torch.save`: {found}.", code="E701"
        )
    state, where = state_in(values, container, str(path))
    return Weights(with_grids({key: value.detach() for key, value in state.items()}, grids_of(state)), where)


def write_weights(path: str | Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a state dict as safetensors; the file appears whole or not at all.

    The grids of its tables are written as well, as far as the state dict says them; that of a model says them all.

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
        raise CheckpointError(f"{path.name}: weights are written as `.safetensors`; found `{found}`.", code="E610")
    grids = grids_of(state)
    texts = {"format": "pt", **({GRIDS_TEXT: json.dumps(grids)} if grids else {}), **(metadata or {})}
    with write_whole(path) as draft:
        mode = draft.stat().st_mode  # safetensors lets nobody else read what it writes
        try:
            safetensors.torch.save_file(_separate(state), draft, metadata=texts)
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


def _read_safetensors(path: Path) -> OrderedDict[str, Tensor]:
    import safetensors.torch

    try:
        tensors = safetensors.torch.load_file(path)
        return with_grids(tensors, json.loads(read_metadata(path).get(GRIDS_TEXT, "{}")))
    except CheckpointError:
        raise
    except Exception as error:  # the bytes may be anything, and what is raised then is stated nowhere
        raise _damaged(path, "safetensors", error) from error


def _read_pickle(path: Path) -> Any:
    import torch

    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kinds of content that are refused, or of no interest here
        try:
            check_sums(file)
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # the bytes may be anything, and what unpickling raises then is stated nowhere
            found = re.search(r"GLOBAL ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
            if found is None:
                raise _damaged(path, "torch", error) from error
            raise CheckpointError(
                f"{path}: refused, because it holds a Python object (`{found[1]}`) beside tensors, and reading it may "
                "run code. If you trust its author, read it with `torch.load(…, weights_only=False)` and save its "
                "state dict alone.",
                code="E702",
            ) from error


def check_sums(file: BinaryIO) -> None:
    """Compares what is in a zip file of torch with its check sums, which torch itself does not do for tensors.

    Raises:
        BadZipFile: something is not as it was written.
    """
    if zipfile.is_zipfile(file):  # else of the format before, or cut off
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.CRC:  # torch can be told to leave them out
                    with archive.open(info) as part:
                        while part.read(1 << 20):
                            pass
    file.seek(0)


def _damaged(path: Path, kind: str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path}: this {kind} file is damaged, or not whole: {first_line(error).rstrip('.')}.", code="E701"
    )


def _separate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, each with memory of its own: sections and views share theirs, which safetensors refuses."""
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
