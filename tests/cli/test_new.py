"""`vitdsl new` and `vitdsl schema`."""

import json

import vitdsl


def test_it_is_a_right_spec(run, tmp_path):
    path = tmp_path / "mine.yaml"
    found = run("new", "mine", "-o", path)
    assert found.code == 0, found.err
    assert path.read_text().startswith("# yaml-language-server: $schema=vitdsl.schema.json\n")
    checked = run("check", path)
    assert checked.code == 0, checked.err
    assert not checked.err
    assert vitdsl.load(path).name == "mine"
    assert run("new", "mine", "-o", "-").out == path.read_text()
    assert json.loads(run("new", "mine", "-o", "-", "--json").out)["text"] == path.read_text()


def test_it_becomes_a_file_of_its_name(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("new", "mine").out == "mine.yaml written; next: vitdsl check mine.yaml\n"
    assert run("check", "mine.yaml").code == 0
    again = run("new", "mine")
    assert again.code == 2
    assert "'mine.yaml' is there already: `-o FILE` writes another" in again.err
    assert json.loads(run("new", "other", "--json").out) == {"written": "other.yaml"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "other.yaml"]


def test_what_is_commented_out_works(run, tmp_path):
    lines = run("new", "mine", "-o", "-").out.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("  # - tokenizer: merge"))
    lines[first : first + 4] = [line.replace("# ", "", 1) for line in lines[first : first + 4]]
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(lines))
    checked = run("check", path)
    assert checked.code == 0, checked.err
    assert len(vitdsl.load(path).model.stages) == 2


def test_files_are_not_written_over(run, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    found = run("new", "mine", "-o", path)
    assert found.code == 2
    assert "is there already" in found.err
    assert path.read_text() == "mine"
    for name in ("no name", "../mine", "", "a" * 200, "x\x1b[31m"):
        assert run("new", name).code == 2
    assert run("new", "mine", "--set", "classes=7").code == 2


def test_the_schema_is_printed_and_written_alike(run, tmp_path):
    path = tmp_path / "vitdsl.json"
    printed, written = run("schema"), run("schema", "-o", path)
    assert printed.code == written.code == 0
    assert json.loads(printed.out) == json.loads(path.read_text())
    assert str(path) in written.out


def test_the_schema_of_recipes(run, tmp_path):
    path = tmp_path / "recipe.json"
    printed, written = run("schema", "--recipe"), run("schema", "--recipe", "-o", path)
    assert printed.code == written.code == 0
    found = json.loads(printed.out)
    assert found == json.loads(path.read_text())
    assert found["title"] == "vitdsl recipe"
    assert found["properties"]["epochs"]["description"] == "passes over the training images."
