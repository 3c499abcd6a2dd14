"""Shapes behind items: those of a spec that ends there."""

from pathlib import Path

import pytest

from tests.editor.texts import shipped_text
from vitdsl.editor.document import Document
from vitdsl.editor.shapes import hints, runs_of, shape, shapes
from vitdsl.features import Feature
from vitdsl.resolve.files import hold, shipped
from vitdsl.spec import load
from vitdsl.syntax.printer import plain


def marked(text: str, path: Path) -> str:
    """A text with its hints."""
    hold(path, text)
    try:
        found = sorted(hints(Document(path, text)), reverse=True)
    finally:
        hold(path, None)
    for offset, hint in found:
        text = f"{text[:offset]}⟨{hint}⟩{text[offset:]}"
    return text


def ends_at(name: str, stage: int, key: str, index: int) -> Feature:
    """What comes out of a spec whose stage ends behind an item."""
    raw = plain(load(Path(name)).tree)
    raw["stages"] = raw["stages"][: stage + 1]
    last = raw["stages"][-1]
    last.pop("norm", None)
    last[key] = last[key][: index + 1]
    raw |= {"head": [], "classes": 0}
    raw.pop("drop_path", None)
    (found,) = load(raw).analyze().stages[stage].outputs.values()
    return found


@pytest.mark.parametrize("name", ["deit_tiny", "ceit_tiny", "cpvt_tiny", "t2t_vit_7"])
def test_the_shape_behind_an_item_is_that_of_a_spec_that_ends_there(name):
    spec, tried = load(Path(name)), 0
    runs = runs_of(spec)
    for number, stage in enumerate(plain(spec.tree)["stages"]):
        for key in ("body", "block"):
            items = stage.get(key)
            for index, item in enumerate(items if isinstance(items, list) else ()):
                if isinstance(item, dict) and {"write", "at"} & item.keys():
                    continue
                _, feature = runs["stages", number, key, index].outputs[-1]
                assert feature == ends_at(name, number, key, index)
                tried += 1
    assert tried


@pytest.mark.full
def test_every_item_of_every_shipped_spec_has_a_shape():
    for path in sorted(shipped().glob("*.yaml")):
        spec = load(path)
        runs = runs_of(spec)
        for number, stage in enumerate(plain(spec.tree)["stages"]):
            for key in ("body", "block") if stage.get("depth", 1) else ():
                for index, _ in enumerate(stage[key] if isinstance(stage.get(key), list) else ()):
                    assert runs["stages", number, key, index].outputs, (path, number, key, index)


def test_costs_of_items_are_those_of_their_stage():
    spec = load(Path("deit_tiny"))
    runs, stage = runs_of(spec), spec.graph().frame.steps[0].frames[0]
    (block,) = [step for step in stage.steps if hasattr(step, "frames")]
    items = [runs["stages", 0, "block", index].costs for index in range(2)]
    assert [len(each) for each in items] == [1, 1]
    assert items[0][0] + items[1][0] == block.frames[0].cost


def test_hints_stand_behind_items(tmp_path):
    text = (
        "define: {twice: {body: [{mlp: {}}, {body: [{conv: {kernel: 3}}], name: a}]}}\n"
        "stages:\n"
        "  - tokenizer: {type: patch, size: 16, dim: 32}  # a comment\n"
        "    tokens: [cls]\n"
        "    position: learned\n"
        "    body:\n"
        "      - mixer:  # heads\n"
        "          type: global\n"
        "          heads: 2\n"
        "      - mlp\n"
        "      - {use: twice}\n"
        "      - parallel: [[], [{conv: {dim: 32}}]]\n"
        "    norm: layer\n"
        "  - {tokenizer: merge, carry: [{linear: 64}], body: {use: twice}}\n"
        "head: {norm: layer, pool: cls}\n"
    )
    found = marked(text, tmp_path / "mine.yaml").splitlines()
    assert found[0] == (
        "define: {twice: {body: [{mlp: {}}⟨→ cls+14×14·32, cls+7×7·64⟩, "
        "{body: [{conv: {kernel: 3}}⟨→ cls+14×14·32, cls+7×7·64⟩], name: a}⟨→ cls+14×14·32, cls+7×7·64⟩]}}"
    )
    assert found[2] == "  - tokenizer: {type: patch, size: 16, dim: 32}⟨→ 14×14·32⟩  # a comment"
    assert found[4] == "    position: learned"
    assert found[6] == "      - mixer:⟨→ cls+14×14·32⟩  # heads"
    assert found[9] == "      - mlp⟨→ cls+14×14·32⟩"
    assert found[11] == "      - parallel: [[], [{conv: {dim: 32}}⟨→ cls+14×14·32⟩]]⟨→ cls+14×14·32⟩"
    assert found[12] == "    norm: layer"
    assert "carry: [{linear: 64}⟨→ cls·64⟩]" in found[13]
    assert found[14] == text.splitlines()[14]


def test_items_before_a_fault_have_their_shapes(tmp_path):
    body = "[{mlp: {}}, {mixer: {type: global, heads: 5}}]"
    found = marked(f"stages: [{{tokenizer: {{type: patch, size: 16, dim: 32}}, body: {body}}}]", tmp_path / "mine.yaml")
    assert "[{mlp: {}}⟨→ 14×14·32⟩, {mixer: {type: global, heads: 5}}]" in found
    assert "⟨" not in marked(shipped_text("cvt13") + "\nunknown: 3\n", tmp_path / "mine.yaml")


def test_a_space_has_no_shapes(tmp_path):
    assert "⟨" not in marked(shipped_text("spaces/digits"), tmp_path / "mine.yaml")


def test_shapes_are_written_as_show_writes_them():
    assert shape(Feature(8, (3, 5), ("cls", "a1x2"))) == "cls+a1x2+3×5·8"
    assert shape(Feature(8, count=4)) == "4·8"
    many = [("", Feature(dim)) for dim in range(1, 6)]
    assert shapes([("fine", Feature(8, (3, 5))), *many]) == "fine 3×5·8, ·1, ·2, …"
