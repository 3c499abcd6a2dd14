"""Finds and loads spec files, and writes files."""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from vitdsl.errors import Mark, Problem, Source, SpecError, did_you_mean
from vitdsl.resolve.edit import Root
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.source import read, read_file
from vitdsl.syntax.tree import Map, Seq

SPEC = Root()
"""A spec, of which only this is asked: where it is, and what it is called."""
_open_texts: dict[str, str] = {}
"""Texts of files that an editor holds, by real path; they are read in place of the files."""


def find(name: str, beside: Path | None = None, root: Root = SPEC) -> Path:
    """Finds the file of a path, or of the name of a shipped file.

    Args:
        name: a path or a name.
        beside: a folder that relative paths may start from.
        root: the kind of the file.

    Raises:
        SpecError: there is no such file.
    """
    for path in _candidates(name, beside, root.folders):
        if os.path.isfile(path) or text_held(path) is not None:  # noqa: PTH113 - faster: a search asks it often
            return path
    given = Path(name)
    names = [path.stem for folder in root.folders for path in shipped(folder).glob("*.yaml")]
    hint = "" if root.what != SPEC.what or os.path.isdir(given) else _called_elsewhere(given.name, names)  # noqa: PTH112
    if not hint and (given.suffix or given.parent != Path() or (name and os.path.isdir(given))):  # noqa: PTH112
        return given
    hint = hint or did_you_mean(name, names) or root.list_all
    raise SpecError(Problem(f"there is no {root.what} `{name}`", hint=hint, code="E101"))


def _called_elsewhere(name: str, names: list[str]) -> str:
    """A hint for the name of a model in another library, if `specs/checkpoints` has it.

    Else the hint is the shipped model whose name this name begins with: other libraries append patch and image size.
    """
    if Path(name).suffix in (".yaml", ".yml") or not name:
        return ""
    sources = read_file(shipped("checkpoints") / "sources.yaml").get("sources", ())
    wanted = _plainly(name)
    for source in sources:
        library, _, model = source["stated"].partition(" ")
        files = (source.get(key, "").rpartition("/")[2] for key in ("hub", "url"))
        if wanted in map(_plainly, (model, *files)):
            return f"`{source['spec']}` is what {library} calls `{name}`"
    known = {found.replace("_", ""): found for found in names}
    words = wanted.split("_")
    heads = ("".join(words[:end]) for end in range(len(words), 0, -1))
    found = next((known[head] for head in heads if head in known), None)
    return f"did you mean '{found}'?" if found else ""


def _plainly(name: str) -> str:
    """The normalized name of a model: without case, signs, training data, and the checksum of its file."""
    name = re.sub(r"\.(pth|pt|bin|safetensors|tar)$", "", name.casefold())
    name = re.sub(r"(_weights)?(\..*)?$", "", name, count=1)
    return re.sub(r"_[0-9a-f]{8}$", "", name.replace("-", "_"))


@lru_cache(maxsize=512)
def _candidates(name: str, beside: Path | None, folders: tuple[str, ...]) -> tuple[Path, ...]:
    """The paths where a file of this name may be, in order."""
    given = Path(name)
    near = [given] if beside is None else [beside / given, given]
    written = [path.with_suffix(".yaml") for path in near if path.name and not path.suffix]
    return (*near, *written, *(shipped(folder) / f"{name}.yaml" for folder in folders))


def load_tree(source: str | Path | Mapping[str, Any], root: Root = SPEC) -> Map:
    """Loads a file as written, with late values recognised, from a path, a shipped name, YAML text or a mapping."""
    if isinstance(source, Mapping):
        return _recognised(_positioned(source), None, root)
    text = str(source)
    if isinstance(source, str) and ("\n" in text or ":" in text.replace(":\\", "")):
        return _recognised(read(text, "<text>"), None, root)
    return _read_cached(find(text, None, root), root)


