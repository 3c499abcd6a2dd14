"""Runs the fenced blocks of a document, in order, in one folder and one namespace.

What a fence says decides what is done: `yaml` is a whole spec, which is loaded and elaborated, and kept as NAME.yaml;
`yaml error` is refused, `yaml holes` when its graph is asked for, and the next `text` block is the message;
`yaml fragment body` is the body of a stage, `yaml space`,
`yaml search` and `yaml recipe` are files of those kinds; `python` is run; of `console` the commands that begin with
`$ vitdsl` are;
`LANGUAGE file PATH` is a file of a package; `sh` is only looked at. A line `# ->` says what comes of a block.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import vitdsl
from vitdsl.features import Cost, Feature
from vitdsl.search.file import load_search
from vitdsl.training.recipe import load_recipe

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SAYS = "# ->"
ELIDED = "…"
FRAGMENTS = {"body": {}, "body cls": {"tokens": ["cls"]}}
"""What a fragment is run on, beside a patch embedding of 14×14 tokens and 192 channels."""


class Block(NamedTuple):
    """A fenced block: what its fence says, its text, and the line where it begins."""

    info: str
    text: str
    line: int

    @property
    def said(self) -> str | None:
        """What the block says that comes of it."""
        found = [line for line in self.text.splitlines() if line.startswith(SAYS)]
        return found[0].removeprefix(SAYS).strip() if found else None


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document."""
    return [
        Block(match["info"].strip(), match["text"], document.count("\n", 0, match.start()) + 1)
        for match in FENCE.finditer(document)
    ]


class Runner:
    """Runs blocks in the current folder, and keeps what is wrong.

    Attributes:
        faults: a text for each block that does not do what the document says.
        figures: whether every spec must say what comes of it.
        counted: how many blocks were run, by the first word of the fence.
    """

    def __init__(self, name: str, figures: bool = True) -> None:
        self.name, self.figures = name, figures
        self.faults: list[str] = []
        self.namespace: dict[str, Any] = {}
        self.message: str | None = None
        self.counted: dict[str, int] = {}

    def run(self, document: str) -> None:
        """Runs all blocks of a document."""
        for block in blocks(document):
            kind, _, rest = block.info.partition(" ")
            if rest.startswith("file "):
                continue
            self.counted[kind] = self.counted.get(kind, 0) + 1
            run = getattr(self, f"_{kind}", None)
            if run is None:
                self.faults.append(f"{self.name}:{block.line}: `{block.info}` is no kind of block that is run")
                continue
            try:
                for found in run(block, rest):
                    self.faults.append(f"{self.name}:{block.line}: {found}")
            except Exception as error:
                self.faults.append(f"{self.name}:{block.line}: {type(error).__name__}: {error}")
        if self.message is not None:
            self.faults.append(f"{self.name}: an error has no text: {self.message}")

    # ------------------------------------------------------------ yaml

    def _yaml(self, block: Block, rest: str) -> Iterator[str]:
        if rest in ("error", "holes"):
            self.message = refused(block.text, rest)
            return
        if rest.startswith("fragment "):
            yield from differs(block.said, fragment(block.text, rest.removeprefix("fragment ")))
            return
        if rest == "space":
            space = vitdsl.Space(kept(block.text))
            yield from differs(block.said, f"{space.size:,} architectures")
            return
        if rest == "search":
            search = load_search(kept(block.text))
            yield from differs(block.said, f"{search.space.name}, {', '.join(search.file.objectives)}")
            return
        if rest == "recipe":
            recipe = load_recipe(kept(block.text))
            yield from differs(block.said, f"{recipe.file.epochs} epochs, {', '.join(recipe.file.losses)}")
            return
        assert not rest, f"`yaml {rest}` is no kind of block"
        spec = vitdsl.load(kept(block.text))
        analysis = spec.analyze()
        if block.said or self.figures:
            yield from differs(block.said, f"{analysis.params:,} parameters, {analysis.macs:,} MACs")
        assert vitdsl.load(spec.dump()) == spec, "a spec and its dump differ"

    def _text(self, block: Block, rest: str) -> Iterator[str]:
        assert self.message is not None, "a text stands here, but no error came before it"
        found, self.message = self.message, None
        yield from differs(block.text.rstrip("\n"), found)

    # ------------------------------------------------------------ commands

    def _console(self, block: Block, rest: str) -> Iterator[str]:
        for command, expected in commands(block.text):
            assert command[:1] == ["vitdsl"], f"only `vitdsl` is run here, not `{shlex.join(command)}`"
            found = called(command[1:])
            if not matches(expected, found):
                yield f"`{shlex.join(command)}` prints\n{textwrap.indent(chr(10).join(found), '    ')}"

    def _sh(self, block: Block, rest: str) -> Iterator[str]:
        yield from ()

    # ------------------------------------------------------------ python

    def _python(self, block: Block, rest: str) -> Iterator[str]:
        lines = [*block.text.splitlines(), ""]
        for node in ast.parse(block.text).body:
            last = node.end_lineno or 1
            places = [lines[last - 1], lines[last] if lines[last].startswith(SAYS) else ""]
            said = [line.partition(SAYS)[2].strip() for line in places if SAYS in line]
            code = compile(ast.Module([node], []), f"{self.name}:{block.line}", "exec")
            if said and isinstance(node, ast.Expr):
                value = eval(compile(ast.Expression(node.value), self.name, "eval"), self.namespace)
                yield from differs(said[0], str(value))
            else:
                exec(code, self.namespace)


