"""Every error that vitdsl writes has a code, every code is explained, and the specs of its explanation show it."""

import ast
import re
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

import pytest

import vitdsl
from tests.errors.test_cases import CASES, HERE
from vitdsl.checking import report
from vitdsl.errors import SpecError
from vitdsl.errors.catalogue import FOLDER, explanations

PACKAGE = Path(vitdsl.__file__).parent
MESSAGE = {"Fault": 1, "problem": 2}
"""Where the message stands among the arguments, where that is not at the beginning."""
ERRORS = {"ShapeError", "RimError", "ExpressionError", "CheckpointError", "InputError"}
CODE = re.compile(r"[EW]\d{3}")
BLOCK = re.compile(r"^```yaml (?P<kind>wrong|right)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
WITHOUT_A_SPEC = {
    "E214": "is told by `show --stage expanded`; the spec is right",
    "E503": "takes more than a hundred mistakes",
    "E505": "depends on the stack that Python has",
    "E508": "is about the environment",
    "W016": "takes two more packages",
}
"""Codes below E600 whose explanations have no specs, and why."""


# ---------------------------------------------------------------- the source


def sources() -> list[Path]:
    """The files that write errors; those of `errors` itself hold what others wrote."""
    found = (path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")))
    return [path for path in found if path.parts[0] != "errors"]


def errors() -> set[str]:
    """The classes of errors that take a message and a code: those of `ERRORS`, and what is made of them."""
    known = set(ERRORS)
    classes = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    while more := {name for name, bases in classes.items() if bases & known} - known:
        known |= more
    return known


WRITERS = errors() | {"refuse", "Fault", "Problem", "problem"}


def is_text(node: ast.AST | None, texts: set[str]) -> bool:
    """Whether an expression is a text that is written here, or has one in it; `texts` are names of such."""
    if isinstance(node, ast.Name):
        return node.id in texts
    if isinstance(node, (ast.BinOp, ast.IfExp)):
        sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.body, node.orelse)
        return any(is_text(side, texts) for side in sides)
    if isinstance(node, (ast.List, ast.Tuple)):
        return any(is_text(each, texts) for each in node.elts)
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return is_text(node.elt, texts)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""
    )


def texts_of(function: ast.AST) -> set[str]:
    """The names to which a function gives a text."""
    found: set[str] = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = [*zip(target.elts, node.value.elts, strict=False)]
            found |= {name.id for name, value in pairs if isinstance(name, ast.Name) and is_text(value, set())}
    return found


def written(tree: ast.AST, texts: set[str] | None = None) -> Iterator[ast.Call]:
    """The calls that write a message."""
    for node in ast.iter_child_nodes(tree):
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        known = texts_of(node) if function and texts is None else texts
        yield from written(node, known)
        if isinstance(node, ast.Call) and _writes(node, known or set()):
            yield node


def _writes(call: ast.Call, texts: set[str]) -> bool:
    is_method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in WRITERS:
        return False
    at = 1 if is_method and name == "problem" else MESSAGE.get(name, 0)
    named = [word.value for word in call.keywords if word.arg in ("message", "problems")]
    return any(is_text(each, texts) for each in [*call.args[at : at + 1], *named])


def has_code(call: ast.Call) -> bool:
    given = [*call.args, *(word.value for word in call.keywords if word.arg == "code")]
    return any(
        (isinstance(each, ast.Constant) and isinstance(each.value, str) and CODE.fullmatch(each.value) is not None)
        or (isinstance(each, ast.Attribute) and each.attr == "code")
        or (isinstance(each, ast.Name) and each.id == "code")
        for each in given
    )


def test_every_message_has_a_code():
    calls = [
        (path, call) for path in sources() for call in written(ast.parse((PACKAGE / path).read_text(encoding="utf-8")))
    ]
    assert len(calls) > 500
    assert [f"{path}:{call.lineno}" for path, call in calls if not has_code(call)] == []


def test_what_writes_a_message_is_found():
    source = (
        "def f(error, at):\n"
        "    message = f'{at} is wrong'\n"
        "    refuse(message, at=at)\n"
        "    refuse('a text', code='E201')\n"
        "    raise SpecError([Problem(error.message, code=error.code), Problem('two' if at else error)])\n"
        "    raise SpecError(error.problems)\n"
        "    problem(at, at, message, 'E2010')\n"
        "    [Fault(at, 'three')]\n"
    )
    calls = [*written(ast.parse(source))]
    assert sorted(call.lineno for call in calls) == [3, 4, 5, 7, 8]
    assert [call.lineno for call in calls if has_code(call)] == [4]


# ---------------------------------------------------------------- the explanations


def used() -> set[str]:
    """All codes in the source."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py"))
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and CODE.fullmatch(text)}


def test_every_code_is_explained_and_used():
    assert used() == explanations().keys()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_codes_count_on(path):
    found = re.findall(r"^## (\S+):", path.read_text(encoding="utf-8"), re.MULTILINE)
    first = "W0" if path.stem == "w" else f"E{path.stem}"
    assert found == [f"{first}{number:02}" for number in takewhile(lambda number: number <= len(found), count(1))]


@pytest.mark.parametrize("code", explanations())
def test_an_explanation_shows_what_it_says(code, tmp_path, monkeypatch):
    blocks = [(match["kind"], match["text"]) for match in BLOCK.finditer(explanations()[code].text)]
    assert [kind for kind, _ in blocks] == ["wrong", "right"] * (len(blocks) // 2)
    assert blocks or code in WITHOUT_A_SPEC or "E600" < code < "W"
    assert not blocks or code not in WITHOUT_A_SPEC
    monkeypatch.chdir(tmp_path)
    for kind, text in blocks:
        assert codes_of(text, kind, code) == ({code} if kind == "wrong" else set()), text


def codes_of(text: str, kind: str, code: str) -> set[str]:
    """What is said of a spec: that it is no model, or what `check` finds in its file."""
    if kind == "wrong" and code[0] == "E":
        with pytest.raises(SpecError) as caught:
            vitdsl.load(text).analyze()
        return {problem.code for problem in caught.value.problems}
    Path("spec.yaml").write_text(text, encoding="utf-8")
    found = report("spec.yaml")
    return {problem.code for problem in (*found.problems, *found.warnings)}


# ---------------------------------------------------------------- the printed texts


@pytest.mark.parametrize("case", CASES)
def test_a_printed_error_has_the_code_of_each_problem(case):
    text = (HERE / f"{case}.txt").read_text(encoding="utf-8").rstrip("\n")
    several = re.search(r"\n(\d+) problems$", text)
    assert len(re.findall(r" \[E\d{3}\]$", text, re.MULTILINE)) == int(several[1] if several else 1)
