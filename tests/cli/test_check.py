"""`vitdsl check`."""

import json

import pytest

from tests.packages import installed
from vitdsl.resolve.extends import resolve
from vitdsl.resolve.files import shipped
from vitdsl.validate import FILE
from vitdsl.validate.streams import unread

SPECS = sorted(path.stem for path in shipped().glob("*.yaml"))


def test_every_shipped_spec_is_right(run):
    found = run("check", *SPECS)
    assert found.code == 0
    assert all(": no output reads " in line for line in found.err.splitlines())
    assert [line.split()[:2] for line in found.out.splitlines()] == [["ok", name] for name in SPECS]


def test_every_file_is_judged(run, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("stages:\n  - {tokeniser: patch}\nheads: 3\n")
    found = run("check", wrong, "cvt13", "no_such_spec")
    assert found.code == 1
    assert found.out.split() == ["ok", "cvt13", "19,997,480", "parameters", "4.57", "GMACs"]
    assert f"{wrong}:2:" in found.err
    assert f"{wrong}:3:1" in found.err
    assert "no_such_spec" in found.err


def test_json(run, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("stages: [{depht: 3}]\n")
    found = run("check", "deit_tiny", wrong, "--json")
    good, bad = json.loads(found.out)
    assert found.code == 1
    assert good == {
        "spec": "deit_tiny", "ok": True, "name": "deit_tiny", "params": 5717416, "macs": good["macs"], "warnings": [],
    }  # fmt: skip
    (problem,) = bad["problems"]
    assert problem == {
        "code": "E201", "message": "unknown key `depht`", "path": "stages[0].depht", "file": str(wrong), "line": 1,
        "column": 11, "hint": "did you mean 'depth'?",
    }  # fmt: skip


def test_a_recipe_is_checked_as_one(run, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("extends: deit\nname: own\nepochs: 5\nlosses: {a: cross_entrpy}\n")
    found = run("check", "deit_hard", own, "cvt13")
    assert found.code == 1
    assert found.out.splitlines()[0] == "ok  deit_hard  a recipe: 300 epochs, 1,024 images a step"
    assert f"{own}:4:13: losses.a" in found.err
    assert "there is no loss `cross_entrpy`" in found.err
    (good,) = json.loads(run("check", own, "--set", "losses.a=cross_entropy", "--json").out)
    assert good == {
        "spec": str(own), "ok": True, "name": "own", "kind": "recipe", "epochs": 5, "batch": 1024, "warnings": [],
    }  # fmt: skip


READ = """\
stages:
  - tokenizer: {type: patch, size: 16, dim: 32}
    tokens: [cls]
    depth: 1
    block: [mlp, {write: MINE}]
head: {norm: layer, pool: cls}
"""


def test_a_stream_that_nothing_reads_is_a_warning(run, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(READ.replace("MINE", "left"))
    found = run("check", path)
    assert found.code == 0
    assert f"warning: model: {path}:5:26: stages[0].block[1].write\n  nothing reads the stream 'left'" in found.err


@pytest.mark.parametrize("head", ["{from: left, pool: cls}", "[{pool: cls}, {at: left.grid, mlp: {}}]"])
def test_a_stream_that_something_reads_is_none(head):
    text = READ.replace("MINE", "left").replace("{norm: layer, pool: cls}", head)
    assert unread(resolve(text, None, FILE)) == []


def test_streams_of_stages():
    patch = "tokenizer: {type: patch, size: 16, dim: 8}"
    stages = [f"{{stream: a, {patch}}}", f"{{stream: b, from: image, {patch}}}", "{body: [mlp]}"]
    text = "\n  - ".join(["stages:", *stages]) + "\nhead: {pool: mean}\n"
    assert [name for name, _, _ in unread(resolve(text, None, FILE))] == ["a"]
    assert unread(resolve(text.replace("body: [mlp]", "body: [{at: a, mlp: {}}]"), None, FILE)) == []


def test_what_no_output_reads_is_a_warning(run, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(READ.replace("{write: MINE}", "{at: grid, mlp: {hidden: 3}}"))
    found = run("check", path)
    assert found.code == 0
    assert found.err.startswith("warning: model: no output reads ")
    assert "stages.0.block.0.1.mlp.fc1, stages.0.block.0.1.mlp.fc2: their weights load" in found.err


def test_a_stream_that_a_define_writes_over_its_users(run, tmp_path):
    path = tmp_path / "over.yaml"
    path.write_text(
        "define: {d: {body: [{linear: 16}, {write: a}]}}\nstages:\n  - tokenizer: {type: patch, size: 16, dim: 16}\n"
        "    body: [{write: a}, {use: d}, {from: a}]\nhead: {pool: mean}\n",
        encoding="utf-8",
    )
    found = run("check", path)
    assert found.code == 0
    assert (
        f"{path}:1:43: define.d.body[1].write\n  the define 'd' writes the stream 'a', and so does its user"
        in found.err
    )


PLAIN = "stages:\n  - {tokenizer: {type: patch, size: 16, dim: 32}, body: [mlp]}\n"
MAPS = "the head has no `pool`: it classifies each token, and gives 14x14·1000 [W015]\n"


@pytest.mark.parametrize(
    ("rest", "place"),
    [
        ("", "1:1: head"),
        ("head: {norm: layer}", "3:7: head"),
        ("head: {norm: layer, pool: mean}", None),
        ("head: {norm: layer, layout: map}", None),
        ("head: [{norm: layer}, classifier]", None),
        ("head: {norm: layer}\nclasses: 0", None),
    ],
)
def test_a_head_that_pools_nothing(run, tmp_path, rest, place):
    path = tmp_path / "spec.yaml"
    path.write_text(PLAIN.replace("[mlp]", "[mlp], norm: layer") + rest + "\n")
    found = run("check", path)
    assert found.code == 0
    assert MAPS in found.err if place else not found.err
    assert place is None or found.err.startswith(f"warning: model: {path}:{place}\n  {MAPS}")


def test_warnings_of_every_kind_are_printed(run, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(PLAIN.replace("[mlp]", "[{mixer: {type: global, heads: 2}, post: rms}]") + "head: {pool: mean}\n")
    found = run("check", path)
    assert found.code == 0
    assert [line for line in found.err.splitlines() if line.startswith("warning")] == [
        f"warning: model: {path}:2:58: stages[0].body[0]",
        "warning: model: stages.0.body.0.mixer",
        "warning: model: stages.0.body.0",
    ]
    assert json.loads(run("check", path, "--json").out)[0]["warnings"] == [
        text.removesuffix("\n") for text in found.err.split("warning: model: ")[1:]
    ]


def test_a_part_of_another_package_that_has_a_name_of_ours(run, tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(PLAIN + "head: {norm: layer, pool: mean}\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with installed(tmp_path / "a", "one", patch="tokenizer", squeeze="squeeze", mine="mine"):
        text = "`patch` is the part of vitdsl here: that of one, which has the same name, is hidden [W016]"
        assert run("check", path).err.startswith(f"warning: model: {text}\n  hint: ")
        assert run("check", path).err.count("warning") == 1
        with installed(tmp_path / "b", "two", mine="mine"):
            path.write_text(PLAIN.replace("[mlp]", "[{mine: {dim: 32}}, mlp]") + "head: {norm: layer, pool: mean}\n")
            assert (
                "`mine` is the part of one here: that of two, which has the same name, is hidden [W016]"
                in run("check", path).err
            )


def test_files_of_every_kind_are_checked(run):
    folder = shipped()
    files = [folder / name for name in ("spaces/digits.yaml", "searches/digits.yaml", "library/basic.yaml")]
    found = run("check", *files)
    assert found.code == 0
    assert found.out.splitlines() == [
        "ok  digits  a space: 168 architectures",
        "ok  digits  a search of digits: 40 trials",
        "ok  basic   a define with the arguments channels, stride, shortcut",
    ]
    plain = json.loads(run("check", *files, "--json").out)
    assert [(each["kind"], each["warnings"]) for each in plain] == [("space", []), ("search", []), ("define", [])]
    assert (plain[0]["architectures"], plain[1]["trials"]) == (168, 40)


@pytest.mark.parametrize(("name", "good", "slip", "place"), [
    ("spaces/digits", "depth", "depht", "depht"), ("searches/digits", "trials", "trails", "budget.trails"),
    ("library/basic", "conv:", "cnv:", "body"),
])  # fmt: skip
def test_what_is_wrong_with_them_is_said_at_its_place(run, tmp_path, name, good, slip, place):
    text = (shipped() / f"{name}.yaml").read_text()
    assert good in text
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(good, slip, 1))
    (found,) = json.loads(run("check", wrong, "--json").out)
    assert not found["ok"]
    assert any(place in problem["path"] and problem["line"] for problem in found["problems"])


@pytest.mark.parametrize(("kind", "text", "user"), [
    ("search", "space: digits\nobjectives: {accuracy: maximize}\nrungs: [{type: train}]\nbudget: {trials: 1}\n",
     "a search, for `vitdsl search`"),
    ("recipe", "extends: digits\nepochs: none\n", "a recipe, for `vitdsl train`"),
    ("define", "args: [a]\nbody: [{linear: $b}]\n", "a define, for `use` in a spec"),
])  # fmt: skip
def test_of_a_wrong_file_it_is_said_what_it_is_for(run, tmp_path, kind, text, user):
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    found = run("check", path)
    assert found.code == 1
    assert found.err.splitlines()[0] == f"{path} is {user}"
    assert [each["kind"] for each in json.loads(run("check", path, "--json").out)] == [kind]


def test_nothing_is_put_into_a_define_alone(run):
    found = run("check", shipped("library") / "basic.yaml", "--set", "args=[a]")
    assert found.code == 1
    assert "nothing can be put into a define alone" in found.err
