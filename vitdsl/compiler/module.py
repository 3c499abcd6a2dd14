"""Runs the text of a model: what is printed is what runs, and tracebacks show it."""

from __future__ import annotations

import hashlib
import linecache
import textwrap
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from vitdsl.compiler.classes import Classes
from vitdsl.compiler.lines import plain_text
from vitdsl.compiler.lower import Written
from vitdsl.compiler.namespace import Namespace
from vitdsl.compiler.source import Printer
from vitdsl.compiler.statements import Forward
from vitdsl.compiler.tree import Branch
from vitdsl.graph.ir import joined
from vitdsl.layers.containers import Body

RECENT = 64
"""So many texts stay compiled."""
_compiled: dict[str, dict[str, Any]] = {}


def class_of(tree: Branch, name: str) -> type[Body]:
    """The class of a model.

    Args:
        tree: of the model.
        name: of the model, for tracebacks.
    """
    classes = Classes(tree)
    body = classes.text()
    text = f"{classes.names.imports(body)}\n\n\n{body}"
    namespace = run(text, name, classes.names.parts)
    for each in classes.all:
        namespace[each.name].code = "\n".join(each.lines) + "\n"
        namespace[each.name]._kept = tuple(each.kept)
    model: type[Body] = namespace[classes.all[-1].name]
    model.code = text  # type: ignore[attr-defined]
    return model


def run(text: str, name: str, parts: Mapping[str, partial[Any]]) -> dict[str, Any]:
    """What a text defines; a text that was run lately is not run again.

    Args:
        text: of a module.
        name: of the model, for tracebacks.
        parts: what the text names and cannot import.
    """
    if text in _compiled and not parts:
        return _compiled[text]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    file = f"<vitdsl {name} {digest}>"
    namespace: dict[str, Any] = {"__name__": f"vitdsl.compiled_{digest}", **parts}
    exec(compile(text, file, "exec"), namespace)
    linecache.cache[file] = lines = (len(text), None, text.splitlines(keepends=True), file)
    # what a text defines lives as long as any of it, so its lines go with what it defined last
    weakref.finalize(next(reversed(namespace.values())), _forget_lines, file, lines)
    if not parts:
        _compiled[text] = namespace
        while len(_compiled) > RECENT:
            del _compiled[next(iter(_compiled))]
    return namespace


def _forget_lines(file: str, lines: object) -> None:
    """Forgets the lines of a text that nothing runs any more, unless it was compiled again."""
    if linecache.cache.get(file) is lines:
        del linecache.cache[file]


def function_of(forward: Forward, model: nn.Module) -> Any:
    """A forward over the modules that a model has already.

    Args:
        forward: what it does.
        model: whose modules it calls.
    """
    names = Namespace()

    def below(path: str) -> Sequence[str]:
        return [*model.get_submodule(path)._modules]

    lines = Printer(forward, below, names).lines()
    text = textwrap.dedent(plain_text(lines))
    return run(f"{names.imports(text)}\n\n\n{text}\n", "forward", {})["forward"]


def written_below(written: Written, path: str = "") -> dict[str, Written]:
    """The forwards of all repetitions below one, by module path."""
    found: dict[str, Written] = {}
    for name, child in written.children.items():
        below = joined(path, name)
        found |= {below: child, **written_below(child, below)}
    return found


def is_repetition(module: nn.Module) -> bool:
    """Whether a module is a body with a forward of its own: a block."""
    return isinstance(module, Body) and hasattr(type(module), "code")
