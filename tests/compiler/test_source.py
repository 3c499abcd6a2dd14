"""Forwards as Python: the goldens, what comments say, names, and what becomes a loop."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
import torch

import vitdsl
from tests.compiler.goldens import NAMES, code_of, file_of
from tests.compiler.printed import ATTEND, MLP, forward, functions, unread, with_checks
from tests.compiler.small import SMALL, photos, small
from tests.zoo.specs import NAMES as SHIPPED
from vitdsl.compiler.lines import plain_text
from vitdsl.compiler.namespace import Namespace
from vitdsl.compiler.source import Printer
from vitdsl.compiler.statements import Forward, Returned

ALL = [*SMALL, *(pytest.param(name, marks=pytest.mark.full) for name in SHIPPED if name not in SMALL)]


@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_that_of_the_golden(name: str) -> None:
    """`python -m tests.compiler.goldens` writes them anew."""
    assert code_of(name) == file_of(name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SMALL)
def test_comments_say_the_shapes_that_there_are(name: str) -> None:
    model, seen = small(name), list[str]()

    def check_shape(value: torch.Tensor, said: str, entering: torch.Tensor) -> None:
        seen.append(said)
        axes = said.split(", ")
        assert value.ndim == len(axes), f"{tuple(value.shape)} is said to be ({said})"
        assert axes[0] in ("B", "B·windows")
        assert value.shape[0] == 2 if axes[0] == "B" else value.shape[0] % 2 == 0
        for length, axis in zip(value.shape[1:], axes[1:], strict=True):
            assert axis in ("N", "C", "H", "W") or length == int(axis), f"{tuple(value.shape)} is said to be ({said})"

    namespace: dict[str, Any] = {"check_shape": check_shape}
    exec(compile(with_checks(model.code), name, "exec"), namespace)
    checked = namespace["Model"]()
    checked.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(checked.eval()(photos(model)), model(photos(model)))
    assert len(seen) >= model.code.count("  # (B") > 3


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_named_that_is_not_read(name: str) -> None:
    code = small_code(name)
    assert [each for function in functions(code) for each in unread(function)] == []


@pytest.mark.parametrize("name", ALL)
def test_lines_are_short(name: str) -> None:
    """Comments apart, a line is longer than it should be only where it has nothing to break."""
    code = small_code(name)
    long = [line for line in code.splitlines() if len(re.sub("  # .*", "", line)) > 100]
    assert [line for line in long if not line.lstrip().startswith(('"""', "from "))] == []


def small_code(name: str) -> str:
    return vitdsl.build(vitdsl.load(name, SMALL.get(name, {})), "meta").code


# ---------------------------------------------------------------- names and sizes


def test_what_nothing_reads_has_no_name() -> None:
    """A module may act where nothing reads what it gives: a batch norm keeps statistics."""
    code = forward({"body": [{"write": "kept"}, {"norm": "batch"}]}, {"stream": "kept", "body": [{"norm": "layer"}]})
    assert re.search(r"^    self\.stages\[0\]\.body\[1\]\.norm\(", code, re.MULTILINE)


def test_names_come_back() -> None:
    """A name is free once its value is read for the last time: a chain of items needs few."""
    items = [{"norm": "layer"}, {"activation": "gelu"}, {"linear": 8}] * 12
    code = forward({"body": items})
    stored = {
        node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert stored <= {"x", "y", "body"}


def test_a_size_is_read_where_something_needs_it() -> None:
    assert ".shape[2:]" not in forward({"body": [{"linear": 4}]})
    assert forward({"body": [MLP, {"peg": {}}, {"peg": {}}]}).count(".shape[2:]") == 1


def test_a_size_is_that_of_the_map_before() -> None:
    """Two grids may be of one size at the spec's own images: what is read is the one at hand."""
    bank = [{"conv": {"kernel": 2, "stride": 2, "padding": 0}}]
    second = {
        "tokenizer": [{"conv": {"kernel": 3, "stride": 2, "dim": 8}}],
        "tokens": ["cls"],
        "body": [MLP, {"peg": {}}],
    }
    code = forward({"body": [{"mixer": {**ATTEND, "bank": bank}}]}, second)
    before, _, behind = code.partition("self.stages[1].tokenizer[0].conv(")
    assert before
    assert re.search(r"height, width = x\.shape\[2:\]", behind)
    assert "height2" not in code


def test_a_size_that_is_computed_is_one_line() -> None:
    unfold = {"unfold": {"kernel": 3, "stride": 2, "padding": 1}}
    code = forward({"tokenizer": [unfold, {"linear": 8}], "body": [{"conv": {"kernel": 3}}]})
    assert re.findall(r"height = \(height \+ \d+\) // 2\n", code)
    assert not re.findall(r"= (?:height|width) \+ \d+\n", code)


def test_views_of_queries_are_called_queries() -> None:
    """Where sections of a map become tokens, they keep their names."""
    written = Forward()
    (qkv,) = written.add("module", "mixer.qkv", written.enter("x"), hint="qkv")
    sections = [written.section(qkv, 1, start, start + 8, 24) for start in (0, 8, 16)]
    tokens = [written.view("transpose", written.view("flatten", section, 2), 1, 2) for section in sections]
    written.returned = Returned([*written.add("module", "mixer.attend", *tokens), *tokens], several=True)
    written.cut_at_once()
    written.prune(modules=False)
    code = plain_text(Printer(written, lambda path: [], Namespace()).lines())
    views = re.findall(r"^ +(\w+) = (\w)\.flatten\(2\)\.transpose\(1, 2\)", code, re.MULTILINE)
    assert ("q", "q") in views
    assert all(name == source for name, source in views if source in ("q", "k", "v"))


# ---------------------------------------------------------------- containers


def test_a_deep_container_that_is_named_often_gets_a_name() -> None:
    code = forward({"body": [{"body": [{"norm": "layer"}, {"activation": "gelu"}, {"linear": 8}, MLP]}, MLP]})
    assert "    layer = self.stages[0].body[0]\n" in code
    assert code.count("self.stages[0].body[0]") == 1


def test_what_is_named_once_or_is_near_keeps_its_path() -> None:
    code = forward({"body": [{"norm": "layer"}]})
    assert "self.stages[0].body" in code
    assert " = self.stages" not in code.replace(" = self.stages[0].tokenizer[0].conv(", "")


@pytest.mark.parametrize("name", ["layer", "block", "x", "self", "conv_and_norm"])
def test_a_name_of_a_container_hides_nothing(name: str) -> None:
    """A stage may have any name; the container that is called after it must be no value that is still read."""
    conv = {"conv": {"kernel": 3, "padding": 1, "norm": "batch"}}
    inner = {"name": name, "body": [conv, MLP, {"linear": 8}, {"norm": "layer"}, MLP]}
    code = forward({"tokens": ["cls"], "body": [{"write": "early"}, inner]})
    assert re.search(rf"    {name}\w* = self\.stages\[0\]\.body", code)
    assert not unread(ast.parse(code).body[0])  # type: ignore[arg-type]
