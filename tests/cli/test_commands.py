"""Calls of commands that there are not."""

import pytest

from vitdsl.cli import main
from vitdsl.cli.commands import COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_misspelt_by_one_letter_is_answered_with_it(command, capsys):
    for wrong in {command[:at] + command[at + 1 :] for at in range(len(command))} | {f"{command}s", f"x{command}"}:
        if wrong in COMMANDS:
            continue
        assert main([wrong]) == 2
        said = capsys.readouterr().err
        assert f"no command '{wrong}'" in said
        assert f"did you mean '{command}'" in said or any(f"did you mean '{other}'" in said for other in COMMANDS)


def test_a_word_like_no_command_is_answered_with_the_help(capsys):
    assert main(["zzz"]) == 2
    said = capsys.readouterr().err
    assert "there is no command 'zzz'" in said
    assert "did you mean" not in said


def test_a_file_in_place_of_a_command_is_answered_with_one(capsys):
    assert main(["mine.yaml"]) == 2
    assert "there is no command 'mine.yaml': `vitdsl check mine.yaml` checks a file" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 120])
def test_no_command_is_described_in_part(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS), ["search", "best"]])
def test_the_short_option_of_help(command, capsys):
    assert main([*command, "--help"]) == 0
    expected = capsys.readouterr()
    assert main([*command, "-h"]) == 0
    assert capsys.readouterr() == expected
