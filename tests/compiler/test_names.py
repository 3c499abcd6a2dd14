"""Names are data: whatever something is called, it is refused at its place, or built, run and shown."""

import json
from typing import Any

import pytest
import torch
from torch import nn

import vitdsl
from tests.hostile import FEW, TEXTS, WORDS
from vitdsl.cli.build import run_once
from vitdsl.compiler.containers import Body
from vitdsl.graph.graph import Graph
from vitdsl.graph.paths import paths
from vitdsl.spec import Spec
from vitdsl.syntax.names import module_fault

PLACES = {
    "file": "name: NAME",
    "token": "tokens: [NAME]",
    "pooled": "tokens: [NAME, other]\n    norm: layer\nhead: {pool: [NAME, other]}",
    "stage": "name: NAME",
    "item": "body: [{mlp: {ratio: 1}, name: NAME}]",
    "item_inside": "body: [{residual: true, pre: layer, layer_scale: 1, body: [{name: NAME, norm: layer}]}]",
    "item_repeated": "body: [{repeat: 2, name: NAME, body: [{repeat: 2, name: NAME, mlp: {ratio: 1}}]}]",
    "item_of_block": "depth: 2\n    block: [{mlp: {ratio: 1}, name: NAME}]",
    "stream": "stream: NAME\n    depth: 2\n    block: [{at: NAME, mlp: {ratio: 1}}]",
    "write": "body: [{write: NAME}, {repeat: 2, from: NAME, mlp: {ratio: 1}, write: NAME}]",
    "two": "body: [{write: NAME}, {write: NAME_}, {repeat: 2, body: [{from: NAME, write: other}, {from: NAME_}]}]",
    "windows": "body: [{windows: 2, body: [{write: NAME}, {repeat: 2, from: NAME, mlp: {ratio: 1}}]}]",
    "append": "body: [{repeat: 2, body: [{from: first, write: 'NAME[]'}]}]\n  - {stream: NAME}",
    "output": "norm: layer\nhead: {outputs: {NAME: [{pool: mean}, classifier], other: [{pool: mean}, classifier]}}",
    "training": "body: [{write: NAME}]\nhead: {pool: mean, training: [NAME]}",
    "point": "body: [{point: NAME}]",
    "define": "body: [{use: NAME}]\ndefine: {NAME: {body: [{mlp: {ratio: 1}}]}}",
    "argument": "body: [{use: d, NAME: 2}]\ndefine: {d: {args: [NAME], body: [{mlp: {ratio: $NAME}}]}}",
    "optional": "body: [{use: d, NAME: 2}]\ndefine: {d: {optional: {NAME: 1}, body: [{mlp: {ratio: $NAME}}]}}",
    "variable": "body: [{mlp: {ratio: $(NAME * 2)}}]\nvars: {NAME: 1}",
}
"""What stands in a stage, and below it in the file, with `NAME` where the name is."""


TITLES = ("1a", "a-b", "a.b", "a" * 65, "1", "1e3")
"""What a file may be called, though it is no identifier."""


def written(place: str, name: str) -> str:
    """A file in which something is called so."""
    below = PLACES[place]
    for mark in ("'NAME[]'", "$(NAME * 2)", "$NAME", "NAME_", "NAME"):
        inner = mark.strip("'").replace("NAME", name)
        below = below.replace(mark, "\0" if mark == "NAME" else json.dumps(inner).replace("NAME", "\1"))
    below = below.replace("\0", json.dumps(name)).replace("\1", "NAME")
    head = "" if "\nhead:" in below else "\nhead: {pool: mean}"
    first = "tokenizer: {type: patch, size: 4, dim: 8}"
    if place == "file":
        return f"{below}\ninput: {{size: 16}}\nclasses: 3\nstages:\n  - {first}\nhead: {{pool: mean}}\n"
    return f"name: v\ninput: {{size: 16}}\nclasses: 3\nstages:\n  - {first}\n    {below}{head}\n"


def judged(file: str) -> str:
    """`refused`, at a place and in words that no terminal obeys, or `built`."""
    try:
        spec = vitdsl.load(file)
        graph = spec.graph()
    except vitdsl.SpecError as error:
        problems, said = error.problems, str(error)
    else:
        check_built(spec, graph)
        return "built"
    assert all(problem.mark for problem in problems), said
    assert said.replace("\n", "").isprintable(), repr(said)
    return "refused"


def check_built(spec: Spec, graph: Graph) -> None:
    """The model runs, whole and in parts, in both modes; what is shown of it prints, and its code is Python."""
    model = vitdsl.build(spec)
    run_once(model, graph)
    model.train()(torch.rand(2, 3, 16, 16))
    model.forward_head(model.forward_features(torch.rand(1, 3, 16, 16)))
    shown: list[Any] = [str(graph), spec.dump(), model.code, str(paths(spec))]
    assert all(each.replace("\n", "").isprintable() for each in shown)
    compile(shown[2], "code", "exec")


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_identifier_is_no_name(place):
    found = {name: judged(written(place, name)) for name in TEXTS}
    assert [name for name in TEXTS if found[name] == "built"] == [name for name in TITLES if place == "file"]


@pytest.mark.parametrize("place", PLACES)
def test_a_name_that_means_something_elsewhere(place):
    assert {judged(written(place, name)) for name in FEW} >= {"built"}


@pytest.mark.full
@pytest.mark.parametrize("place", PLACES)
def test_any_name_that_means_something_elsewhere(place):
    assert {judged(written(place, name)) for name in WORDS} >= {"built"}


def test_what_modules_call_their_own_is_known():
    own = {name for cls in (nn.Module, Body) for name in dir(cls()) if not name.startswith("_")}
    assert own <= {name for name in own if module_fault(name)}
