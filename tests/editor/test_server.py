"""The language server as an editor has it: a process that is spoken to over stdin and stdout."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.editor.client import Client
from tests.editor.texts import WRONG, shipped_text, slips, typed
from vitdsl.cli import main

GOOD = """\
stages:
  - tokenizer: {type: patch, size: 16, dim: 32}
    position: learned
    body: [mlp]
head: {norm: layer, pool: mean}
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as started:
        yield started
        assert started.logged == []


Said = tuple[int, str, str, int | None, int | None]
"""A severity, a code, a message with its hint, and line and column from 1."""


def checked(path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> list[Said]:
    """What `vitdsl check` says of a saved text."""
    path.write_text(text, encoding="utf-8", newline="")
    capsys.readouterr()
    main(["check", str(path), "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    errors: list[Said] = []
    for each in found.get("problems", ()):
        message = each["message"] + (f"\nhint: {each['hint']}" if each["hint"] else "")
        errors.append((1, each["code"], message, each["line"], each["column"]))
    return errors + [(2, re.findall(r"\[(W\d+)\]", each)[0], each, None, None) for each in found.get("warnings", ())]


def agree(said: list[dict[str, Any]], wanted: list[Said], text: str) -> None:
    """Diagnostics are what `check` says, each where it stands."""
    assert len(said) == len(wanted), (said, wanted)
    for found, (severity, code, message, line, column) in zip(said, wanted, strict=True):
        first = found["message"].partition("\nhint")[0]
        assert (found["severity"], found.get("code", "")) == (severity, code)
        assert found["message"].startswith(message) if severity == 1 else first in message
        start, end = found["range"]["start"], found["range"]["end"]
        assert (start["line"], start["character"]) <= (end["line"], end["character"])
        if line is not None and column is not None:
            units = len(text.split("\n")[line - 1][: column - 1].encode("utf-16-le")) // 2
            assert (start["line"], start["character"]) == (line - 1, units)


def states() -> list[str]:
    """Fifty moments of writing specs, good, half-written and bad ones."""
    tiny, levit = shipped_text("deit_tiny"), shipped_text("levit_128s")
    wrong = [path.read_text(encoding="utf-8") for path in WRONG[:: len(WRONG) // 10]][:10]
    return [tiny, levit, *typed(tiny, 15), *slips(tiny, 12, 3), *slips(levit, 12, 4), *wrong]


def test_diagnostics_are_what_check_says(client, tmp_path, capsys):
    path = tmp_path / "mine.vit.yaml"
    moments = states()
    assert len(moments) >= 50
    bad = 0
    for text in moments:
        wanted = checked(path, text, capsys)
        agree(client.write(path, text), wanted, text)
        bad += any(severity == 1 for severity, *_ in wanted)
    assert 25 < bad < len(moments) - 3


@pytest.mark.parametrize("name", ["recipes/deit", "spaces/hybrid", "library/basic"])
def test_files_of_every_kind_are_checked(client, tmp_path, capsys, name):
    path, text = tmp_path / f"{name.rpartition('/')[2]}.yaml", shipped_text(name)
    assert client.write(path, text) == []
    bad = 0
    for each in islice(slips(text, 40, 5), 12):
        wanted = checked(path, each, capsys)
        agree(client.write(path, each), wanted, each)
        bad += bool(wanted)
    assert bad


def test_every_wrong_spec_has_its_errors(client, tmp_path, capsys):
    path = tmp_path / "wrong.vit.yaml"
    for wrong in WRONG[::4]:
        text = wrong.read_text(encoding="utf-8")
        agree(client.write(path, text), checked(path, text, capsys), text)


def test_questions_at_every_position(client, tmp_path):
    path = tmp_path / "asked.vit.yaml"
    for text in (shipped_text("swin_tiny"), shipped_text("swin_tiny")[:700] + "\n  - {tokenizer: {type: "):
        client.write(path, text)
        client.hints(path)
        for number, line in enumerate(text.split("\n")):
            for column in range(0, len(line) + 2, 9):
                for method in ("hover", "completion", "definition"):
                    client.at(method, path, number, column)
    assert client.logged == []


def test_columns_are_counted_as_the_editor_counts_them(client, tmp_path):
    path = tmp_path / "emoji.vit.yaml"
    text = '{name: a, paper: {title: "😀😀"}, stages: [{depht: 1}]}'
    (found,) = [each for each in client.write(path, text) if "depht" in each["message"]]
    units = len(text[: text.index("depht")]) + 2
    assert found["range"] == {"start": {"line": 0, "character": units}, "end": {"line": 0, "character": units + 5}}
    (action,) = client.actions(path, found["range"])
    assert action["edit"]["changes"][path.as_uri()][0]["range"] == found["range"]
    assert client.at("hover", path, 0, units - 10)["contents"]["value"].startswith("```yaml\nstages:")


OTHERS = {
    ".gitlab-ci.yml": "stages: [build, test]\nextends: .base\nbuild: {stage: build}\n",
    "compose.yaml": "services: {a: {image: b, build: .}}\n",
    ".eslintrc.yaml": "extends: eslint:recommended\nrules: {}\n",
    "values.yaml": "body: 1\n",
    "pipeline.yaml": "stages:\n- {name: a, jobs: []}\n- stage: b\n",
    "empty.yaml": "",
}


@pytest.mark.parametrize(("name", "text"), OTHERS.items())
def test_files_of_other_programs_are_left_alone(client, tmp_path, name, text):
    path = tmp_path / name
    assert client.write(path, text) == []
    assert client.at("hover", path, 0, 1) is None
    assert client.at("completion", path, 0, 1)["items"] == []
    assert client.hints(path) == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_comment_or_a_name_says_that_a_file_is_ours(client, tmp_path, name):
    assert client.write(tmp_path / name, f"# a comment\n# vitdsl spec\n{OTHERS[name]}")
    assert client.write((tmp_path / name).with_suffix(".vit.yaml"), OTHERS[name])


def test_a_file_stays_ours_while_it_is_open(client, tmp_path):
    path = tmp_path / "spec.yaml"
    assert client.write(path, GOOD) == []
    assert client.write(path, GOOD.replace("stages", "stagez"))


def test_settings_name_files(tmp_path):
    with Client({"files": ["**/*.model.yaml"]}) as client:
        assert client.write(tmp_path / "a.model.yaml", "steges: []")
        assert client.write(tmp_path / "a.vit.yaml", "steges: []") == []


def test_texts_of_extended_files_need_not_be_saved(client, tmp_path):
    base, child = tmp_path / "base.yaml", tmp_path / "child.yaml"
    base.write_text(GOOD)
    assert client.write(child, "extends: base\nhead: {pool: mean, headz: 3}\n")
    assert client.write(child, "extends: base\n") == []
    before = client.published[child.as_uri()]
    client.write(base, GOOD.replace("mlp", "mpl"))
    client.hints(base)
    assert client.published[child.as_uri()] == before + 1
    (found,) = client.said[child.as_uri()]
    assert "unknown operator `mpl`" in found["message"]
    assert found["range"]["start"] == {"line": 0, "character": 9}
    (place,) = found["relatedInformation"]
    assert place["location"]["uri"] == base.as_uri()
    client.tell("textDocument/didClose", {"textDocument": {"uri": base.as_uri()}})
    client.hints(child)
    assert client.said[child.as_uri()] == []


def test_plain_text_where_the_editor_shows_no_markdown(tmp_path):
    with Client(hover=("plaintext",)) as client:
        path = tmp_path / "a.yaml"
        client.write(path, GOOD)
        found = client.at("hover", path, 0, 2)["contents"]
        assert found == {"kind": "plaintext", "value": "stages: [stage]\n\nThe stages, in order.\n\nIt must be given."}


def test_a_text_without_a_file(client):
    uri = "untitled:Untitled-1"
    item = {"uri": uri, "languageId": "yaml", "version": 1, "text": GOOD.replace("mlp", "mpl")}
    client.tell("textDocument/didOpen", {"textDocument": item})
    while uri not in client.said:
        client._next()
    (found,) = client.said[uri]
    assert "unknown operator `mpl`" in found["message"]