def differs(said: str | None, found: str) -> Iterator[str]:
    """What to say where the document and what came out are not the same."""
    if said != found:
        yield f"the document says\n    {said}\n  but it is\n{textwrap.indent(found, '    ')}"


def kept(text: str) -> Path:
    """The spec as a file of its own name."""
    name = re.search(r"^name: ([\w]+)", text, re.MULTILINE)
    path = Path(f"{name[1] if name else 'spec'}.yaml")
    path.write_text(text, encoding="utf-8")
    return path


def refused(text: str, kind: str) -> str:
    """The message that refuses a spec; one with holes is read, and has no graph."""
    path = kept(text)
    if kind == "holes":
        spec = vitdsl.load(path)
        with contextlib.suppress(vitdsl.SpecError):
            vitdsl.build(spec)
    try:
        vitdsl.load(path).graph()
    except vitdsl.SpecError as error:
        return str(error)
    raise AssertionError("this spec should be refused, but is not")


def fragment(text: str, kind: str) -> str:
    """What comes of a body: the feature, and what the body alone costs."""
    from vitdsl.syntax.source import read

    def analysed(body: Any) -> tuple[Feature, Cost]:
        stage = {"tokenizer": {"type": "patch", "size": 16, "dim": 192}, "body": body, **FRAGMENTS[kind]}
        spec = vitdsl.load({"classes": 0, "stages": [stage], "head": []})
        found = spec.analyze()
        return found.stages[0].outputs["x"], found.cost

    feature, cost = analysed(read(text, "fragment"))
    without = analysed([])[1]
    return f"{feature}, {cost.params - without.params:,} parameters, {cost.macs - without.macs:,} MACs"


def commands(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The commands of a console block, each with the lines that it should print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        yield shlex.split(command), lines


def called(arguments: list[str]) -> list[str]:
    """The lines that a command prints, errors included."""
    from vitdsl.cli import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        main(arguments)
    return [line.rstrip() for line in printed.getvalue().rstrip("\n").split("\n")]


def matches(expected: list[str], found: list[str]) -> bool:
    """Whether lines are as expected; a line `…` stands for any number of lines, `…` in a line for any text."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == ELIDED else _pattern(line) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(line + "\n" for line in found)) is not None


def _pattern(line: str) -> str:
    return ".+?".join(map(re.escape, line.split(ELIDED)))


def files(document: str) -> dict[str, str]:
    """The files of a package that a document writes, by path."""
    found = {}
    for block in blocks(document):
        _, marker, path = block.info.partition(" file ")
        if marker:
            found[path] = block.text
    return found


def main(path: str) -> int:
    """Runs a document in the current folder; prints what is wrong."""
    runner = Runner(Path(path).name)
    runner.run(Path(path).read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(runner.faults))
    return 1 if runner.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
