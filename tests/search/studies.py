"""Searches of the tests: a space of 1,512 architectures that all fit, judged by functions of an installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from vitdsl.search.evaluation import registry
from vitdsl.search.file import Search, load_search
from vitdsl.search.study import existing_study, portable
from vitdsl.search.worker import Job

PLUGIN = Path(__file__).parent / "plugin"
"""A folder as packages are installed into."""
SPACE = """
  input: {size: 16}
  classes: 10
  vars: {dim: {choose: [8, 16, 24, 32]}}
  stages:
    - tokenizer: {type: patch, size: {choose: [2, 4, 8]}, dim: $dim}
      depth: {range: [1, 6]}
      block: [{mixer: {type: global, heads: {choose: [1, 2, 4]}}}, {mlp: {ratio: {range: [1, 4, 0.5]}}}]
  head: {pool: mean}
"""
BEST = 5.0
"""The highest value that an architecture has."""


def text(trials: int = 10, rungs: str = "[{type: function, function: score}]", **more: str) -> str:
    """A search file."""
    given = {"objectives": "{score: maximize}", "sampler": "random", "rungs": rungs} | more
    lines = [f"{key}: {value}" for key, value in given.items()]
    return "\n".join(["name: toy", f"space:{SPACE}", *lines, f"budget: {{trials: {trials}}}", ""])


def logging(log: Path, seconds: float = 0.0) -> str:
    """Rungs that note what they judge."""
    return f"[{{type: function, function: score, options: {{log: '{log}', seconds: {seconds}}}}}]"


def job(search: Search, storage: Path | str, **more) -> Job:
    """A worker's job, with signs of life as fast as Optuna allows."""
    return Job(portable(search), str(storage), **{"heartbeat": 1, "grace": 3, **more})


def environment() -> dict[str, str]:
    """Of processes that find the package."""
    paths = [str(PLUGIN), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def command(*arguments: str | Path) -> list[str]:
    """`vitdsl` as a process of its own."""
    return [
        sys.executable,
        "-W",
        "error",
        "-c",
        "import sys; from vitdsl.cli import main; sys.exit(main())",
        *map(str, arguments),
    ]


def vitdsl(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `vitdsl`."""
    return subprocess.run(
        command(*arguments), env=environment(), cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


def trials_of(storage: Path | str) -> list:
    """All trials of the only study."""
    with existing_study(storage) as study:
        return study.get_trials()


def states(trials: list) -> Counter[str]:
    """How many trials are in which state."""
    return Counter(trial.state.name for trial in trials)


@pytest.fixture
def plugin(monkeypatch):
    """The package is installed, in this process and in those that it starts."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    registry.installed.cache_clear()
    registry.evaluation_class.cache_clear()
    yield
    registry.installed.cache_clear()
    registry.evaluation_class.cache_clear()


def toy(trials: int = 10, **more: str) -> Search:
    """A search of the toy space; needs `plugin`."""
    return load_search(text(trials, **more))
