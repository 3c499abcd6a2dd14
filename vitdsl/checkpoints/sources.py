"""Where published weights come from, and how they get here: into the usual caches, whole, and verified."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from vitdsl.checkpoints.rows import Closed
from vitdsl.checkpoints.tables import SOURCES, read_values, shipped_folder, validated
from vitdsl.errors import CheckpointError, first_line
from vitdsl.resolve.files import write_whole

LAYOUTS = ("official", "timm", "torchvision", "huggingface")
"""What `--weights` may name in place of a file."""
UNVERIFIED = "unverified"
HUB_FILE = "model.safetensors"
CHUNK, TIMEOUT = 1 << 20, 30
PREDICT = "pip install 'vitdsl[predict]'"


class WeightsSource(Closed):
    """Where the weights of one spec are, in one layout.

    Attributes:
        spec: a shipped one.
        layout: whose names they have.
        url: of a file.
        hub: a repository on the Hugging Face hub.
        sha256: of the file, or its beginning; `unverified` where nobody states it.
        licence: of the weights, as stated.
        stated: who says all this.
    """

    spec: str
    layout: str
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    sha256: Annotated[str, Field(pattern=r"^(unverified|[0-9a-f]{8,64})$")] = UNVERIFIED
    licence: str
    stated: str

    @model_validator(mode="after")
    def _check(self) -> WeightsSource:
        if (self.url is None) == (self.hub is None):
            raise ValueError("a source has either `url` or `hub`")
        return self


class LocalFile(NamedTuple):
    """A file that is here, and what was done for it."""

    path: Path
    said: str


class _Sources(Closed):
    sources: tuple[WeightsSource, ...]


@cache
def sources(path: Path | None = None) -> tuple[WeightsSource, ...]:
    """All sources in a file; default, those that are shipped.

    Raises:
        CheckpointError: the file is wrong, with everything at its place.
    """
    values = read_values(path or shipped_folder() / SOURCES)
    return validated(_Sources, values, values).sources


def source_of(spec: str, layout: str, among: Iterable[WeightsSource] | None = None) -> WeightsSource:
    """The source of a spec's weights in a layout.

    Raises:
        CheckpointError: there is none; says which there are.
    """
    known = [source for source in (sources() if among is None else among) if source.spec == spec]
    for source in known:
        if source.layout == layout:
            return source
    there = ", ".join(f"`{source.layout}`" for source in known)
    others = f"Weights are known as {there}." if there else "No weights are known for it."
    raise CheckpointError(
        f"Nobody states where the `{layout}` weights of `{spec}` are. {others} A file may be named.", code="E709"
    )


def fetch(source: WeightsSource, folder: Path | None = None) -> LocalFile:
    """The file of a source, downloaded unless it is here already, and verified.

    Args:
        source: where it is.
        folder: of the cache; default, that of torch.hub or of huggingface_hub.

    Raises:
        CheckpointError: it cannot be had, or is not what it should be; nothing is left of it then.
    """
    if source.hub is not None:
        return _from_hub(source, folder)
    assert source.url is not None
    path = (folder or _cache()) / source.url.rsplit("/", 1)[-1]
    if path.is_file():
        said = _compare(
            source,
            path,
            f"{path} was there before and is left as it is; move it away, and the file is downloaded anew.",
        )
        return LocalFile(path, f"already here: {path}; {said}; licence: {source.licence}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as draft:
        with draft.open("wb") as file:
            for block in _download(source.url):
                file.write(block)
        size = draft.stat().st_size / 1e6
        said = _compare(source, draft, "Nothing of it was kept.")
    return LocalFile(path, f"downloaded {source.url} ({size:.1f} MB) to {path}; {said}; licence: {source.licence}")


def _cache() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _download(url: str) -> Iterator[bytes]:
    """All of what is at `url`, in blocks.

    Not by `torch.hub.download_url_to_file`: that waits for ever where a server falls silent, and takes what was cut off
    for whole.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "vitdsl"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            length, done = answer.headers.get("Content-Length", ""), 0
            if answer.headers.get_content_type() == "text/html":
                raise CheckpointError(f"{url} cannot be had: the server answers with a page of HTML.", code="E710")
            while block := answer.read(CHUNK):
                done += len(block)
                yield block
    except urllib.error.HTTPError as error:
        error.close()
        said = f"the server says {error.code} {' '.join(str(error.reason).split())}"
        raise CheckpointError(f"{url} cannot be had: {said}.", code="E710") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise CheckpointError(f"{url} cannot be had: {reason or type(error).__name__}.", code="E710") from None
    if length.isdecimal() and done != int(length):
        raise CheckpointError(
            f"{url} came in part: {done:,} of {int(length):,} bytes. Nothing of it was kept.", code="E710"
        )


def _compare(source: WeightsSource, path: Path, left: str) -> str:
    """What the file's hash says.

    Args:
        source: where its hash is stated.
        path: the file.
        left: what to say of the file where its hash is another.

    Raises:
        CheckpointError: the hash is another than stated.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if source.sha256 == UNVERIFIED:
        return f"sha256 {found}, which nobody states"
    if not found.startswith(source.sha256):
        place = source.url or source.hub
        raise CheckpointError(
            f"What is at {place} is not what it should be: its sha256 is {found}, "
            f"and should begin with {source.sha256}. {left}",
            code="E711",
        )
    return f"sha256 begins with {source.sha256}, as stated" if len(source.sha256) < 64 else "sha256 as stated"


def hub_library(why: str) -> Any:
    """The library that speaks with the Hugging Face hub.

    Args:
        why: what is on the hub, for the error.

    Raises:
        CheckpointError: it is not installed.
    """
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise CheckpointError(f"{why}, which needs huggingface_hub: {PREDICT}", code="E601") from None
    return huggingface_hub


def _from_hub(source: WeightsSource, folder: Path | None) -> LocalFile:
    hub = hub_library(f"{source.hub} is on the Hugging Face hub")
    try:
        path = Path(hub.hf_hub_download(source.hub, HUB_FILE, cache_dir=folder))
    except Exception as error:  # of the hub, of the library that it speaks HTTP with, or of its own downloader
        raise CheckpointError(
            f"{HUB_FILE} of {source.hub} cannot be had from the Hugging Face hub: {first_line(error)}", code="E710"
        ) from None
    said = _compare(source, path, f"It is left in the hub's cache: {path}.")
    return LocalFile(path, f"{HUB_FILE} of {source.hub}, in the hub's cache: {path}; {said}; licence: {source.licence}")
