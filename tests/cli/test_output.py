"""Numbers and tables."""

import io
import json
import re
from pathlib import Path

from vitdsl.cli import output
from vitdsl.cli.output import echo, print_json, print_table

ROWS = [("a", "1"), ("long [b]name[/b]", "1,000")]


def test_plain_table(capsys):
    print_table(("name", "count"), ROWS, right=("count",))
    assert capsys.readouterr().out.splitlines() == [
        "name              count",
        "a                     1",
        "long [b]name[/b]  1,000",
    ]


def test_drawn_table_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout", Terminal())
    print_table(("name", "count"), ROWS, right=("count",))
    import sys

    text = sys.stdout.getvalue()
    assert "long [b]name[/b]" in text
    assert "─" in text


HOSTILE = "x\x1b]0;title\x07\x1b[31mred\u202e\x9b2J\u200b\r"


def test_nothing_that_a_terminal_obeys_is_printed(capsys):
    echo(HOSTILE)
    echo(HOSTILE, err=True)
    print_table(("name", HOSTILE), [(HOSTILE, "1")])
    print_json({HOSTILE: [HOSTILE, "ok\nline"]})
    said = capsys.readouterr()
    assert (said.out + said.err).replace("\n", "").isprintable()


def test_what_is_escaped_in_json_comes_back(capsys):
    print_json({HOSTILE: [HOSTILE, "ok\nline", "é"]})
    assert json.loads(capsys.readouterr().out) == {HOSTILE: [HOSTILE, "ok\nline", "é"]}


def test_commands_print_by_one_function():
    folder = Path(output.__file__).parent
    found = {
        path.name: len(re.findall(r"(?:typer|click)\.echo\(|(?<![\w.])print\(", path.read_text(encoding="utf-8")))
        for path in folder.glob("*.py")
    }
    assert {name for name, count in found.items() if count} == {"output.py"}
