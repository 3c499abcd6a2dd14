"""`vitdsl diff`."""

import json

import pytest

from tests.cli.test_build import TINY


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def test_equal_specs(run, tiny):
    found = run("diff", tiny, tiny)
    assert (found.code, found.err) == (0, "")
    assert "A and B say the same" in found.out


def test_settings_for_both_and_for_one(run, tiny):
    found = run("diff", tiny, tiny, "--set", "classes=7", "--set-b", "classes=6", "--json")
    plain = json.loads(found.out)
    assert [(each["a"]["value"], each["b"]["value"]) for each in plain["spec"]] == [(7, 6)]
    assert run("diff", tiny, tiny, "--set-a", "classes=6", "--set-b", "classes=6").out.count("say the same") == 1


def test_tables(run, tiny):
    found = run("diff", tiny, tiny, "--set-b", "classes=6")
    assert found.code == 0
    for words in ("Written", "Graph", "Costs", "Weights", "head.classifier", "other shape"):
        assert words in found.out


def test_a_page(run, tiny, tmp_path):
    file = tmp_path / "a.html"
    found = run("diff", tiny, tiny, "--set-b", "classes=6", "-o", file)
    assert found.out == f"written to {file}\n"
    assert "head.classifier" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["missing_spec"], 1, "there is no spec `missing_spec`"), ([], 2, "B"), (["tiny.yaml", "-o", "a.txt"], 2, ".html"),
    (["tiny.yaml", "--set-b", "classes=-1"], 1, "classes"), (["tiny.yaml", "--set-a", "x"], 2, "PATH=VALUE"),
    (["tiny.yaml", "--size", "x"], 2, "--size"),
])  # fmt: skip
def test_what_is_wrong_is_said(run, tiny, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    found = run("diff", "tiny.yaml", *arguments)
    assert found.code == code, found.err
    assert said in found.err
