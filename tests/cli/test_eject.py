"""`vitdsl eject`."""

import json

import pytest
import torch

import vitdsl
from tests.cli.test_build import TINY
from tests.compiler.ejected import module_of


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def model_of(text):
    return module_of(text)["Model"]()


def test_the_file_is_the_model(run, tiny, tmp_path):
    file = tmp_path / "model.py"
    found = run("eject", tiny, "-o", file)
    assert found.code == 0, found.err
    text = file.read_text(encoding="utf-8")
    assert text == vitdsl.eject(tiny)
    assert found.out == f"{len(text.splitlines())} lines written to {file}\n"
    model = vitdsl.build(tiny).eval()
    ejected = model_of(text).eval()
    ejected.load_state_dict(model.state_dict())
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(ejected(image), model(image))


def test_without_a_file_it_is_printed(run, tiny):
    found = run("eject", tiny)
    assert found.code == 0
    assert found.out == vitdsl.eject(tiny) + "\n"
    assert not found.err


def test_json_says_what_was_written(run, tiny, tmp_path):
    file = tmp_path / "model.py"
    found = run("eject", tiny, "-o", file, "--json")
    assert json.loads(found.out) == {"written": str(file), "lines": len(file.read_text().splitlines())}


def test_size_and_set(run, tiny):
    found = run("eject", tiny, "--size", "64x32", "--set", "classes=7", "--set", "stages[0].position=learned")
    state = model_of(found.out).state_dict()
    assert state["head.classifier.weight"].shape == (7, 16)
    assert state["stages.0.position.weight"].shape == (1, 33, 16)


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["missing_spec"], 1, "there is no spec `missing_spec`"), (["-o", "a.txt"], 2, ".py"),
    (["--size", "x"], 2, "--size"),
    (["--set", "classes=-1"], 1, "classes"), (["-o", "no/such/folder/a.py"], 2, "no/such/folder"),
])  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_written(run, tiny, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    spec = [] if arguments[0] == "missing_spec" else [tiny]
    found = run("eject", *spec, *arguments)
    assert found.code == code, found.err
    assert said in found.err
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
