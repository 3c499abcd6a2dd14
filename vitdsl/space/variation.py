"""New logs of decisions out of old ones: mutation and crossover that know what the decisions are about."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from vitdsl.space.counting import repeating
from vitdsl.space.drawing import Choice, Choose
from vitdsl.space.sites import Sites

_BODY = re.compile(r"(stages\[\d+\]\.)(?:block|body)(?=[.\[@]|$)")
_REPETITION = re.compile(r"@(\d+)(?!.*@)")
TRIES = 8
"""How often a step that changes nothing is tried again."""

Decide = Callable[[Choose], dict[str, Any]]
Log = Mapping[str, Any]


def kept(log: Log, rng: random.Random) -> Choose:
    """Answers as the log does; what it does not know, as its nearest repetition before; else by lot."""

    def choose(choice: Choice) -> Any:
        for path in _before(choice.path):
            if log.get(path, choose) in choice.options:
                return log[path]
        return rng.choice(choice.options)

    return choose


def _before(path: str) -> list[str]:
    """A path, and those of the same decision in the repetitions before."""
    match = _REPETITION.search(path)
    if match is None:
        return [path]
    start, end = match.span(1)
    return [f"{path[:start]}{number}{path[end:]}" for number in range(int(match[1]), -1, -1)]


def mutated(sites: Sites, decide: Decide, log: Log, rng: random.Random) -> Choose:
    """The choices of a log that differs from another by one step.

    Args:
        sites: the holes.
        decide: gives the log of a way to choose.
        log: of the parent.
        rng: what is drawn by.
    """
    steps: list[Callable[[], Choose | None]] = [
        lambda: _redrawn(decide, log, rng),
        lambda: _swapped(log, rng),
        lambda: _resized(sites, decide, log, rng),
    ]
    for _ in range(TRIES):
        choose = rng.choice(steps)()
        if choose is None:
            continue
        made = decide(choose)
        if made != log:
            return kept(made, rng)
    return _redrawn(decide, log, rng) or kept(log, rng)


def _open(decide: Decide, log: Log, rng: random.Random) -> dict[str, Choice]:
    """The choices that a log answers, and that have another option."""
    found: dict[str, Choice] = {}
    answer = kept(log, rng)

    def choose(choice: Choice) -> Any:
        if len(choice.options) > 1:
            found[choice.path] = choice
        return answer(choice)

    decide(choose)
    return found


def _answering(log: Log, rng: random.Random, path: str, option: Any) -> Choose:
    answer = kept(log, rng)
    return lambda choice: option if choice.path == path and option in choice.options else answer(choice)


def _redrawn(decide: Decide, log: Log, rng: random.Random) -> Choose | None:
    """One decision is drawn anew."""
    choices = _open(decide, log, rng)
    if not choices:
        return None
    choice = choices[rng.choice(list(choices))]
    options, value = choice.options, log.get(choice.path)
    now = options.index(value) if value in options else len(options)
    other = rng.choice(range(len(options) - (now < len(options))))
    return _answering(log, rng, choice.path, options[other + (other >= now)])


def _swapped(log: Log, rng: random.Random) -> Choose | None:
    """Two stages change their bodies."""
    stages = sorted({match[1] for path in log if (match := _BODY.match(path))})
    if len(stages) < 2:
        return None
    one, other = rng.sample(stages, 2)
    made = dict(log)
    for here, there in ((one, other), (other, one)):
        for path in log:
            if _BODY.match(path) and path.startswith(here):
                theirs = there + path[len(here) :]
                if theirs in log:
                    made[path] = log[theirs]
    answer, fallback = kept(made, rng), kept(log, rng)
    return lambda choice: answer(choice) if made.get(choice.path) in choice.options else fallback(choice)


def _resized(sites: Sites, decide: Decide, log: Log, rng: random.Random) -> Choose | None:
    """A repetition grows or shrinks by one step."""
    paths = repeating(sites)
    choices = [choice for path, choice in _open(decide, log, rng).items() if path in paths and path in log]
    if not choices:
        return None
    choice = rng.choice(choices)
    at = choice.options.index(log[choice.path])
    near = [index for index in (at - 1, at + 1) if 0 <= index < len(choice.options)]
    return _answering(log, rng, choice.path, choice.options[rng.choice(near)])


def crossed(first: Log, second: Log, rng: random.Random) -> Choose:
    """The choices of a log each of whose decisions is one parent's, where one has it."""
    one, other = kept(first, rng), kept(second, rng)

    def choose(choice: Choice) -> Any:
        known = [
            answer for log, answer in ((first, one), (second, other)) if log.get(choice.path, one) in choice.options
        ]
        return rng.choice(known or [one, other])(choice)

    return choose
