"""A model as one file that needs torch alone: its classes, and the layers that they use from their own source."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from vitdsl import __version__
from vitdsl.compiler.build import build
from vitdsl.compiler.classes import Classes
from vitdsl.compiler.constructors import unprinted
from vitdsl.compiler.model import VisionModel
from vitdsl.compiler.namespace import import_block
from vitdsl.compiler.ties import is_free
from vitdsl.compiler.tree import grow_tree, has_module, maker
from vitdsl.errors import Problem, SpecError, printable
from vitdsl.graph.graph import Graph
from vitdsl.graph.paths import written_path
from vitdsl.spec import Spec, load
from vitdsl.syntax.locate import problem

LAYERS = "vitdsl.layers"
RUNNING = "vitdsl.compiler.containers"
"""Containers that let layers be replaced; a file has the plain ones of `vitdsl.layers`."""


class Definition(NamedTuple):
    """A function, class or constant of a file.

    Attributes:
        text: its source.
        names: the names that it reads.
    """

    text: str
    names: frozenset[str]


class Source(NamedTuple):
    """A file of layers.

    Attributes:
        definitions: by name.
        imports: by name, the statement that imports it from Python's library or torch.
        siblings: by name, the file of layers that defines it.
    """

    definitions: dict[str, Definition]
    imports: dict[str, str]
    siblings: dict[str, str]


def eject(spec: Spec | str | Path | Mapping[str, Any], size: int | tuple[int, int] | None = None) -> str:
    """A Python file with the model of a spec: it imports torch alone, and loads the same weights.

    Args:
        spec: a spec, or what `load` takes.
        size: of the image, in place of the spec's.

    Returns:
        The text. `Model()` makes the model; its state dict has the keys of `vitdsl.build`.

    Raises:
        SpecError: the spec is wrong, or has a part of another package whose layer is not made of torch's and ours.
    """
    known = spec if isinstance(spec, Spec) else load(spec)
    model = build(known, "meta", size=size)
    _refuse_foreign(known, model.lowered)
    classes = Classes(grow_tree(model.lowered, model.written, known.model.init or {}, True))
    body = _checked(classes.text(), model)
    needed = Needed()
    for target in classes.names.used.values():
        needed.add(target)
    layers = "\n\n\n".join(needed.texts.values())
    code = f"{layers}\n\n\n{body}" if layers else body
    space = "\n\n\n" if code.startswith(("class ", "def ", "@")) else "\n\n"
    imports = import_block(["from __future__ import annotations", *needed.imports], code)
    return f"{_head(known)}\n{imports}{space}{code}"


def _refuse_foreign(spec: Spec, graph: Graph) -> None:
    """Refuses parts of other packages whose layers a file cannot hold, each at the place of its first use."""
    problems: dict[str, Problem] = {}
    for path, node, frame in graph.frame.nodes():
        kind = node.op.type
        if kind in problems or not has_module(node):
            continue
        make = maker(frame, node, 0.0)
        if not inspect.isclass(make.func):
            message = f"the part `{kind}` does not say what its layer is made of"
            hint = "in place of `build`, its class needs a method `layer` that gives a class and its arguments"
        elif other := next((each for each in _called(make) if not _is_known(each)), None):
            message = f"the layer of the part `{kind}` needs `{other.__name__}` of {other.__module__}"
            hint = "a file needs torch alone: its `layer` may use what torch and `vitdsl.layers` have"
        elif (value := next(unprinted(make), None)) is not None:
            message = f"the layer of the part `{kind}` is given a value of the type `{type(value).__name__}`"
            hint = "numbers, texts, classes and functions can be written, and lists and mappings of them"
        else:
            continue
        problems[kind] = problem(
            spec.tree, written_path(spec, path), f"{message}, so it cannot be written", hint, code="E615"
        )
    if problems:
        raise SpecError([*problems.values()])


def _called(value: Any) -> Iterator[Any]:
    """The classes and functions in what makes a layer."""
    if isinstance(value, partial):
        for each in (value.func, *value.args, *value.keywords.values()):
            yield from _called(each)
    elif callable(value):
        yield value


def _is_known(target: Any) -> bool:
    """Whether a file has a class or function: it is torch's, or its source goes into the file."""
    return target.__module__.partition(".")[0] in ("torch", "builtins") or target.__module__.startswith(f"{LAYERS}.")


