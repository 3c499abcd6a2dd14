"""Models as folders, and as repositories of the Hugging Face hub: weights, spec, and a card that says what it is."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.api import load_weights
from vitdsl.checkpoints.files import read_metadata, write_weights
from vitdsl.checkpoints.header import SPEC_TEXT, header_of
from vitdsl.checkpoints.sources import HUB_FILE, hub_library
from vitdsl.compiler.build import build_as
from vitdsl.errors import CheckpointError, Problem, SpecError, first_line
from vitdsl.exporting.card import card
from vitdsl.resolve.files import write_text
from vitdsl.spec import Spec, load
from vitdsl.syntax.source import read

if TYPE_CHECKING:
    import torch

    from vitdsl.compiler.model import BuiltModel

SPEC_FILE, CARD_FILE = "spec.yaml", "README.md"
OPTIONS_TEXT = "vitdsl.options"
"""The text in the header of the weights that holds what `build` was told beside the spec, as JSON."""
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def save_pretrained(model: BuiltModel, folder: str | Path) -> None:
    """Writes a model: `model.safetensors`, whose header holds the spec, and `spec.yaml` and `README.md` for readers.

    Args:
        model: what `build` or `fold` gave.
        folder: where they are written; it is made if it is not there.

    Raises:
        CheckpointError: the model has other tensors than its spec says, such as those of adapters.
        OSError: a file cannot be written.
    """
    options = {**model.options, "folded": model.folded}
    state = model.state_dict()
    foreign = sorted(state.keys() ^ build_as(model.spec, model.options, model.folded).state_dict().keys())
    if foreign:
        message = f"the spec `{model.spec.name}` does not say {', '.join(foreign[:3])}"
        hint = "merge what was added to the layers, or keep its `state_dict()`"
        raise CheckpointError("", [Problem(message, hint=hint, code="E617")])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = header_of(model.spec) | {OPTIONS_TEXT: json.dumps(options)}
    write_weights(folder / HUB_FILE, state, texts)
    write_text(folder / SPEC_FILE, model.spec.dump())
    write_text(folder / CARD_FILE, card(model))


def from_pretrained(
    source: str | Path,
    device: str | torch.device = "cpu",
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
) -> Any:
    """The model that `save_pretrained` wrote: a `VisionModel`, or a `Backbone`, in training mode as `build` gives it.

    Nothing of what is read is run: the spec is data, and the weights are safetensors. A folder needs no network.

    Args:
        source: a folder, or a repository of the hub, `OWNER/NAME`.
        device: where the model shall be.
        revision: of the repository: a branch, a tag or a commit.
        cache_dir: of the hub; by default its own.
        token: of the hub, for what is not public; by default that which `hf auth login` keeps.

    Raises:
        CheckpointError: there is no such model, or it is damaged, or its files contradict one another.
        SpecError: its spec is wrong.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = _fetched(str(source), revision=revision, cache_dir=cache_dir, token=token)
    path = weights_in(folder)
    spec, options = _header(path)
    beside = folder / SPEC_FILE
    if beside.is_file() and _loaded(beside.read_text(encoding="utf-8"), str(beside)) != spec:
        hint = (
            f"`vitdsl.load({SPEC_FILE!r})` builds what it says, and `load_weights` with `partial=True` takes what fits"
        )
        raise CheckpointError(
            "", [Problem(f"{beside}: this is not the spec in the header of {HUB_FILE}", hint=hint, code="E616")]
        )
    folded = options.pop("folded")
    model = build_as(spec, options, folded)
    load_weights(model, path, "ours")
    return model.to(device)


def push_to_hub(
    model: BuiltModel,
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    message: str = "A model of vitdsl",
    token: str | bool | None = None,
) -> str:
    """Writes a model into a repository of the Hugging Face hub, which is made if it is not there.

    Args:
        model: what `build` gave.
        repository: `OWNER/NAME`.
        private: whether a new repository is private.
        revision: the branch.
        message: of the commit.
        token: of the hub; by default that which `hf auth login` keeps.

    Returns:
        The address of the commit.

    Raises:
        CheckpointError: huggingface_hub is missing, or the hub refuses.
    """
    hub = hub_library(f"`{repository}` is on the Hugging Face hub")
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder)
        try:
            hub.create_repo(repository, private=private, exist_ok=True, token=token)
            done = hub.upload_folder(
                repo_id=repository, folder_path=folder, commit_message=message, revision=revision, token=token
            )
        except Exception as error:  # of the hub, or of the library that it speaks HTTP with
            raise CheckpointError(f"{repository} cannot be written: {first_line(error)}", code="E710") from None
    return str(done)


