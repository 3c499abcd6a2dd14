"""Every fenced block of the documents that teach is run."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from tests.docs import blocks, reference
from tests.zoo.specs import all_of_them
from vitdsl.parts import registry

ROOT = Path(__file__).parents[2]
LANGUAGE, EXTENDING, ARCHITECTURE = (ROOT / f"docs/{name}.md" for name in ("language", "extending", "architecture"))
README = ROOT / "README.md"
PAGES = [
    "attention",
    "backbones",
    "dense",
    "errors",
    "hub",
    "index",
    "language",
    "models",
    "pictures",
    "search",
]
"""Pages of `docs` whose blocks are run."""
SLOW = ["export", "fine_tuning", "training", "tutorial"]
"""Pages that train or export, some of them several times; they are run under `full`."""


@pytest.fixture
def one_thread():
    """Small trainings beside other tests are ten times as slow with a thread for each core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["README", *all_of_them(PAGES, [*PAGES, *SLOW])])
def test_every_block_does_what_the_document_says(name, tmp_path, monkeypatch, one_thread):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    path = ROOT / f"{'' if name == 'README' else 'docs/'}{name}.md"
    runner = blocks.Runner(path.name, figures=path == LANGUAGE)
    runner.run(path.read_text(encoding="utf-8"))
    assert not runner.faults, "\n".join(runner.faults)


def test_the_reference_is_what_the_code_has():
    page = LANGUAGE.read_text(encoding="utf-8")
    assert page == reference.filled(page), "out of date: python -m tests.docs.reference writes it"


def test_a_package_that_extends_is_found_and_built(tmp_path):
    document = EXTENDING.read_text(encoding="utf-8")
    found = blocks.files(document)
    for path, text in found.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    project = tomllib.loads(found["pyproject.toml"])["project"]
    installed(tmp_path, project)
    names = set(project["entry-points"]["vitdsl.parts"])
    assert not names & set(registry.files()), "a part of ours would hide it"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    for command in (["tests.docs.blocks", str(EXTENDING)], ["pytest", "-q", "-W", "error", "test_parts.py"]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def installed(folder, project):
    """The metadata that installing a package writes, so that its entry points are found."""
    name = project["name"].replace("-", "_")
    metadata = folder / f"{name}-{project['version']}.dist-info"
    metadata.mkdir()
    header = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(header, encoding="utf-8")
    groups = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())])
        for group, entries in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups) + "\n", encoding="utf-8")


def test_documents_have_the_blocks_that_they_should():
    kinds = [block.info for block in blocks.blocks(LANGUAGE.read_text(encoding="utf-8"))]
    assert len([kind for kind in kinds if kind.startswith("yaml")]) > 40
    assert kinds.count("yaml error") == len([kind for kind in kinds if kind == "text"]) - kinds.count("yaml holes")


@pytest.mark.parametrize(("document", "fault"), [
    ("```yaml\nname: a\nstages: [{tokenizer: {type: patch, size: 8, dim: 8}}]\nhead: []\n# -> 1\n```\n", "1,544 par"),
    ("```yaml error\nstages: [{tokenizer: {type: patch, size: 16, dim: 8}}]\n```\n", "should be refused"),
    ("```yaml error\nstages: 3\n```\n\n```text\nno\n```\n", "`stages` must be"),
    ("```yaml error\nstages: 3\n```\n", "an error has no text"),
    ("```yaml fragment body\n- norm\n# -> 14x14·192, 0 parameters, 0 MACs\n```\n", "384"),
    ("```console\n$ vitdsl check deit_tiny\nno\n```\n", "ok  deit_tiny"),
    ("```python\n1 + 1  # -> 3\n```\n", "2"),
    ("```python\nmissing\n```\n", "NameError"),
    ("```jaml\na: 1\n```\n", "no kind of block"),
])  # fmt: skip
def test_a_block_that_says_something_else_is_found(document, fault, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = blocks.Runner("a.md")
    runner.run(document)
    assert len(runner.faults) == 1
    assert fault in runner.faults[0]


def test_elided_lines():
    assert blocks.matches(["a", "…", "c"], ["a", "b", "b", "c"])
    assert blocks.matches(["…"], [])
    assert blocks.matches(["a … c", "…"], ["a b b c"])
    assert not blocks.matches(["a … c"], ["a b", "c"])
    assert not blocks.matches(["a", "…", "c"], ["a", "b"])
    assert not blocks.matches(["…", "c"], ["bc"])


def test_the_files_that_the_architecture_names_are_there():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_/]+(?:\.py|/))`", text))
    assert len(named) > 40
    missing = [name for name in named if not any((ROOT / top / name).exists() for top in ("", "vitdsl"))]
    assert not missing
