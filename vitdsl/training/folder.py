"""The folder of a training: what says which training it is, and what is kept there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vitdsl import __version__
from vitdsl.errors import Problem
from vitdsl.resolve.files import is_draft, write_text
from vitdsl.spec import Spec
from vitdsl.training.checkpoints import read_checkpoint
from vitdsl.training.errors import TrainingError
from vitdsl.training.recipe import Recipe

CHECKPOINT, IDENTITY = "last.ckpt", "run.json"
LAST, BEST, AVERAGE = "last.safetensors", "best.safetensors", "average.safetensors"
ENDS = 1 << 20
"""Bytes at each end of a file by which it is told from others."""
_TEMPORARY = re.compile(r"\.tmp\w{6}")
"""What a file of safetensors is called until it is written."""
_SAID = frozenset({"vitdsl", "spec_name"})
"""What an identity says that decides about no number."""


class Kept(NamedTuple):
    """What is left of a training.

    Attributes:
        history: what was measured, an entry for each epoch.
        checkpoint: the file from which it goes on; None: it begins.
        notes: what a user should know of it, in sentences.
    """

    history: list[dict[str, float]]
    checkpoint: Path | None
    notes: tuple[str, ...]


def identity_of(spec: Spec, recipe: Recipe, data: str) -> dict[str, Any]:
    """What decides about the numbers of a training, and what it is called."""
    found = {"vitdsl": __version__, "spec": spec.hash, "spec_name": spec.name, "data": data, "recipe": recipe.said}
    files = {at: _fingerprint(path) for at, path in recipe.files().items() if path.is_file()}
    if files:
        found["files"] = files
    return json.loads(json.dumps(found))


def _fingerprint(path: Path) -> str:
    """What tells a file from another one: its size, and a hash of its beginning and its end, as it may be huge."""
    size = path.stat().st_size
    with path.open("rb") as file:
        hashed = hashlib.sha256(file.read(ENDS))
        file.seek(max(0, size - ENDS))
        hashed.update(file.read(ENDS))
    return f"{size} bytes, {hashed.hexdigest()[:16]}"


def kept_in(folder: Path, identity: Mapping[str, Any]) -> Kept:
    """What a folder holds of this training; nothing, where the folder is new.

    Raises:
        TrainingError: it holds another training, or something else.
        CheckpointError: its checkpoint is damaged.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(
            Problem(f"{folder} is a file, and a training needs a folder", hint="name another: `-o`", code="E816")
        )
    there = [path.name for path in folder.iterdir() if not _is_left(path.name)] if folder.exists() else []
    if not there:
        return Kept([], None, ())
    before = _identity_in(folder)
    path = folder / CHECKPOINT
    if not path.is_file() and not any(name.endswith(".safetensors") for name in there):
        return Kept([], None, ())  # it stopped before anything was learned
    differences = [*_differences(before, identity)]
    if differences:
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        message = f"{folder} holds another training: {'; '.join(differences[:3])}{more}"
        raise TrainingError(Problem(message, hint="name another folder (`-o`), or remove this one", code="E816"))
    notes = ()
    if before.get("vitdsl") != __version__:
        notes = (f"this training was begun with vitdsl {before.get('vitdsl')}, and this is {__version__}",)
    if not path.is_file():
        return Kept([], None, notes)
    return Kept(read_checkpoint(path)["vitdsl"]["history"], path, notes)


def begin(folder: Path, identity: Mapping[str, Any], spec: Spec, recipe: Recipe) -> None:
    """Writes what the folder holds from the beginning, and removes what a killed process had not written wholly.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if _is_left(path.name):
            path.unlink()
    write_text(folder / IDENTITY, json.dumps(identity, indent=2) + "\n")  # first: it says whose folder it is
    write_text(folder / "spec.yaml", spec.dump())
    write_text(folder / "recipe.yaml", recipe.dump())


def _is_left(name: str) -> bool:
    """Whether a file is one that a killed process had not written wholly."""
    return is_draft(name) or _TEMPORARY.fullmatch(name) is not None


def _identity_in(folder: Path) -> dict[str, Any]:
    """Which training a folder holds."""
    path = folder / IDENTITY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        found = None
    if not isinstance(found, dict) or not found.keys() >= {"spec", "data", "recipe"}:
        what = f"{path} is damaged" if path.is_file() else f"{folder} holds something else than a training"
        raise TrainingError(Problem(what, hint="name another folder: `-o`", code="E816"))
    return found


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two identities differ, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now and path == "spec":
        yield "the spec is not that of `spec.yaml` there"
    elif before != now and path.startswith("files."):
        yield f"the file `{path.removeprefix('files.')}` is another one there"
    elif before != now and path not in _SAID:
        yield f"`{path.removeprefix('recipe.')}` is {_value(before)} there, and {_value(now)} here"


def _value(value: Any) -> str:
    return "not given" if value is None else json.dumps(value, ensure_ascii=False)
