"""Searches that mean harm: what a file, a space or a trial names may be any text, on the page as on the terminal."""

from __future__ import annotations

import io
import math
from random import Random
from typing import Any
from unittest.mock import patch

import optuna
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from rich.console import Console

from tests.hostile import NAMES
from tests.search.pages import read
from vitdsl.errors import SpecError
from vitdsl.search.file import Search, load_search
from vitdsl.search.ledger import Ledger
from vitdsl.search.progress import Progress, line_of
from vitdsl.search.report.page import page
from vitdsl.spec import Spec

MARKUP = ("<script>alert(1)</script>", "</script><script>", "<img src=x onerror=alert(1)>", "<!--", "]]>", "<b>a</b>")
TERMINAL = ("\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\rb", "a\nb", "\x08", "[red]a[/red]", "[/]", "\u202ea", "")
STATES = ("COMPLETE", "COMPLETE", "PRUNED", "FAIL", "RUNNING")


def text(rng: Random) -> str:
    """Any name."""
    return rng.choice(rng.choice((NAMES, MARKUP, TERMINAL)))


def drawn(number: int) -> tuple[Search, Study]:
    """A search and its study, all of whose texts may mean harm; needs `plugin`.

    Raises:
        SpecError: the file is wrong.
    """
    rng = Random(number)
    body = {text(rng): [{"mlp": {"ratio": 2}}], text(rng): ["linear"], "plain": ["linear", "linear"]}
    depth = rng.choice([2, {"range": [1, 3]}])
    stage = {"tokenizer": {"type": "patch", "size": 2, "dim": 8}, "depth": depth, "block": {"choose": body}}
    space = {
        "paper": {"title": text(rng)}, "input": {"size": 8}, "classes": 2,
        "stages": [stage if rng.random() < 0.9 else {"name": text(rng), **stage}], "head": {"pool": "mean"},
    }  # fmt: skip
    measures = [text(rng), text(rng), "score"]
    objectives = {measures[0]: "maximize", rng.choice([measures[1], "macs"]): "minimize"}
    search = load_search({
        "name": text(rng) if rng.random() < 0.1 else "plain", "space": space, "objectives": objectives,
        "rungs": [{"type": "function", "function": "score", "gives": measures, "options": {text(rng): text(rng)}}],
        "budget": {"trials": 9},
    })  # fmt: skip
    study = optuna.create_study(directions=list(search.file.objectives.values()))
    for index in range(6):
        study.add_trial(_trial(rng, search, rng.choice(STATES), index))
    return search, study


def _trial(rng: Random, search: Search, state: str, seed: int) -> Any:
    spec = search.space.sample(seed)
    found = {name: rng.choice([0.5, 3.0, 1e12, math.nan]) for name in search.measures}
    attributes: dict[str, Any] = {
        "decisions": {**(spec.decisions or {}), text(rng): text(rng)}, "spec": spec.dump(), "hash": text(rng),
        "measures": {**found, text(rng): 1.0}, "rung": 0, "refused": {text(rng): 2},
    }  # fmt: skip
    if state != "COMPLETE":
        attributes[rng.choice(["error", "pruned", "given_up"])] = text(rng)
    values = [rng.random() for _ in search.file.objectives] if state == "COMPLETE" else None
    return create_trial(state=TrialState[state], values=values, user_attrs=attributes)


def check(search: Search, study: Study) -> None:
    """No text of a search becomes an element of its page, or a sequence that a terminal obeys."""
    with patch("plotly.offline.get_plotlyjs", return_value=""):  # five megabytes that are the same on every page
        _check_page(page(study, search))
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        line = line_of(search, trial)
        assert line.isprintable(), f"a terminal would obey this line: {line!r}"
    shown = io.StringIO()
    progress = Progress(search, Console(file=shown, width=300), lambda: (1, 1))
    for count in range(len(trials) + 1):
        progress.show(Ledger(trials[:count]))
    progress.console.print(progress._table(Ledger(trials)))
    text = shown.getvalue()
    assert text.replace("\n", "").isprintable(), f"a terminal would obey this table: {text!r}"


def _check_page(text: str) -> None:
    made, data = read(text)
    assert [tag for tag, _ in made.found].count("script") == 3, "a text became a script"
    assert "img" not in {tag for tag, _ in made.found}, "a text became an element"
    names = {name for _, attributes in made.found for name in attributes}
    assert not [name for name in names if name.startswith("on")], "a text became an attribute"
    for figure in (*data["fronts"].values(), *data["progress"].values(), data["parallel"] or {}):
        for found in _texts(figure):
            for ours in ("<br>", "<b>trial ", "</b>"):
                found = found.replace(ours, "")
            assert "<" not in found, f"plotly would read a tag: {found}"


def _texts(node: Any) -> list[str]:
    """The texts of a figure in which plotly reads tags: all but the names of ticks, and of axes, which options show."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        return [found for key, value in node.items() if key not in ("ticktext", "axes") for found in _texts(value)]
    return [found for value in node for found in _texts(value)] if isinstance(node, list) else []


def judge(number: int) -> Spec | None:
    """The spec of a drawn search's space, after all that shows the search; None where the search is refused."""
    refused, found = "", None
    try:
        search, study = drawn(number)
    except SpecError as error:
        refused = str(error)
    else:
        check(search, study)
        found = search.space.spec
    assert refused.replace("\n", "").isprintable(), "a terminal would obey this error"
    return found
