"""Finds streams that a spec writes and never reads, and streams that overwrite each other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from vitdsl.errors import Mark
from vitdsl.syntax.locate import mark_of
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.recognise import PROSE
from vitdsl.validate.written import Path, strings

NAMING = ("write", "stream", "name", "type", "use")
"""Keys whose value does not read a stream: it writes one, or names something else."""


def unread(tree: Mapping[str, Any]) -> list[tuple[str, str, Mark | None]]:
    """The streams that a merged file writes and never reads.

    A stream counts as read if its name is in any value, since an argument of a `use` may lead it anywhere.

    Returns:
        Name, written path and position of each writer.
    """
    values = [(path, value) for path, value in strings(tree) if path[0] not in PROSE]
    read = {value.partition(".")[0] for path, value in values if path[-1] not in NAMING}
    written = [(path, value.removesuffix("[]")) for path, value in values if path[-1] == "write"]
    written += _left_behind(tree.get("stages"))
    return [
        (name, format_path(path), mark_of(tree, path))
        for path, name in written
        if name not in read and not _flows_on(tree.get("stages"), name)
    ]


def overwritten(tree: Mapping[str, Any]) -> list[tuple[str, str, str, Mark | None]]:
    """The streams that both a define and its users write: a define has no streams of its own.

    Returns:
        Name, define, written path and position of each such `write` in a define.
    """
    defines = tree.get("define")
    bodies = {name: ("define", name) for name in defines} if isinstance(defines, Mapping) else {}
    places: list[Path] = [*bodies.values(), ("stages",), ("head",)]
    texts = {place: list(strings(_at(tree, place), place)) for place in places}
    uses = {
        place: {text for path, text in found if path[-1] == "use"} & bodies.keys() for place, found in texts.items()
    }
    own = {place: [(path, text) for path, text in found if path[-1] == "write"] for place, found in texts.items()}
    names = {place: {text for _, text in found} for place, found in own.items()}
    names["stages",] |= {text for path, text in texts["stages",] if path[-1] == "stream"}
    found = []
    for name, body in bodies.items():
        above = [place for place in places if place != body and name in _reached(uses[place], uses)]
        written = set().union(*[names[place] for place in above])
        found += [
            (text, name, format_path(path), mark_of(tree, path))
            for path, text in own[body] if text in written and not text.endswith("[]")
        ]  # fmt: skip
    return found


def _at(tree: Mapping[str, Any], place: Path) -> Any:
    for key in place:
        tree = tree.get(key) if isinstance(tree, Mapping) else None  # type: ignore[assignment]
    return tree


def _reached(used: set[str], uses: Mapping[Path, set[str]]) -> set[str]:
    """These defines, and all that they use in turn."""
    waiting, found = list(used), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += uses["define", name]
    return found


def _left_behind(stages: Any) -> list[tuple[Path, str]]:
    """Streams of stages whose next stage names another stream."""
    named = list(enumerate(stages)) if isinstance(stages, list) else []
    named = [(index, stage) for index, stage in named if isinstance(stage, Mapping)]
    found = []
    for (index, stage), (_, following) in pairwise(named):
        name = stage.get("stream")
        if isinstance(name, str) and isinstance(following.get("stream"), str) and following["stream"] != name:
            found.append((("stages", index, "stream"), name))
    return found


def _flows_on(stages: Any, name: str) -> bool:
    """Whether the stream is the result of the last stage, or the next stage goes on with it."""
    named = [stage for stage in stages if isinstance(stage, Mapping)] if isinstance(stages, list) else []
    makers = [index for index, stage in enumerate(named) if stage.get("stream") == name]
    return bool(makers) and (makers[-1] == len(named) - 1 or "stream" not in named[makers[-1] + 1])
