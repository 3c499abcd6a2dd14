"""Quick fixes: each mends what it is offered for."""

from pathlib import Path

import pytest

from tests.editor.texts import WRONG
from vitdsl.checking import report
from vitdsl.editor.diagnostics import diagnostics
from vitdsl.editor.document import Document
from vitdsl.editor.fixes import applied, fixes
from vitdsl.errors import did_you_mean, meant
from vitdsl.resolve.files import hold, text_held

GOOD = """\
stages: [{tokenizer: {type: patch, size: 16, dim: 32}, position: learned, body: [mlp]}]
head: {norm: layer, pool: mean}
"""
SLIPS = {
    "a key": ("body: [mlp]", "bodyy: [mlp]"),
    "a type": ("type: patch", "type: pacth"),
    "a word": ("position: learned", "position: lerned"),
    "a role": ("[mlp]", "[mpl]"),
    "a role with fields": ("[mlp]", "[{mpl: {ratio: 2}}]"),
    "a key of a head": ("pool: mean", "pooll: mean"),
    "a stream": ("[mlp]", "[{write: kept}, {from: keptt}]"),
    "a name in an expression": ("size: 16", "size: $(16 * indx)"),
    "a define": ("[mlp]", "{use: library.basik}"),
    "a number for a key": ("head:", "1:"),
    "a key without a space": ("pool: mean", "pool:mean"),
    "an expression with a comma": ("size: 16", "size: $(max(8, 16))"),
    "a sign that is none": ("size: 16", "size: 16\u2028"),
    "what others call it": ("[mlp]", "[{mixer: {type: global, num_heads: 2}}]"),
    "a spec to start from": ("stages", "extends: deit_tinny\nstages"),
}  # fmt: skip


def offered(path: Path, text: str) -> list[tuple[str, str]]:
    """The message of each fault that can be mended, and the text without it."""
    hold(path, text)
    try:
        document = Document(path, text)
        return [
            (each.problem.message, applied(text, fix))
            for each in diagnostics(document) for fix in fixes(document, each)
        ]  # fmt: skip
    finally:
        hold(path, None)


def messages(path: Path, text: str) -> list[str]:
    hold(path, text)
    try:
        return [each.message for each in report(str(path)).problems]
    finally:
        hold(path, None)


@pytest.mark.parametrize(("good", "slip"), SLIPS.values(), ids=SLIPS.keys())
def test_a_slip_is_mended(tmp_path, good, slip):
    path = tmp_path / "mine.yaml"
    text = GOOD.replace(good, slip, 1)
    assert text != GOOD
    found = offered(path, text)
    assert found
    for message, mended in found:
        assert message not in messages(path, mended)
    assert text_held(path) is None


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.full)])
def test_every_fix_of_a_wrong_spec_mends_it(tmp_path, every):
    count = 0
    for wrong in WRONG[::every]:
        text = wrong.read_text(encoding="utf-8", errors="replace")
        path = tmp_path / wrong.name
        for message, mended in offered(path, text):
            before, after = messages(path, text), messages(path, mended)
            assert before.count(message) > after.count(message)
            count += 1
    assert count > 20 // every


def test_a_remedy_in_words_is_no_edit(tmp_path):
    text = GOOD.replace("[mlp]", "[{mixer: {type: global, heads: 5}}]")
    assert messages(tmp_path / "a.yaml", text)
    assert offered(tmp_path / "a.yaml", text) == []


@pytest.mark.parametrize("name", ["depth", "it's", 'a"b', "a\\b", "é", "a'\"b", "\x1b"])
def test_the_name_in_a_hint_is_read_back(name):
    assert meant(did_you_mean(name, [name])) == name


@pytest.mark.parametrize("hint", ["", "known: a, b", "did you mean to write x?", "leave `a` out"])
def test_other_hints_name_nothing(hint):
    assert meant(hint) is None
