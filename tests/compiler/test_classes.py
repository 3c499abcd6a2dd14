"""One class for each distinct text: blocks that differ in numbers share it, and all else has one of its own."""

from __future__ import annotations

import ast
import importlib
from collections import Counter
from pathlib import Path

import pytest
import torch

import vitdsl
from tests.compiler.ejected import module_of
from tests.compiler.small import SMALL
from tests.zoo.specs import NAMES
from vitdsl import layers
from vitdsl.compiler.module import is_repetition

FEW = [*SMALL, "convnext_tiny", "twins_svt_small"]
ALL = [*FEW, *(pytest.param(name, marks=pytest.mark.full) for name in NAMES if name not in FEW)]


class Neutral(ast.NodeTransformer):
    """A class without its name, its docstring and its numbers."""

    def __init__(self, node: ast.ClassDef) -> None:
        init = next(each for each in node.body if isinstance(each, ast.FunctionDef))
        self.arguments = {each.arg for each in init.args.args[1:]}

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name, node.body = "", [self.visit(each) for each in node.body[1:]]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name == "__init__":
            node.args.args = node.args.args[:1]
            kept = [each for each in node.body if not isinstance(each, ast.Assign)]
            node.body = [self.visit(each) for each in kept]
            return node
        self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(0) if type(node.value) in (int, float) else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(0) if node.id in self.arguments else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr in self.arguments:
            return ast.Constant(0)
        self.generic_visit(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return node.right if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant) else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if isinstance(node.operand, ast.Constant) else node

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        numbers = all(isinstance(each, ast.Constant) and each.value == 0 for each in node.elts)
        return ast.Constant(0) if numbers else node


def neutral(node: ast.ClassDef) -> str:
    return ast.dump(Neutral(node).visit(node))


@pytest.mark.parametrize("name", ALL)
def test_no_two_classes_differ_in_numbers_alone(name: str) -> None:
    model = vitdsl.build(name, "meta")
    classes = [node for node in ast.parse(model.code).body if isinstance(node, ast.ClassDef)]
    texts = Counter(neutral(node) for node in classes)
    assert max(texts.values()) == 1
    names = [node.name for node in ast.parse(model.code).body if isinstance(node, ast.ClassDef)]
    assert len(set(names)) == len(names)
    used = {type(module).__name__ for path, module in model.named_modules() if path and is_repetition(module)}
    assert used == set(names[:-1])


def test_texts_that_differ_in_more_than_numbers_differ() -> None:
    """The rule of this file sees an activation, a flag, a further layer, another order."""
    base = "class A:\n '''d'''\n def __init__(self, dim):\n  super().__init__(f(dim, 2 * dim, bias=False, a=(1, 2)))\n"
    base += " def forward(self, x):\n  return self[0](x) * 2.0\n"
    same = [
        base.replace("A", "B"),
        base.replace("2 * dim", "7"),
        base.replace("(1, 2)", "dim"),
        base.replace("'''d", "'''e"),
    ]
    other = [
        base.replace("False", "True"),
        base.replace("f(", "g("),
        base.replace("self[0]", "self.a"),
        base.replace("*", "+"),
    ]
    text = [neutral(ast.parse(each).body[0]) for each in (base, *same, *other)]  # type: ignore[arg-type]
    assert len(set(text[: len(same) + 1])) == 1
    assert all(each != text[0] for each in text[len(same) + 1 :])


def test_an_instance_says_its_numbers() -> None:
    """What a class is given is what its instance has: no number is that of another block."""
    model = vitdsl.build("cvt13", "meta")
    for path, module in model.named_modules():
        if hasattr(module, "rate"):
            want = 0.1 * int(path.split(".")[3]) / 9 if path.startswith("stages.2") else 0.0
            assert module.rate == pytest.approx(want, rel=1e-9, abs=0)


def test_no_class_has_the_name_of_a_layer() -> None:
    """A spec may call its items as layers are called: their classes, each with another text, are called otherwise."""
    names = ("linear", "model", "chain", "body", "layer_norm", "pair", "fill", "block", "token_block")
    bodies = [
        {"repeat": 2, "name": name, "body": [{"mlp": {"ratio": 1}}] * number} for number, name in enumerate(names, 1)
    ]
    spec = {
        "name": "s", "input": {"size": 8}, "classes": 2, "head": {"pool": "mean"},
        "stages": [{"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "body": bodies}],
    }  # fmt: skip
    assert vitdsl.build(spec).eval()(torch.rand(1, 3, 8, 8)).shape == (1, 2)
    code = vitdsl.eject(spec)
    assert module_of(code)["Model"]().eval()(torch.rand(1, 3, 8, 8)).shape == (1, 2)
    found = [node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]
    assert len(set(found)) == len(found)
    assert {"LinearBlock", "PairBlock"} <= {*found}


def test_no_layer_has_the_name_of_a_class() -> None:
    """Classes of repetitions are called `…Block`, and the model `Model`; nothing that a file may hold is."""
    for path in Path(layers.__path__[0]).glob("*.py"):
        names = [name for name in vars(importlib.import_module(f"vitdsl.layers.{path.stem}")) if name[0] != "_"]
        assert not [name for name in names if name.rstrip("0123456789").endswith("Block") or name == "Model"]
