"""Every fenced block of the documents that teach is run."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs import blocks, reference

ROOT = Path(__file__).parents[2]
LANGUAGE, EXTENDING, README = ROOT / "docs/language.md", ROOT / "docs/extending.md", ROOT / "README.md"


@pytest.mark.parametrize("path", [LANGUAGE, README], ids=lambda path: path.name)
def test_every_block_does_what_the_document_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    runner = blocks.Runner(path.name, figures=path is LANGUAGE)
    runner.run(path.read_text(encoding="utf-8"))
    assert not runner.faults, "\n".join(runner.faults)


def test_the_reference_is_what_the_code_has():
    page = LANGUAGE.read_text(encoding="utf-8")
    assert page == reference.filled(page), "out of date: python -m tests.docs.reference writes it"
