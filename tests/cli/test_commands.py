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
