"""Bad specs, each with its places marked by hand in the file, and the whole text of its error beside it.

A line that holds nothing but `#`, blanks and a sign marks a place in the line above it: the sign stands under the
column (`#<` is the first column). `^` marks a problem, `+` a secondary place. A first line `# build` builds the spec
with `max_params`, `# set PATH=VALUE` loads it with an override; otherwise it is loaded and its graph made. Expected
texts are written and reviewed by hand: nothing here writes them.
"""

import re
from pathlib import Path

import pytest

import vitdsl
from vitdsl.errors import SpecError
from vitdsl.syntax.source import read

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in HERE.glob("*.yaml"))
MARKER = re.compile(r"#(?:<|\s*([\^+]))")


def marked(path: Path) -> dict[str, list[tuple[int, int]]]:
    """The marked places of a file as (line, column), by sign."""
    found: dict[str, list[tuple[int, int]]] = {"^": [], "+": []}
    above = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = MARKER.fullmatch(line)
        if match is None:
            above = number
        else:
            found[match[1] or "^"].append((above, 1 if match[1] is None else len(line)))
    return found


def judge(name: str) -> object:
    """Does with a case what its first line says."""
    first = (HERE / name).read_text(encoding="utf-8").split("\n", 1)[0]
    if first.startswith("# set "):
        path, _, value = first.removeprefix("# set ").partition("=")
        return vitdsl.load(name, set={path: read(value, "--set")}).graph()
    return vitdsl.build(name) if first == "# build" else vitdsl.load(name).graph()


@pytest.mark.parametrize("case", CASES)
def test_bad_spec(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    with pytest.raises(SpecError) as caught:
        judge(f"{case}.yaml")
    error = caught.value
    assert str(error) == (HERE / f"{case}.txt").read_text(encoding="utf-8").removesuffix("\n")
    problems = error.problems
    assert all(problem.mark is not None for problem in problems)
    notes = [mark for problem in problems for _, mark in problem.notes if mark is not None]
    for sign, marks in (("^", [problem.mark for problem in problems]), ("+", notes)):
        files = {mark.source.name for mark in marks} | {f"{case}.yaml"}
        for file in files & {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.yaml")}:
            found = [(mark.line, mark.column) for mark in marks if mark.source.name == file]
            assert sorted(found) == sorted(marked(HERE / file)[sign]), file


def test_there_are_enough_and_each_has_its_text() -> None:
    assert len(CASES) >= 60
    assert {path.stem for path in HERE.glob("*.txt")} == set(CASES)
