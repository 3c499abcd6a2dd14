"""Checkpoints of trainings: written whole or not at all, and read without running code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vitdsl.checkpoints.files import check_sums
from vitdsl.errors import CheckpointError, first_line
from vitdsl.resolve.files import write_whole


class WholeFiles(TorchCheckpointIO):
    """Lightning's files, of which a kill or a full disk leaves the old one or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes a checkpoint."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with write_whole(Path(path)) as draft:
            try:
                torch.save(checkpoint, draft)
            except RuntimeError as error:  # which torch raises where the disk is full
                raise OSError(None, f"it cannot be written: {first_line(error)}", str(path)) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of a training holds.

    Raises:
        CheckpointError: it is damaged, or of another kind.
    """
    try:
        with path.open("rb") as file:
            check_sums(file)
            found = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(found["vitdsl"]["history"], list):
            raise ValueError("no history")
        return found
    except Exception as error:  # the bytes may be anything, and torch does not say what it raises then
        hint = "remove it to begin anew; the weights beside it are whole files of their own"
        raise CheckpointError(
            f"{path}: this is no checkpoint of a training, or it is damaged: {hint}.", code="E816"
        ) from error
