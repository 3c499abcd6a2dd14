"""`vitdsl space`, `sample`, `replay`."""

import json

import pytest

import vitdsl
from vitdsl.resolve.files import shipped


def test_the_shipped_spaces(run):
    found = run("space")
    assert found.code == 0
    rows = [line.split() for line in found.out.splitlines()[1:]]
    assert [row[0] for row in rows] == sorted(path.stem for path in shipped("spaces").glob("*.yaml"))
    assert ["digits", "5", "168"] in rows


def test_the_decisions_of_a_space(run):
    found = run("space", "autoformer_tiny")
    assert found.code == 0
    assert "stages[0].block[0].mixer.heads  3, 4           for each repetition" in found.out
    assert found.out.splitlines()[-1] == "autoformer_tiny: 4 decisions, 1,056,964,608 architectures (1.06e+09)"


def test_decisions_as_json(run):
    found = json.loads(run("space", "hybrid", "--json").out)
    assert found["size"] == vitdsl.Space("hybrid").size
    rows = {(row["path"], str(row.get("below"))): row for row in found["decisions"]}
    nested = next(row for (path, _), row in rows.items() if path == "stages[0].mix[0].stride")
    assert nested["below"] == {"path": "stages[0].mix", "option": "subsampled"}
    assert rows["stages[1]", "None"]["when"] == "$(layout == 'pyramid')"


def test_a_space_too_large_to_be_written_out(run, tmp_path):
    (tmp_path / "long.yaml").write_text(
        "stages: [{tokenizer: {type: patch, size: 16, dim: 16}, depth: 4000, block: "
        "[{mlp: {ratio: {range: [1, 1000000000], each: true}}}]}]\nhead: {pool: mean}\n",
        encoding="utf-8",
    )
    found = run("space", tmp_path / "long.yaml")
    assert found.code == 0
    assert "1 … 1000000000 (1,000,000,000)  for each repetition" in found.out
    assert found.out.splitlines()[-1] == "model: 1 decisions, 1.00e+36000 architectures"
    as_json = json.loads(run("space", tmp_path / "long.yaml", "--json").out)
    assert as_json["size"] == "1.00e+36000"
    assert as_json["decisions"][0]["range"] == [1, 10**9]
    assert as_json["decisions"][0]["count"] == 10**9


def test_samples_are_ordinary_specs_that_replay(run, tmp_path):
    found = run("sample", "digits", "-n", 4, "--seed", 1, "-o", tmp_path / "drawn")
    assert found.code == 0
    files = sorted((tmp_path / "drawn").glob("*.yaml"))
    assert len(files) == 4
    for file in files:
        spec = vitdsl.load(file)
        assert spec.name == file.stem == f"digits_{spec.hash[:8]}"
        assert run("check", file).code == 0
        again = run("replay", "digits", file)
        assert again.out == file.read_text(encoding="utf-8")
        log = tmp_path / "log.json"
        log.write_text(again.out.splitlines()[0].removeprefix("# decisions: "), encoding="utf-8")
        assert json.loads(run("replay", "digits", log, "--json").out)["hash"] == spec.hash


def test_the_same_seed_prints_the_same(run):
    assert run("sample", "digits", "-n", 2).out == run("sample", "digits", "-n", 2).out
    assert run("sample", "digits", "--seed", 5).out != run("sample", "digits", "--seed", 6).out


def test_every_architecture_of_a_small_space(run):
    rows = json.loads(run("sample", "digits", "-n", 168, "--json").out)
    assert len({row["name"] for row in rows}) == 168


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("space", "cvt13"), 1, "this spec has no holes"),
        (("space", "digit"), 1, "did you mean 'digits'?"),
        (("sample", "digits", "-n", 169), 2, "digits has 168 architectures"),
        (("replay", "digits", "missing.json"), 1, "missing.json: No such file"),
    ],
)
def test_wrong_calls(run, arguments, code, said):
    found = run(*arguments)
    assert found.code == code
    assert said in found.err


def test_a_file_without_decisions(run, tmp_path):
    (tmp_path / "a.yaml").write_text("name: a\n", encoding="utf-8")
    (tmp_path / "b.json").write_text("[", encoding="utf-8")
    assert "holds no decisions" in run("replay", "digits", tmp_path / "a.yaml").err
    assert "holds no JSON" in run("replay", "digits", tmp_path / "b.json").err


def test_nothing_that_fits_is_said(run, tmp_path):
    space = tmp_path / "odd.yaml"
    space.write_text(
        "stages: [{tokenizer: {type: patch, size: 16, dim: 16}, "
        "body: [{mixer: {type: global, heads: {choose: [3, 5]}}}]}]\nhead: {pool: mean}\n",
        encoding="utf-8",
    )
    found = run("sample", space)
    assert found.code == 1
    assert "1,000 draws in a row gave no other architecture that fits; 0 were found" in found.err
    assert "heads" in found.err
