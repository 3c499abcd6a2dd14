"""The classes of a model: one for each distinct text, with the numbers that differ as arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from vitdsl.compiler.arguments import Arguments, number_text, same
from vitdsl.compiler.containers import Body, Chain
from vitdsl.compiler.expressions import Apply, Expression, Slot, filled, in_line, in_lines, quoted, slots
from vitdsl.compiler.initialize import make_initialized
from vitdsl.compiler.loops import merge_chains
from vitdsl.compiler.names import RESERVED, last_word, unused
from vitdsl.compiler.namespace import Namespace
from vitdsl.compiler.source import Line, Printer
from vitdsl.compiler.tree import Branch
from vitdsl.layers.containers import with_modules
from vitdsl.layers.initial import initialized

WIDTHS = {"in_dim": "dim", "normalized_shape": "dim", "num_features": "dim", "in_features": "dim"}
"""Names of arguments that are called otherwise in a class."""


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
        self._calls: dict[int, Apply] = {}
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
            lines, init = self._forward(branch), self._init(branch)
            members = groups.setdefault(_key(init, lines), [])
            members.append(Member(path, branch, lines, init, [*slots(init), *_slots(lines)]))
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

    def _init(self, branch: Branch) -> Apply:
        return Apply("super().__init__(", tuple(self._children(branch)))

    def _write(self, name: str, members: list[Member]) -> None:
        """Writes a class, and how its instances are made."""
        first = members[0]
        columns = [*zip(*(member.slots for member in members), strict=True)]
        arguments = Arguments(columns, [*first.branch.children])
        count = len(list(slots(first.init)))
        init = filled(first.init, arguments.texts(0, count))
        forward = _written(first.lines, arguments.texts(count, len(columns), kept=True))
        signature = Apply("__init__(", ("self", *(f"{key}: {kind}" for key, kind in arguments.kinds.items())))
        places = [member.path for member in members]
        self.all.append(Class(name, [
            f"class {name}({self.names(Body)}):", f'    """{_docstring(places)}"""', "",
            *in_lines(signature, 4, "def ", " -> None:"), *in_lines(init, 8),
            *(f"        self.{key} = {key}" for key in arguments.kept), "", *forward,
        ], arguments.kept))  # fmt: skip
        for number, member in enumerate(members):
            given = [Slot(values[number], key) for key, values in arguments.values.items()]
            self._calls[id(member.branch)] = Apply(f"{name}(", tuple(given))

    # ------------------------------------------------------------ what makes a module

    def _children(self, branch: Branch) -> Iterator[Expression]:
        """The arguments of a container: numbered modules in order, others by name."""
        numbered = {int(name): child for name, child in branch.children.items() if name.isdigit()}
        count = max(numbered, default=-1) + 1
        yield from self._numbered([numbered.get(index) for index in range(count)])
        strange: list[Expression] = []
        for name, child in branch.children.items():
            if not name.isdigit():
                if name.isidentifier() and name not in RESERVED:
                    yield (f"{name}=", self._module(child))
                else:
                    strange.append((f"{quoted(name)}: ", self._module(child)))
        if strange:
            yield ("**", Apply("{", tuple(strange), "}"))

    def _numbered(self, branches: Sequence[Branch | None]) -> Iterator[Expression]:
        """Modules in order; calls of one class that differ in numbers are written once."""
        calls = [None if branch is None else self._calls.get(id(branch)) for branch in branches]
        at = 0
        while at < len(branches):
            end = at + 1
            while end < len(branches) and _are_alike(calls[end], calls[at]):
                end += 1
            if end - at < 2:
                branch = branches[at]
                yield "None" if branch is None else self._module(branch)
            else:
                yield _repeated([call for call in calls[at:end] if call is not None])
            at = end

    def _module(self, branch: Branch) -> Expression:
        call = self._calls.get(id(branch))
        if call is not None:
            return call
        if branch.make is None:
            return Apply(f"{self.names(Chain if branch.chain else Body)}(", tuple(self._children(branch)))
        layer = self._made(branch.make)
        if not branch.children:
            return layer
        return Apply(f"{self.names(with_modules)}(", (layer, *self._children(branch)))

    def _made(self, make: partial[Any]) -> Expression:
        """The call that makes a layer: what is given by default is left out."""
        if make.func is make_initialized:
            inner, fill = make.args
            return Apply(f"{self.names(initialized)}(", (self._made(inner), self._literal(fill, "init")))
        if not inspect.isclass(make.func):
            return f"{self.names.part(make)}()"
        return Apply(f"{self.names(make.func)}(", tuple(self._arguments(make)))

    def _arguments(self, make: partial[Any]) -> Iterator[Expression]:
        names, defaults, rest = _signature(make.func)
        given = [*zip(names, make.args, strict=False)]
        plain = 1 if len(given) < 2 or given[1][0] in defaults else 2
        named = [*given[plain:], *make.keywords.items()]
        yield from (self._argument(value, name, "", defaults) for name, value in given[:plain])
        yield from (self._literal(value, rest) for value in make.args[len(names) :])
        for name, value in named:
            if _is_number(value) or name not in defaults or not same(defaults[name], value):
                yield self._argument(value, name, f"{name}=", defaults)

    def _argument(self, value: Any, name: str, before: str, defaults: dict[str, Any]) -> Expression:
        literal = self._literal(value, name)
        if isinstance(literal, Slot):
            return literal._replace(before=before, default=defaults.get(name))
        return (before, literal) if before else literal

    def _literal(self, value: Any, name: str) -> Expression:
        if isinstance(value, bool) or value is None or isinstance(value, str):
            return quoted(value) if isinstance(value, str) else repr(value)
        if isinstance(value, (int, float)) or (isinstance(value, tuple) and value and all(map(_is_number, value))):
            return Slot(value, WIDTHS.get(name, name))
        if isinstance(value, partial):
            named = [(f"{key}=", self._literal(each, key)) for key, each in value.keywords.items()]
            parameters, _, _ = _signature(value.func)
            given = [self._literal(each, key) for key, each in zip(parameters, value.args, strict=False)]
            return Apply(f"{self.names(partial)}(", (self.names(value.func), *given, *named))
        if callable(value):
            return self.names(value)
        if isinstance(value, dict):
            return Apply("{", tuple((f"{quoted(key)}: ", self._literal(each, key)) for key, each in value.items()), "}")
        if isinstance(value, (tuple, list)):
            inner = tuple(self._literal(each, name) for each in value)
            if isinstance(value, tuple) and len(value) == 1:
                return ("(", inner[0], ",)")
            return Apply("(" if isinstance(value, tuple) else "[", inner, ")" if isinstance(value, tuple) else "]")
        raise TypeError(f"{value!r} cannot be printed")


@cache
def _signature(target: Any) -> tuple[tuple[str, ...], dict[str, Any], str]:
    """Names of the arguments by position, defaults by name, and the name of all other arguments by position."""
    parameters = list(inspect.signature(target).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = tuple(each.name for each in parameters if each.kind in positional)
    defaults = {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}
    rest = next((each.name for each in parameters if each.kind is inspect.Parameter.VAR_POSITIONAL), "")
    return names, defaults, rest


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _height(branch: Branch) -> int:
    """How many repetitions deep the modules below are."""
    return max((_height(child) + (child.written is not None) for child in branch.children.values()), default=0)


def _slots(lines: list[Line]) -> Iterator[Slot]:
    for line in lines:
        yield from slots(line.expression)
        if line.comment is not None:
            yield line.comment


def _key(init: Apply, lines: list[Line]) -> str:
    """What two repetitions of one class share."""
    text = [in_line(init)]
    for line in lines:
        comment = "" if line.comment is None else line.comment.letters
        text.append(f"{line.indent} {line.before} {in_line(line.expression)} # {comment}")
    return "\n".join(text)


def _written(lines: list[Line], texts: Iterator[str]) -> list[str]:
    """The lines of a forward as text; a shape is told where it is another one than the last that was told."""
    made: list[str] = []
    last = ""
    for line in lines:
        expression = filled(line.expression, texts)
        shape = "" if line.comment is None else next(texts)
        comment = f"  # {shape}" if shape not in ("", last) else ""
        last = shape or last
        found = in_lines(expression, line.indent + 4, line.before)
        made += [*found[:-1], found[-1] + comment]
    return made


def plain_text(lines: list[Line]) -> str:
    """The text of a forward whose numbers are what they are."""
    texts = (str(slot.value) if slot.letters else number_text(slot.value) for slot in _slots(lines))
    return "\n".join(_written(lines, texts))


def _are_alike(call: Apply | None, first: Apply | None) -> bool:
    return call is not None and first is not None and call.head == first.head


def _repeated(calls: list[Apply]) -> Expression:
    """Calls of one class as one expression: `*(Block(dim, rate) for rate in (0.0, 0.1))`."""
    columns = [*zip(*(call.arguments for call in calls), strict=True)]
    given: list[Expression] = []
    varying: list[tuple[str, tuple[Any, ...]]] = []
    for column in columns:
        first = column[0]
        assert isinstance(first, Slot)
        values = tuple(each.value for each in column if isinstance(each, Slot))
        if all(same(value, values[0]) for value in values):
            given.append(first)
        else:
            given.append(first.name)
            varying.append((first.name, values))
    call = calls[0]._replace(arguments=tuple(given))
    if not varying:
        return ("*(", call, f" for _ in range({len(calls)}))")
    names = ", ".join(name for name, _ in varying)
    if len(varying) == len(columns) > 1:
        call, names = call._replace(arguments=("*numbers",)), "numbers"
    if len(varying) == 1:
        name, values = varying[0]
        turns = tuple[Expression, ...](Slot(value, name) for value in values)
    else:
        rows = zip(*(values for _, values in varying), strict=True)
        kinds = [name for name, _ in varying]
        turns = tuple(Apply("(", tuple(map(Slot, row, kinds))) for row in rows)
    return ("*(", call, f" for {names} in ", Apply("(", turns), ")")


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
