"""The classes of a model: one for each distinct text, with the numbers that differ as arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from vitdsl.compiler.containers import Body, Chain
from vitdsl.compiler.expressions import Apply, Expression, Slot, filled, in_line, in_lines, quoted, slots
from vitdsl.compiler.initialize import make_initialized
from vitdsl.compiler.names import OF_MODULES, RESERVED, identifier, last_word, unused
from vitdsl.compiler.source import Line, Printer, merge_chains
from vitdsl.compiler.tree import Branch
from vitdsl.layers.containers import with_modules
from vitdsl.layers.initial import initialized

TORCH: tuple[tuple[str, ModuleType], ...] = (("nn.init", nn.init), ("nn", nn), ("torch", torch), ("F", F))
"""What code calls torch's own modules."""
WIDTHS = {"in_dim": "dim", "normalized_shape": "dim", "num_features": "dim", "in_features": "dim"}
"""Names of arguments that are called otherwise in a class."""


class Class(NamedTuple):
    """A class of a model.

    Attributes:
        name: what it is called.
        arguments: of `__init__`, by name, and what they are.
        places: paths of the modules that are its instances.
        lines: its text.
        kept: names of the arguments that its forward reads.
    """

    name: str
    arguments: dict[str, str]
    places: list[str]
    lines: list[str]
    kept: list[str]


class Namespace:
    """What code may name: torch, and whatever else it has named so far.

    Attributes:
        used: by name, all that is none of torch's.
        parts: by name, what makes the layer of a part of another package that says no more of it.
        classes: names of the classes that the code defines.
    """

    def __init__(self) -> None:
        self.used: dict[str, Any] = {}
        self.parts: dict[str, partial[Any]] = {}
        self.classes: set[str] = set()
        self._known: dict[int, str] = {}

    def __call__(self, target: Any) -> str:
        """What code calls a function or class."""
        if id(target) in self._known:
            return self._known[id(target)]
        name = getattr(target, "__name__", "") or "part"
        found = next((f"{short}.{name}" for short, module in TORCH if getattr(module, name, None) is target), "")
        if not found:
            found = unused(identifier(name), {*self.used, *self.classes, *RESERVED})
            self.used[found] = target
        self._known[id(target)] = found
        return found

    def part(self, make: partial[Any]) -> str:
        """What code calls what makes the layer of a part that says no more of it."""
        name = unused("part", {*self.used, *self.parts})
        self.parts[name] = make
        return name

    def imports(self, text: str) -> str:
        """The imports of a text.

        Args:
            text: all code that used these names.
        """
        torchs = ["import torch"] if re.search(r"\btorch\.", text) else []
        torchs += ["import torch.nn.functional as F"] if re.search(r"\bF\.", text) else []
        torchs += ["from torch import nn"] if re.search(r"\bnn\.", text) else []
        by_module: dict[str, list[str]] = {}
        for name, target in self.used.items():
            own = target.__name__
            by_module.setdefault(target.__module__, []).append(own if own == name else f"{own} as {name}")
        ours = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(by_module.items())]
        standard = [each for each in ours if each.startswith("from functools ")]
        made = [f"# {name}: made by {_maker_name(make)}" for name, make in self.parts.items()]
        groups = (standard, torchs, [each for each in ours if each not in standard], made)
        return "\n\n".join("\n".join(lines) for lines in groups if lines)


def _maker_name(make: partial[Any]) -> str:
    """What a reader finds the maker of a layer by."""
    return f"`{make.func.__qualname__}` of {make.func.__module__}"


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
        self.all.append(Class(name, arguments.kinds, places, [
            f"class {name}({self.names(Body)}):", f'    """{_docstring(places)}"""', "",
            *in_lines(signature, 4, "def ", " -> None:"), *in_lines(init, 8),
            *(f"        self.{key} = {key}" for key in arguments.kept), "", *forward,
        ], arguments.kept))  # fmt: skip
        for number, member in enumerate(members):
            given = [_slot(values[number], key) for key, values in arguments.values.items()]
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
            if _is_number(value) or name not in defaults or not _same(defaults[name], value):
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


class Arguments:
    """The numbers of a class that differ among its instances, as arguments of `__init__`.

    Args:
        columns: of each slot, what it is in each instance.
        children: names of the modules of an instance, which no attribute may have.

    Attributes:
        kinds: the type of each argument, by name.
        values: what it is in each instance.
        kept: arguments that the forward reads too.
    """

    def __init__(self, columns: list[tuple[Slot, ...]], children: list[str]) -> None:
        self.kinds: dict[str, str] = {}
        self.values: dict[str, tuple[Any, ...]] = {}
        self.kept: list[str] = []
        self._columns = columns
        self._reserved = {*children, *OF_MODULES, *RESERVED}
        self._texts = [self._text(column) for column in columns]

    def texts(self, start: int, stop: int, kept: bool = False) -> Iterator[str]:
        """What stands in the slots from a number to another.

        Args:
            start: number of the first slot.
            stop: number of the slot behind the last.
            kept: whether arguments are read from attributes.
        """
        for before, name in self._texts[start:stop]:
            if not name:
                yield before
                continue
            if kept and name not in self.kept:
                self.kept.append(name)
            yield f"{before}self.{name}" if kept else f"{before}{name}"

    def _text(self, column: tuple[Slot, ...]) -> tuple[str, str]:
        """What stands in a slot: a text, and the argument behind it, where there is one."""
        first, values = column[0], tuple(slot.value for slot in column)
        if all(_same(value, values[0]) for value in values):
            if first.default is not None and all(_same(slot.value, slot.default) for slot in column):
                return "", ""
            return str(first.value) if first.letters else _number(first.value), ""
        if first.letters:
            return first.letters, ""
        for name, known in self.values.items():
            times = _times(values, known)
            if times:
                return f"{times} * " if times > 1 else "", name
        name = unused(identifier(first.name), self._reserved | self.kinds.keys())
        self.values[name] = values
        self.kinds[name] = _kind(values)
        return "", name


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


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b


def _number(value: object) -> str:
    """A number or a tuple of numbers as code; infinities have no literal."""
    text = repr(value)
    return text if not ("inf" in text or "nan" in text) else f"float({text!r})"


def _slot(value: Any, name: str) -> Slot:
    return Slot(value, name)


def _times(values: tuple[Any, ...], known: tuple[Any, ...]) -> int:
    """How many times a number is another, in every instance; 0: there is no such number."""
    if not all(type(each) is int for each in (*values, *known)):
        return int(len(values) == len(known) and all(_same(a, b) for a, b in zip(values, known, strict=True)))
    if not known[0]:
        return int(values == known)
    times = values[0] // known[0]
    return times if times > 0 and all(a == times * b for a, b in zip(values, known, strict=True)) else 0


def _kind(values: tuple[Any, ...]) -> str:
    kinds = {
        f"tuple[{', '.join(type(each).__name__ for each in v)}]" if isinstance(v, tuple) else type(v).__name__
        for v in values
    }
    return "float" if kinds == {"int", "float"} else " | ".join(sorted(kinds))


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
    texts = (str(slot.value) if slot.letters else _number(slot.value) for slot in _slots(lines))
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
        if all(_same(value, values[0]) for value in values):
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
