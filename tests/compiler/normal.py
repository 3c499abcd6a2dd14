"""A generated file in normal form: what it computes, whatever its modules, values and streams are called."""

from __future__ import annotations

import ast
import hashlib
from typing import Any


def words(code: str) -> set[str]:
    """Names of attributes and arguments, and texts."""
    nodes = [*ast.walk(ast.parse(code))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return (
        texts
        | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        | {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    )


def normal_form(code: str, name: str | None = None) -> list[str]:
    """The statements of a file; classes by what they build and compute, all else as it is.

    Names of classes are numbers, and values of a forward are what they were made by.

    Args:
        code: the file.
        name: what is left out of names of modules and of texts; None: all of these are.
    """
    body = ast.parse(code).body
    names = {node.name: f"class {number}" for number, node in enumerate(body) if isinstance(node, ast.ClassDef)}
    found = []
    for node in body:
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "Body" for base in node.bases
        ):
            functions = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            found.append(repr([_function(each, names, name) for each in functions]))
        elif not isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(ast.dump(node))
    return found


def _function(node: ast.FunctionDef, names: dict[str, str], name: str | None) -> list[str]:
    arguments = {each.arg: f"argument {number}" for number, each in enumerate(node.args.args)}
    form = _Form({**names, **arguments}, name)
    found = [form.statement(each) for each in node.body]
    return [each for each in found if each]


class _Form:
    """The forms of the values of a function, by the names that they have now."""

    def __init__(self, names: dict[str, str], name: str | None) -> None:
        self.names, self.name = names, name
        self.roots = {"self"}  # and what stands for a module below it

    def is_path(self, node: ast.expr) -> bool:
        """Whether this reaches a module from `self`."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self.roots

    def word(self, text: str) -> str:
        """A name of a module, or a text."""
        return "" if self.name is None else "NAME" if text in (self.name, f"{self.name}_") else text

    def statement(self, node: ast.stmt) -> str:
        """What a statement does, apart from giving names."""
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            return ""  # a number that the forward reads, which is its argument there
        if isinstance(node, ast.Assign):
            is_path = self.is_path(node.value)
            self._store(node.targets[0], self.value(node.value))
            if is_path and isinstance(node.targets[0], ast.Name):
                self.roots.add(node.targets[0].id)
            return ""
        if isinstance(node, ast.For):
            self._store(node.target, _digest("each", self.value(node.iter)))
            return _digest("for", *(self.statement(each) for each in node.body))
        if isinstance(node, ast.If):
            return _digest("if", self.value(node.test), *(self.statement(each) for each in node.body))
        if isinstance(node, ast.Return):
            return _digest("return", self.value(node.value))
        if isinstance(node, ast.Raise):
            return "raise"
        assert isinstance(node, ast.Expr), ast.dump(node)
        return self.value(node.value)

    def _store(self, target: ast.expr, value: str) -> None:
        if isinstance(target, ast.Tuple):
            for number, each in enumerate(target.elts):
                self._store(each, _digest("item", number, value))
            return
        assert isinstance(target, ast.Name)
        self.names[target.id] = value
        self.roots.discard(target.id)

    def value(self, node: Any) -> str:
        """What an expression is."""
        if isinstance(node, list):
            return _digest("list", *map(self.value, node))
        if isinstance(node, ast.Name):
            return self.names.get(node.id, f"global {node.id}")
        if isinstance(node, ast.Constant):
            return f"text {self.word(node.value)}" if isinstance(node.value, str) else repr(node.value)
        if isinstance(node, ast.Attribute):
            return _digest(
                "attribute", self.value(node.value), self.word(node.attr) if self.is_path(node) else node.attr
            )
        if isinstance(node, ast.Subscript) and self.is_path(node) and isinstance(node.slice, ast.Constant):
            key = node.slice.value
            name = self.word(key) if isinstance(key, str) else key
            return _digest("attribute", self.value(node.value), name)
        if isinstance(node, ast.Call):
            return _digest("call", self.value(node.func), self.value(node.args), *sorted(self._keywords(node)))
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            return _digest("dict", *((self.value(key) if key else "", self.value(value)) for key, value in pairs))
        if isinstance(node, ast.GeneratorExp):
            return self._generator(node)
        if isinstance(node, ast.AST):
            return _digest(type(node).__name__, *(self.value(each) for _, each in ast.iter_fields(node)))
        return repr(node)

    def _keywords(self, node: ast.Call) -> list[str]:
        found = []
        for each in node.keywords:
            if each.arg is None and isinstance(each.value, ast.Dict):
                pairs = zip(each.value.keys, each.value.values, strict=True)
                named = [(str(ast.literal_eval(key)), value) for key, value in pairs if key is not None]
            else:
                named = [(each.arg or "**", each.value)]
            found += [_digest("keyword", self.word(name), self.value(value)) for name, value in named]
        return found

    def _generator(self, node: ast.GeneratorExp) -> str:
        inner = _Form(dict(self.names), self.name)
        for each in node.generators:
            inner._store(each.target, _digest("each", self.value(each.iter)))
        return _digest("generator", inner.value(node.elt), *(self.value(each.iter) for each in node.generators))


def _digest(kind: str, *parts: object) -> str:
    """A short name for a form; equal forms have equal ones."""
    return f"{kind} {hashlib.sha256(repr((kind, parts)).encode()).hexdigest()[:16]}"