def weights_in(folder: Path) -> Path:
    """The weights in a folder that `save_pretrained` wrote.

    Raises:
        CheckpointError: there are none.
    """
    path = folder / HUB_FILE
    if not path.is_file():
        hint = "`vitdsl.save_pretrained` writes such folders; a file of weights has its own path"
        raise CheckpointError("", [Problem(f"{folder}: there is no {HUB_FILE} in this folder", hint=hint, code="E616")])
    return path


# ---------------------------------------------------------------- what is read


def _header(path: Path) -> tuple[Spec, dict[str, Any]]:
    """The spec in the header of weights, and the options of `build`."""
    texts = read_metadata(path)
    if SPEC_TEXT not in texts:
        hint = "weights of others: `vitdsl.load_weights(vitdsl.build(SPEC), FILE)`"
        raise CheckpointError(
            "", [Problem(f"{path}: no spec stands in its header, so it is not of vitdsl", hint=hint, code="E616")]
        )
    return _loaded(texts[SPEC_TEXT], f"the spec in {path}"), _options(path, texts.get(OPTIONS_TEXT, "{}"))


def _loaded(text: str, name: str) -> Spec:
    """A spec that is whole: what a stranger wrote names no other file of this machine."""
    try:
        tree = read(text, name)
        if isinstance(tree, dict) and "extends" in tree:
            hint = "`save_pretrained` writes whole specs"
            raise CheckpointError(
                "", [Problem(f"{name} extends another file, which is not in it", hint=hint, code="E616")]
            )
        return load(f"{text}\n")
    except SpecError as error:
        raise CheckpointError(f"{name} is wrong.", error.problems, code="E616") from None


def _options(path: Path, text: str) -> dict[str, Any]:
    """What `build` was told, each of its own type."""
    try:
        found = json.loads(text)
        size, features = found.get("size"), found.get("features")
        good = isinstance(found, dict) and found.keys() <= {"training_outputs", "size", "features", "folded"}
        good = good and all(isinstance(found.get(key, True), bool) for key in ("training_outputs", "folded"))
        good = good and (size is None or _all_are(size, int, 2)) and (features is None or _all_are(features, str))
    except (ValueError, AttributeError, RecursionError):
        good = False
    if not good:
        raise CheckpointError("", [Problem(f"{path}: the options of `build` in its header are not valid", code="E616")])
    return {
        "training_outputs": found.get("training_outputs", True), "folded": found.get("folded", False),
        "size": None if size is None else tuple(size), **({} if features is None else {"features": features}),
    }  # fmt: skip


def _all_are(values: object, kind: type, count: int | None = None) -> bool:
    """Whether it is a list of values of one type, and so many."""
    return isinstance(values, list) and all(type(each) is kind for each in values) and count in (None, len(values))


def _fetched(repository: str, **options: Any) -> Path:
    """The folder of a repository in the hub's cache, with what is needed of it."""
    if _REPOSITORY.fullmatch(repository) is None:
        hint = "a folder that `vitdsl.save_pretrained` wrote, or `OWNER/NAME` of the Hugging Face hub"
        raise CheckpointError("", [Problem(f"there is no folder `{repository}`", hint=hint, code="E616")])
    hub = hub_library(f"there is no folder `{repository}`, and a repository of that name is on the Hugging Face hub")
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=[HUB_FILE, SPEC_FILE], **options))
    except Exception as error:  # of the hub, of the library that it speaks HTTP with, or of its own downloader
        raise CheckpointError(
            f"{repository} cannot be had from the Hugging Face hub: {first_line(error)}", code="E710"
        ) from None
