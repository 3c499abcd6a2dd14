"""The tree of modules before they are made: it is that of the model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import vitdsl
from tests.compiler.small import SMALL
from vitdsl.compiler.classes import Classes
from vitdsl.compiler.model import VisionModel
from vitdsl.compiler.module import is_repetition
from vitdsl.compiler.tree import Branch, grow_tree
from vitdsl.graph.ir import joined


def tree(model: VisionModel) -> Branch:
    return grow_tree(model.lowered, model.written, model.spec.model.init or {}, True)


def walked(branch: Branch, path: str = "") -> Iterator[tuple[str, Branch]]:
    for name, child in branch.children.items():
        yield joined(path, name), child
        yield from walked(child, joined(path, name))


@pytest.mark.parametrize("name", SMALL)
def test_the_tree_is_that_of_the_model(name: str) -> None:
    model = vitdsl.build(vitdsl.load(name, SMALL[name]), "meta")
    found = dict(walked(tree(model)))
    modules = dict(model.named_modules())
    below = {path for path in modules if not any(each.make and path.startswith(f"{at}.") for at, each in found.items())}
    assert below - {""} <= found.keys() <= modules.keys()
    for path, branch in found.items():
        assert (branch.written is not None) == is_repetition(modules[path])
        assert list(modules[path]._modules) == list(tree(model).names(path)) or branch.make is not None


@pytest.mark.parametrize("name", SMALL)
def test_repetitions_come_innermost_first(name: str) -> None:
    model = vitdsl.build(vitdsl.load(name, SMALL[name]), "meta")
    paths = [path for path, _ in tree(model).repetitions()]
    assert set(paths) == {path for path, module in model.named_modules() if path and is_repetition(module)}
    for at, path in enumerate(paths):
        assert not any(later.startswith(f"{path}.") for later in paths[at:])
    classes = [each.name for each in Classes(tree(model)).all]
    assert classes[-1] == "Model"
    assert len(set(classes)) == len(classes)


def test_numbers_come_before_names_in_their_order() -> None:
    """So modules are registered, and so slices of a container count."""
    root = Branch()
    for name in ("norm", "10", "2", "0", "after"):
        root.at(f"stages.{name}")
    assert root.names("stages") == ["0", "2", "10", "norm", "after"]
    assert root.at("stages.2") is root.children["stages"].children["2"]
    assert root.names("") == ["stages"]
