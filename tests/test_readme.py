"""The README says what is so: its commands print what stands there, its code runs, its spec is the shipped one."""

import re
import shlex
from pathlib import Path

import pytest

import vitdsl
from vitdsl.cli import main

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [(kind, text) for kind, text in BLOCK.findall(README)]


def blocks(kind: str) -> list[str]:
    return [text for other, text in BLOCKS if other == kind]


@pytest.mark.parametrize("text", blocks("console"), ids=lambda text: text.partition("\n")[0])
def test_commands_print_what_stands_there(text, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    command, _, expected = text.partition("\n")
    program, *arguments = shlex.split(command.removeprefix("$ "))
    assert program == "vitdsl"
    main(arguments)
    assert "".join(capsys.readouterr()) == expected


@pytest.mark.parametrize("text", blocks("python"))
def test_code_runs(text, capsys):
    exec(compile(text, "README.md", "exec"), {})
    assert "parameters" in capsys.readouterr().out


def test_the_spec_is_the_shipped_one():
    (text,) = blocks("yaml")
    assert text == (ROOT / "specs" / "cvt13.yaml").read_text(encoding="utf-8")
    assert vitdsl.load(text) == vitdsl.load("cvt13")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_set_up_commands():
    assert [text.strip() for text in blocks("sh") if "search" not in text] == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/vitdsl build specs/cvt13.yaml",
        'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest',
    ]


def test_the_commands_of_a_search_are_there(capsys):
    (text,) = [text for text in blocks("sh") if "search" in text]
    install, *lines = text.splitlines()
    assert install == '.venv/bin/pip install ".[search]"'
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == ".venv/bin/vitdsl"
        names = [argument for argument in arguments if not argument.startswith("-")][:2]
        assert main([*names, "--help"]) == 0
        assert all(option in capsys.readouterr().out for option in arguments if option.startswith("--"))
    assert (ROOT / "specs" / "searches" / "digits.yaml").is_file()