class Needed:
    """The layers that a file needs, in the order in which they must stand.

    Attributes:
        texts: their source, by name.
        imports: the statements that import what they read of Python's library and of torch.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.imports: set[str] = set()
        self._open: set[tuple[str, str]] = set()

    def add(self, target: Any) -> None:
        """Adds a class or function, and what it reads."""
        module = target.__module__.replace(RUNNING, f"{LAYERS}.containers")
        if module.startswith(f"{LAYERS}."):
            self._visit(module, target.__name__)
        else:
            self.imports.add(f"from {module} import {target.__name__}")

    def _visit(self, module: str, name: str) -> None:
        if (module, name) in self._open:
            return
        self._open.add((module, name))
        source = source_of(module)
        definition = source.definitions[name]
        for each in sorted(definition.names):
            if each in source.definitions:
                self._visit(module, each)
            elif each in source.siblings:
                self._visit(source.siblings[each], each)
            elif each in source.imports:
                self.imports.add(source.imports[each])
        if self.texts.get(name, definition.text) != definition.text:
            raise RuntimeError(f"two layers are called {name}, with other texts")
        self.texts[name] = definition.text


@cache
def source_of(module: str) -> Source:
    """A file of layers, taken apart."""
    text = inspect.getsource(importlib.import_module(module))
    lines = text.splitlines()
    definitions: dict[str, Definition] = {}
    imports: dict[str, str] = {}
    siblings: dict[str, str] = {}
    body = ast.parse(text).body
    for index, node in enumerate(body):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if node.level:
                    siblings[alias.asname or alias.name] = f"{LAYERS}.{node.module}"
                else:
                    imports[alias.asname or alias.name] = f"from {node.module} import {ast.unparse(alias)}"
        elif isinstance(node, ast.Import):
            imports.update(
                {alias.asname or alias.name.partition(".")[0]: f"import {ast.unparse(alias)}" for alias in node.names}
            )
        else:
            last = body[index + 1] if index + 1 < len(body) and _is_text(body[index + 1]) else node
            for name in _defined(node):
                definitions[name] = Definition(_cut(lines, node, last), frozenset(_read(node)))
    return Source(definitions, imports, siblings)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _read(node: ast.stmt) -> Iterator[str]:
    """The names that a definition reads, those in its annotations too."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.isidentifier():
            yield each.value  # perhaps an annotation


def _cut(lines: list[str], node: ast.stmt, last: ast.stmt) -> str:
    """The source of a definition, with the text that explains a constant."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    end = (node if isinstance(node, (ast.ClassDef, ast.FunctionDef)) else last).end_lineno
    return "\n".join(re.sub(r"  # (pyright|type): ignore\S*$", "", line) for line in lines[first - 1 : end])


def _checked(text: str, model: VisionModel) -> str:
    """The classes of a model, which refuses images of another size unless it is right for all."""
    channels, size = model.lowered.frame.features[0].dim, model.image_size
    shape = (channels, *size)
    if is_free(model):
        return text
    head = "    def forward(self, image):\n"
    before, found, after = text.rpartition(head)
    wanted = f"images must be (B, {', '.join(map(str, shape))}), but are {{tuple(image.shape)}}"
    check = f'        if image.shape[1:] != {shape}:\n            raise ValueError(f"{wanted}")\n'
    return f"{before}{found}{check}{after}"


def _head(spec: Spec) -> str:
    """What a file says of itself: what wrote it, and the spec."""
    lines = [f"{spec.name}, written by vitdsl {__version__} from the spec below; its hash is {spec.hash}.", ""]
    lines += [printable(line) for line in spec.dump().splitlines()]
    return "\n".join(f"# {line}".rstrip() for line in lines) + "\n"
