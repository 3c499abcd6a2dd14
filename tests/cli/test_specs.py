"""The specs that commands are given."""

import pytest

SMALL = ("--set", "stages[0].depth=1", "--set", "input.size=32")


@pytest.mark.parametrize("command", ["check", "show", "build"])
def test_debug_verifies_the_graph(run, command, monkeypatch):
    seen = []
    monkeypatch.setattr("vitdsl.graph.verify.verify", seen.append)
    assert run(command, "deit_tiny", *SMALL).code == 0
    assert not seen
    assert run(command, "deit_tiny", *SMALL, "--debug").code == 0
    assert len(seen) == 1