def _recognised(raw: Any, path: Path | None, root: Root) -> Map:
    """The mapping of a file with late values recognised; refuses a JSON schema, whose texts look like late values."""
    if isinstance(raw, Map) and "$schema" in raw:
        message = f"this is a JSON schema, not a {root.what}"
        raise SpecError(Problem(message, mark=raw.pos, hint=f"editors check {root.what}s with it", code="E111"))
    return _mapping(recognise(_mapping(raw, path, root), ()), path, root)


def hold(path: Path, text: str | None) -> None:
    """Reads a text in place of a file from now on, as an editor asks whose text is not saved; None: the file again."""
    if text is None:
        _open_texts.pop(os.path.realpath(path), None)
    else:
        _open_texts[os.path.realpath(path)] = text


def text_held(path: Path) -> str | None:
    """The text that an editor holds of a file."""
    return _open_texts.get(os.path.realpath(path)) if _open_texts else None


def text_of(path: Path) -> str | None:
    """The text of a file as an editor has it, or as it is saved; None where there is no text."""
    held = text_held(path)
    if held is not None:
        return held
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _read_cached(path: Path, root: Root) -> Map:
    held = text_held(path)
    if held is not None:
        return _read(path, held, root)
    try:
        status = path.stat()
    except (OSError, ValueError):
        return _read(path, None, root)
    return _read(path, (status.st_mtime_ns, status.st_size), root)


@cache
def _files() -> dict[Path, tuple[Any, Map]]:
    return {}


def _read(path: Path, stamp: Any, root: Root) -> Map:
    files = _files()
    if path in files and files[path][0] == stamp:
        return files[path][1]
    raw = read(stamp, str(path)) if isinstance(stamp, str) else read_file(path)
    tree = _recognised(raw, path, root)
    if len(files) >= 512:
        files.clear()
    files[path] = (stamp, tree)
    return tree


def _mapping(tree: Any, path: Path | None, root: Root) -> Map:
    if not isinstance(tree, Map):
        where = Mark(Source(str(path or "<text>"), ""), 1, 1)
        message = f"a {root.what} is {root.is_a}, but this is a single value or a list"
        raise SpecError(Problem(message, mark=where, code="E111"))
    return tree


def _positioned(value: Any) -> Any:
    """Plain mappings and lists as `Map` and `Seq`, without positions."""
    if isinstance(value, Mapping):
        return Map({str(key): _positioned(entry) for key, entry in value.items()})
    if isinstance(value, (list, tuple)):
        return Seq([_positioned(entry) for entry in value])
    return value


def forget_files() -> None:
    """Empties the table of loaded files."""
    _files().clear()


@cache
def shipped(folder: str = "") -> Path:
    """The folder of the shipped specs: beside the sources, or in the wheel."""
    here = Path(__file__).parents[1]
    root = here / "_specs" if (here / "_specs").is_dir() else here.parent / "specs"
    return root / folder if folder else root


def is_draft(name: str) -> bool:
    """Whether a file is called as the drafts of `write_whole`; a process that was killed leaves one."""
    return re.fullmatch(r"\.[0-9a-f]{32}(\.\w+)?", name) is not None


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Gives an empty draft to write into, which replaces the file at the end: whole, or not at all.

    A symbolic link stays, and the file that it names is replaced. An existing file keeps its permissions.

    Args:
        path: the file.

    Raises:
        OSError: it is not a regular file, or cannot be written; an existing file is unchanged.
    """
    target = Path(os.path.realpath(path))
    if os.path.lexists(target):
        if not stat.S_ISREG(target.stat().st_mode):
            raise OSError(errno.EINVAL, "this is not a regular file", str(path))
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    draft = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")
    try:
        draft.touch()
        try:
            if target.exists():
                draft.chmod(stat.S_IMODE(target.stat().st_mode))
            yield draft
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(draft):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None  # users do not know the draft


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file: whole, or not at all. A device or a pipe is written directly.

    Raises:
        OSError: it cannot be written; an existing file is unchanged.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_text(text, encoding="utf-8")
        return
    with write_whole(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
