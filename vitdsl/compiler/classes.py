"""The classes of a model: one for each distinct text, with the numbers that differ as arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from vitdsl.compiler.arguments import Arguments
from vitdsl.compiler.constructors import Constructors
from vitdsl.compiler.containers import Body
from vitdsl.compiler.expressions import Apply, Slot, filled, in_line, in_lines, slots
from vitdsl.compiler.lines import Line, line_slots, print_lines
from vitdsl.compiler.loops import merge_chains
from vitdsl.compiler.names import last_word, unused
from vitdsl.compiler.namespace import Namespace
from vitdsl.compiler.source import Printer
from vitdsl.compiler.tree import Branch


class Class(NamedTuple):
    """A class of a model.

    Attributes:
        name: what it is called.
        lines: its text.
        kept: names of the arguments that its forward reads.
    """

    name: str
    lines: list[str]
    kept: list[str]


class Member(NamedTuple):
    """A repetition before its class is known.

    Attributes:
        path: in the model.
        branch: its tree.
        lines: of its forward.
        init: what its `__init__` passes on.
        slots: the numbers in both.
    """

    path: str
    branch: Branch
    lines: list[Line]
    init: Apply
    slots: list[Slot]


class Classes:
    """The classes of a model, innermost first, the model last.

    Attributes:
        all: the classes.
        names: what their text names.
    """

    def __init__(self, tree: Branch) -> None:
        self.all: list[Class] = []
        self.names = Namespace()
        self._constructors = Constructors(self.names)
        self._printed: dict[int, list[Line]] = {}
        levels: dict[int, list[tuple[str, Branch]]] = {}
        for path, branch in (*tree.repetitions(), ("", tree)):
            levels.setdefault(_height(branch), []).append((path, branch))
        for level in sorted(levels):
            self._make(levels[level])

    def text(self) -> str:
        """All classes, one after another."""
        return "\n\n\n".join("\n".join(each.lines) for each in self.all) + "\n"

    def _make(self, found: Sequence[tuple[str, Branch]]) -> None:
        """Makes the classes of repetitions that hold none that has no class yet."""
        groups: dict[str, list[Member]] = {}
        for path, branch in found:
            lines, init = self._forward(branch), self._constructors.init(branch)
            members = groups.setdefault(_key(init, lines), [])
            members.append(Member(path, branch, lines, init, [*slots(init), *line_slots(lines)]))
        for members, name in zip(groups.values(), self._class_names([*groups.values()]), strict=True):
            self._write(name, members)

    def _class_names(self, groups: list[list[Member]]) -> list[str]:
        """What classes are called: their role, and where several have one, what is special about each."""
        roles = [_role(members[0].path) for members in groups]
        texts = [_key(members[0].init, members[0].lines) for members in groups]
        names = [f"{word}{role}" for word, role in zip(_special(texts, roles), roles, strict=True)]
        found: list[str] = []
        for index, name in enumerate(names):
            text = f"{name}{1 + names[:index].count(name)}" if names.count(name) > 1 else name
            found.append(unused(text, self.names.classes | self.names.used.keys()))
            self.names.classes.add(found[-1])
        return found

    # ------------------------------------------------------------ one class

    def _forward(self, branch: Branch) -> list[Line]:
        """The lines of a forward; its containers that are called become chains."""
        written = branch.written
        assert written is not None
        if id(written) not in self._printed:
            written.chains |= merge_chains(written.forward, branch.names)
            self._printed[id(written)] = Printer(written.forward, branch.names, self.names).lines()
        for path in written.chains:
            branch.at(path).chain = True
        return self._printed[id(written)]

    def _write(self, name: str, members: list[Member]) -> None:
        """Writes a class, and how its instances are made."""
        first = members[0]
        columns = [*zip(*(member.slots for member in members), strict=True)]
        arguments = Arguments(columns, [*first.branch.children])
        count = len(list(slots(first.init)))
        init = filled(first.init, arguments.texts(0, count))
        forward = print_lines(first.lines, arguments.texts(count, len(columns), kept=True))
        signature = Apply("__init__(", ("self", *(f"{key}: {kind}" for key, kind in arguments.kinds.items())))
        places = [member.path for member in members]
        self.all.append(Class(name, [
            f"class {name}({self.names(Body)}):", f'    """{_docstring(places)}"""', "",
            *in_lines(signature, 4, "def ", " -> None:"), *in_lines(init, 8),
            *(f"        self.{key} = {key}" for key in arguments.kept), "", *forward,
        ], arguments.kept))  # fmt: skip
        for number, member in enumerate(members):
            given = [Slot(values[number], key) for key, values in arguments.values.items()]
            self._constructors.calls[id(member.branch)] = Apply(f"{name}(", tuple(given))


def _height(branch: Branch) -> int:
    """How many repetitions deep the modules below are."""
    return max((_height(child) + (child.written is not None) for child in branch.children.values()), default=0)


def _key(init: Apply, lines: list[Line]) -> str:
    """What two repetitions of one class share."""
    text = [in_line(init)]
    for line in lines:
        comment = "" if line.comment is None else line.comment.letters
        text.append(f"{line.indent} {line.before} {in_line(line.expression)} # {comment}")
    return "\n".join(text)


def _role(path: str) -> str:
    """What a repetition is: `Block`, or where it has a name of its own, `NameBlock`, which no layer is called."""
    word = "" if last_word(path) in ("body", "block") else re.sub("[^A-Za-z0-9]", "", last_word(path).title())
    return f"{word}Block" if path else "Model"


SPECIAL = (
    ("WindowMask(", "Shifted"), ("windows(", "Windowed"), ("torch.cat([", "Token"), ("Conv2d(", "Conv"),
    ("Scores(", "Maps"), ("Attend(", "Attention"),
)  # fmt: skip
"""What stands in a class, and what it is then called, where others of its role have nothing of it."""


def _special(texts: list[str], roles: list[str]) -> list[str]:
    """By class, what no other one of its role has that has no word yet; nothing where there is no word for it."""
    words = [""] * len(texts)
    for sign, word in SPECIAL:
        for role in set(roles):
            left = [index for index, each in enumerate(roles) if each == role and not words[index]]
            found = [index for index in left if sign in texts[index]]
            if len(found) == 1 and len(left) > 1:
                words[found[0]] = word
    return words


def _docstring(places: list[str]) -> str:
    """Where the instances of a class are."""
    if places == [""]:
        return "Images (B, C, H, W) to outputs."
    above = list(dict.fromkeys(path.rpartition(".")[0] or path for path in places))
    more = f" and {len(above) - 4} more" if len(above) > 5 else ""
    return f"In {', '.join(f'`{each}`' for each in (above if not more else above[:4]))}{more}."
