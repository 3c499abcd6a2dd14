"""`vitdsl show`."""

import ast
import json

import pytest

import vitdsl
from vitdsl.resolve.files import shipped

STEPS = ("values", "spec", "expanded", "graph", "code")


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_printed(run, step):
    found = run("show", "cvt13", "--stage", step)
    assert found.code == 0, found.err
    assert found.out.strip()
    assert run("show", "cvt13", "--stage", step) == found
    assert run("show", "cvt13", "--stage", step, "--json").out != found.out
    json.loads(run("show", "cvt13", "--stage", step, "--json").out)


def test_the_graph_is_the_default(run):
    assert run("show", "deit_tiny") == run("show", "deit_tiny", "--stage", "graph")


def test_spec_loads_again(run):
    assert vitdsl.load(run("show", "cvt13", "--stage", "spec").out) == vitdsl.load("cvt13")


def test_what_cannot_be_expanded_is_refused(run, tmp_path):
    """The width is the height of what is split, not of the grid that the split leaves; the two stages have others."""
    file = tmp_path / "split.yaml"
    stage = "{tokenizer: {type: soft_split, kernel: [1, 2], stride: 2, dim: $(height)}}"
    file.write_text(f"input: {{size: 16}}\nclasses: 0\nhead: []\nstages: [{stage}, {stage}]\n")
    assert vitdsl.load(file).graph().frame.features[-1].dim == 8
    shown = run("show", file, "--stage", "expanded")
    assert shown.code == 1
    assert "a late value in `soft_split` reads the feature that enters it" in " ".join(shown.err.split())


def test_expanded_costs_the_same(run):
    ours, theirs = (vitdsl.load(text).analyze() for text in (run("show", "cvt13", "--stage", "expanded").out, "cvt13"))
    assert ours.cost == theirs.cost


def test_code_is_python(run):
    assert ast.parse(run("show", "cvt13", "--stage", "code").out)


def line_of(name, word):
    lines = shipped(f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if word in line)


def test_origins_name_file_and_line(run):
    found = run("show", "deit_tiny_distilled", "--stage", "values", "--origins", "--set", "classes=10")
    lines = {line.split(": ")[0]: line for line in found.out.splitlines()}
    assert lines["stages[0].tokens"].startswith("stages[0].tokens: [cls, dist] ")
    assert lines["stages[0].tokens"].endswith(
        f"{shipped('deit_tiny_distilled.yaml')}:{line_of('deit_tiny_distilled', 'tokens')}"
    )
    assert lines["stages[0].depth"].endswith(f"deit_tiny.yaml:{line_of('deit_tiny', 'depth')}")
    assert lines["classes"].endswith("--set:1")


def test_origins_as_json(run):
    rows = json.loads(run("show", "deit_tiny", "--stage", "values", "--origins", "--json").out)
    assert {
        "path": "name",
        "value": "deit_tiny",
        "file": str(shipped("deit_tiny.yaml")),
        "line": 1,
        "column": 7,
    } in rows


def test_axes(run):
    found = run("show", "cvt13", "--axes")
    assert found.code == 0, found.err
    assert "softmax" in found.out
    rows = json.loads(run("show", "cvt13", "--axes", "--json").out)
    assert rows
    assert {"bank", "selection", "kernel", "activation", "size"} <= rows[0].keys()


@pytest.mark.parametrize("more", [[], ["--stage", "expanded"]])
def test_paths(run, more):
    found = run("show", "cvt13", "--paths", *more, "--json")
    assert found.code == 0, found.err
    pairs = [(row["written"], row["module"]) for row in json.loads(found.out)]
    assert any(module.startswith("stages.2.block") for _, module in pairs)
    assert ("head.norm", "head.norm") in pairs
    assert ("stages[2].tokens", "stages.2.tokens") in pairs
    assert run("show", "cvt13", "--paths", *more).out.startswith("written")


def test_an_expanded_spec_that_does_not_fit_is_refused(run):
    found = run("show", "deit_tiny", "--stage", "expanded", "--set", "stages[0].block[0].mixer.heads=7")
    assert found.code == 1
    assert "must divide" in found.err


@pytest.mark.parametrize("options", [(), ("--stage", "values")])
def test_a_recipe_is_not_shown_as_a_spec(run, tmp_path, options):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: deit\nepochs: 3\n")
    found = run("show", path, *options)
    assert found.code == 1
    assert f"{path}:1:1: this is a recipe, not a spec" in found.err
    assert f"`vitdsl train SPEC --recipe {path}`" in found.err
