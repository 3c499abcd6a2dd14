"""`vitdsl lsp`; what it says to an editor is in `tests/editor/`."""

import importlib.util


def test_without_its_package_it_says_what_is_missing(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = run("lsp")
    assert found.code == 1
    assert found.err == "the language server needs pygls [E601]\n  hint: pip install 'vitdsl[editor]'\n"


def test_a_file_is_no_argument(run):
    found = run("lsp", "spec.yaml")
    assert found.code == 2
    assert "unexpected extra argument" in found.err
