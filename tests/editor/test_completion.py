"""Completions: what is offered as a key is a key, and half-written texts are no hindrance."""

import random
from pathlib import Path

import pytest

from tests.editor.texts import shipped_text, slips
from vitdsl.checking import report
from vitdsl.editor.completion import Completion, completions
from vitdsl.editor.document import Document
from vitdsl.parts.registry import types_of
from vitdsl.resolve.files import hold, shipped

SPECS = ("deit_tiny", "crossvit_tiny", "vt_resnet18", "spaces/digits", "recipes/deit", "library/basics")


def offered(text: str, path: Path = Path("mine.yaml")) -> list[Completion]:
    """What is offered at the bar of a text."""
    before, _, after = text.partition("|")
    return completions(Document(path, before + after), len(before))


def labels(text: str, path: Path = Path("mine.yaml")) -> list[str]:
    return [each.label for each in offered(text, path)]


def accepted(text: str, completion: Completion) -> str:
    return text[: completion.span.start] + completion.text + text[completion.span.end :]


def refused(path: Path, text: str, at: int, key: str) -> list[str]:
    """The errors that say of the key at an offset that it is none."""
    hold(path, text)
    try:
        document = Document(path, text)
        found = report(str(path)).problems
        words = (f"unknown key `{key}`", f"has no argument `{key}`")
        return [
            str(each) for each in found
            if document.offset_of(each.mark) == at and any(word in each.message for word in words)
        ]  # fmt: skip
    finally:
        hold(path, None)


@pytest.mark.parametrize("name", SPECS)
def test_a_key_that_is_offered_is_a_key(tmp_path, name):
    path, whole, rng = tmp_path / "mine.yaml", shipped_text(name), random.Random(7)
    tried = 0
    for text in (whole, *slips(whole, 2, 2)):
        for offset in rng.sample(range(len(text)), 25):
            keys = [each for each in completions(Document(path, text), offset) if each.kind == "key"]
            for key in rng.sample(keys, min(1, len(keys))):
                assert refused(path, accepted(text, key), key.span.start, key.label) == []
                tried += 1
    assert tried > 10


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(path.stem for path in shipped().glob("*.yaml"))[::8])
def test_every_key_that_is_offered_anywhere_is_a_key(tmp_path, name):
    path, text = tmp_path / "mine.yaml", shipped_text(name)
    for offset in range(0, len(text), 11):
        for key in completions(Document(path, text), offset):
            if key.kind == "key":
                assert refused(path, accepted(text, key), key.span.start, key.label) == []


def test_a_key_that_is_not_offered_is_refused(tmp_path):
    """The test above would see it."""
    text = "stages: [{depht: 1, body: [mlp]}]"
    assert refused(tmp_path / "a.yaml", text, text.index("depht"), "depht")


