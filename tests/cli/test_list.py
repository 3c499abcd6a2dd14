"""`vitdsl list`."""

import json

import vitdsl
from vitdsl.parts.registry import all_parts
from vitdsl.resolve.files import shipped


def test_specs(run):
    found = run("list")
    assert found.code == 0
    header, *rows = found.out.splitlines()
    assert header.split()[:3] == ["name", "parameters", "MACs"]
    assert [row.split()[0] for row in rows] == sorted(path.stem for path in shipped().glob("*.yaml"))
    assert next(row for row in rows if row.startswith("cvt13")).split()[1:5] == ["19,997,480", "4.57G", "20M", "4.5G"]


def test_specs_as_json(run):
    rows = {row["name"]: row for row in json.loads(run("list", "--json").out)}
    analysis = vitdsl.load("swin_tiny").analyze()
    assert rows["swin_tiny"]["params"] == analysis.params
    assert rows["swin_tiny"]["paper"]["arxiv"] == "2103.14030"


def test_parts(run):
    groups = json.loads(run("list", "--parts", "--json").out)
    parts = {(group["family"], part["type"]): part for group in groups for part in group["parts"]}
    expected = {(cls.family, kind) for kind, cls in all_parts().items() if cls.family != "internal"}
    assert parts.keys() == expected
    assert all(part["summary"] for part in parts.values())
    conv = parts["conv", "conv"]["fields"]
    assert conv["bias"] == {"type": "boolean", "required": False, "default": True}
    assert conv["kernel"] == {"type": "integer | [integer]", "required": False, "default": [1, 1]}
    assert conv["norm"]["type"] == "norm"
    assert parts["mixer", "windowed"]["fields"]["windows"]["required"]
    assert parts["mixer", "windowed"]["kind"] == "form"


def test_parts_as_text(run):
    found = run("list", "--parts")
    assert found.code == 0
    lines = found.out.splitlines()
    assert "conv  (a role)" in lines
    assert "    heads: integer" in lines
    assert "    windows: integer | [integer]  (required)" in lines


def test_what_cannot_be_loaded_is_said_and_the_rest_listed(run):
    found = run("list", "--set", "stages[2].depth=1")
    assert found.code == 1
    assert "stages[2].depth" in found.err
    assert "\ncvt13 " in found.out
    assert "\ndeit_tiny " not in found.out


def test_recipes(run):
    found = run("list", "--recipes")
    assert found.code == 0
    header, *rows = found.out.splitlines()
    assert header.split() == ["name", "epochs", "batch", "title"]
    assert [row.split()[0] for row in rows] == sorted(path.stem for path in shipped("recipes").glob("*.yaml"))
    (levit,) = (row.split(maxsplit=3) for row in rows if row.startswith("levit"))
    assert levit[:3] == ["levit", "1,000", "2,048"]
    assert levit[3].startswith("LeViT: a Vision Transformer in ConvNet's Clothing")


def test_recipes_as_json(run):
    (swin,) = json.loads(run("list", "hierarchical", "--recipes", "--json").out)
    assert (swin["name"], swin["epochs"], swin["batch"]) == ("swin", 300, 1024)
    assert swin["paper"]["arxiv"] == "2103.14030"


def test_lists_are_asked_for_one_at_a_time(run):
    assert run("list", "--recipes", "--parts").code == 2
    assert run("list", "--recipes", "--set", "epochs=3").code == 2
    assert "no shipped recipe has 'nothing_like_it'" in run("list", "--recipes", "nothing_like_it").err
