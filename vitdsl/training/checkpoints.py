"""Checkpoints of trainings: written whole or not at all, and read without running code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vitdsl.errors import CheckpointError
from vitdsl.resolve.files import write_whole


class WholeFiles(TorchCheckpointIO):
    """Lightning's files, of which a kill or a full disk leaves the old one or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes a checkpoint."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with write_whole(Path(path)) as draft:
            torch.save(checkpoint, draft)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of a training holds.

    Raises:
        CheckpointError: it is damaged, or of another kind.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found["vitdsl"]["history"], list):
            raise ValueError("no history")
        return found
    except Exception as error:  # the bytes may be anything, and torch does not say what it raises then
        hint = "remove it to begin anew; the weights beside it are whole files of their own"
        raise CheckpointError(f"{path}: this is no checkpoint of a training, or it is damaged: {hint}.") from error