BLOCK = "stages:\n  - depth: 2\n    block:\n"
WORDS = {
    "types of a role": (BLOCK + "      - {mixer: {type: |}}", types_of("mixer"), ("patch", "heads", "none")),
    "types of a tokenizer": ("stages: [{tokenizer: {type: |", ("patch", "merge"), ("global", "layer")),
    "no types where a bare value is a number": (BLOCK + "      - {linear: |}", (), ("linear", "none")),
    "none of what may be none": (BLOCK + "      - {norm: |}", ("layer", "none"), ()),
    "types, bare": (BLOCK + "      - mixer: |\n      - mlp", ("global", "windowed"), ("patch",)),
    "fields of a part": (BLOCK + "      - {mixer: {type: windowed, |", ("windows", "heads"), ("type", "rank")),
    "fields in block style": (
        BLOCK + "      - mixer:\n          type: windowed\n          |\n", ("windows", "heads"), ("rank",),
    ),
    "fields of the default type": ("defaults: {mixer: lowrank}\nhead: [{mixer: {|}}]", ("rank",), ("windows",)),
    "roles and wiring": (BLOCK + "      - |", ("mixer", "mlp", "use", "residual"), ("depth",)),
    "wiring beside a role": (BLOCK + "      - {mlp: {}, |}", ("residual", "at"), ("mixer", "use")),
    "words of a field": (BLOCK + "      - {mixer: {type: global, activation: |}}", ("softmax", "relu"), ("pre",)),
    "truths": (BLOCK + "      - {mlp: {bias: |}}", ("true", "false"), ("none",)),
    "words in a list": (BLOCK + "      - {mixer: {type: global, qkv_bias: [q, |]}}", ("k", "v"), ("mixer",)),
    "norms": (BLOCK + "      - {mlp: {}, pre: |}", ("layer", "batch", "none"), ("global",)),
    "activations": (BLOCK + "      - {mlp: {activation: |}}", ("gelu", "relu"), ("layer",)),
    "pools and tokens": ("stages: [{tokens: [cls, dist]}]\nhead: {pool: |}", ("mean", "cls", "dist"), ("image",)),
    "streams": ("stages: [{stream: fine}, {body: [{write: kept}, {from: |", ("fine", "kept", "image"), ("mlp",)),
    "places": ("stages: [{tokens: [cls], body: [{at: |", ("cls", "grid", "first"), ("mlp",)),
    "defines": ("define: {a: {body: []}, b: {stage: {}}}\nstages: [{body: {use: |", ("a", "library.basic"), ("b",)),
    "defines that are stages": ("define: {a: {body: []}, b: {stage: {}}}\nstages: [{use: |", ("b",), ("a",)),
    "arguments": ("define: {a: {args: [n], body: []}}\nstages: [{body: {use: a, |", ("n", "residual"), ("mlp",)),
    "variables": ("vars: {wide: 3}\nstages: [{depth: $|", ("wide", "dim"), ("mlp",)),
    "variables in an expression": ("vars: {wide: 3}\nstages: [{depth: $(2 * wi|)", ("wide", "index"), ("depth",)),
    "arguments as variables": (
        "define:\n  a:\n    args: [n]\n    body: [{linear: $|}]\n", ("n", "dim"), ("mlp",),
    ),
    "keys of the file": ("stages: []\n|", ("head", "vars", "extends"), ("stages", "depth")),
    "keys of the image": ("input: {|}\nstages: []", ("size", "mean"), ("depth",)),
    "keys of windows": (BLOCK + "      - {mlp: {}, windows: {size: 7, |}}", ("shift", "fit"), ("size",)),
    "keys of defaults": ("defaults: {|}\nstages: []", ("mixer", "norm", "layer_scale"), ("windows",)),
    "keys of a define": ("define: {a: {args: [], |}}", ("body", "stage", "optional"), ("args",)),
    "families of initial values": ("init: {|}\nstages: []", ("linear", "norm"), ("mixer",)),
    "keys of a decision": ("stages: [{depth: {choose: [1, 2], |", ("each", "when"), ("mixer",)),
    "an alternative": (BLOCK + "      - {mixer: {choose: [{type: |", ("global", "class"), ("patch",)),
    "shipped specs": ("extends: dei|", ("deit_tiny", "hybrid"), ("digits_distilled",)),
    "kinds of losses": ("epochs: 3\noptimizer: {}\nlosses: {a: {type: |", ("cross_entropy",), ("mixer",)),
    "fields of a loss": ("epochs: 3\noptimizer: {}\nlosses: {a: {type: distillation, |", ("teacher",), ("crop",)),
    "samplers": ("space: a\nobjectives: {}\nsampler: {type: |", ("evolution", "tpe"), ("mixer",)),
    "rungs": ("space: a\nobjectives: {}\nrungs: [{type: |", ("train", "latency"), ("mixer",)),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted", "unwanted"), WORDS.values(), ids=WORDS.keys())
def test_what_is_offered(text, wanted, unwanted):
    found = labels(text)
    assert set(wanted) <= set(found)
    assert set(unwanted).isdisjoint(found)
    assert len(found) == len(set(found))


REPLACED = {
    "stages: [{tokenizer: {type: pa|, size: 3}}]": "stages: [{tokenizer: {type: patch, size: 3}}]",
    "stages:\n  - de|\n    body: []\n": "stages:\n  - depth: \n    body: []\n",
    "stages: [{d|ep: 3}]": "stages: [{depth: 3}]",
    "vars: {wide: 1}\nstages: [{depth: $(2 * w|i)}]": "vars: {wide: 1}\nstages: [{depth: $(2 * wide)}]",
}


@pytest.mark.parametrize(("text", "wanted"), REPLACED.items())
def test_what_is_typed_is_replaced(text, wanted):
    assert [accepted(text.replace("|", ""), each) for each in offered(text)].count(wanted) == 1


def test_files_beside_are_offered_to_extend(tmp_path):
    for name in ("base.yaml", "b a.yaml", "notes.txt", "mine.yaml", ".0123456789abcdef0123456789abcdef.yaml"):
        (tmp_path / name).touch()
    found = labels("extends: |", tmp_path / "mine.yaml")
    assert found[0] == "base.yaml"
    assert {"b a.yaml", "notes.txt", "mine.yaml"}.isdisjoint(found)


def test_names_of_extended_files_are_offered(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "vars: {wide: 3}\ndefine: {a: {args: [n], body: []}}\nstages: [{tokens: [cls]}]"
    )
    path = tmp_path / "mine.yaml"
    assert "wide" in labels("extends: base\nclasses: $|", path)
    assert "a" in labels("extends: base\nhead: {body: [{use: |", path)
    assert "n" in labels("extends: base\nhead: {body: [{use: a, |", path)
    assert "cls" in labels("extends: base\nhead: {pool: |", path)


@pytest.mark.parametrize("text", ["# |", "stages: []  # a |", "name: |", "a: {b: {c: |}}", "paper: {title: |}"])
def test_nothing_is_offered_where_anything_may_stand(text):
    assert [each for each in offered(text) if each.kind == "key"] == []
