"""Texts that end too early or have a sign too many: both parsers read or refuse them, at a place inside of the text."""

from random import Random

import pytest

from vitdsl.errors import SpecError
from vitdsl.resolve.files import shipped
from vitdsl.syntax import yaml_parser
from vitdsl.syntax.source import read

SIGNS = "{}[]\"'`:,-#&*!|>%@ \n\t?\\$()~"
UNFINISHED = [
    f"{before}{text}{after}"
    for before in ("", "\n\n", "a: 1\nb: ", "- ", "\ufeff")
    for text in ("{a:b", "{a: b", "{a:", "{a", "{", "[a", "[", "[{a:b", "{a:b,", "{a:b:c", "{? a:b", "a:",
    "'", '"', '"\\', "|", "&", "!", "?")
    for after in ("", "\n", "\n\n", "\n#", " ")
]  # fmt: skip
SPECS = sorted(shipped().rglob("*.yaml"))


def judge(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for parser in {yaml_parser._Parser, yaml_parser._PurePythonParser}:
        monkeypatch.setattr(yaml_parser, "_Parser", parser)
        try:
            read(text, "spec.yaml")
        except SpecError as error:
            problems = error.problems
        else:
            problems = ()
        for problem in problems:
            assert problem.mark is not None, (text, problem)
            assert 1 <= problem.mark.line <= len(problem.mark.source.lines), (text, problem)
        monkeypatch.undo()


def test_unfinished(monkeypatch):
    for text in UNFINISHED:
        judge(text, monkeypatch)


def spoilt(number: int) -> str:
    """A short piece of a shipped spec, cut off, with a few signs put in, taken out or changed."""
    rng = Random(number)
    text = rng.choice(SPECS).read_text(encoding="utf-8")
    start = rng.randrange(len(text)) if rng.random() < 0.5 else 0
    signs = list(text[start : start + rng.randrange(400)])
    for _ in range(rng.randint(0, 4)):
        place, more = rng.randint(0, len(signs)), rng.choice(["", *SIGNS])
        signs[place : place + rng.randint(0, 1)] = more
    return "".join(signs)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 21))])
def test_spoilt(seed, monkeypatch):
    for number in range(1000 * seed, 1000 * (seed + 1)):
        judge(spoilt(number), monkeypatch)
