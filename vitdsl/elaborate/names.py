"""The names that late values read: variables, arguments, indexes, features. The frame's trace notes each read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from vitdsl.elaborate.memo import Question, Trace, answer_key, is_settled, name_question, value_question
from vitdsl.features import Feature
from vitdsl.resolve.substitute import substitute_known
from vitdsl.syntax.expressions import Late, Names
from vitdsl.syntax.summary import facts


class NameScope(Names):
    """The names that late values read in one scope, without those of features. The frame's trace notes each read.

    Attributes:
        local: values by name: variables, arguments and indexes.
        shared: the part that the body of a define sees too: variables and indexes.
        trace: of the frame; None if nothing is noted.
        own: the arguments of a `use` inside the frame, which do not come from the frame's surroundings; else None.
    """

    __slots__ = ("local", "own", "shared", "trace")

    def __init__(
        self,
        local: dict[str, Any],
        shared: dict[str, Any],
        trace: Trace | None = None,
        own: set[str] | None = None,
    ) -> None:
        self.local, self.shared, self.trace, self.own = local, shared, trace, own

    @classmethod
    def inside(cls, trace: Trace) -> NameScope:
        """The names inside of the frame with this trace."""
        return cls(trace.local, trace.shared, trace)

    def used(self, arguments: dict[str, Any]) -> NameScope:
        """The names in the body of a define, for a use with these arguments."""
        return NameScope({**self.shared, **arguments}, self.shared, self.trace, set(arguments))

    def add(self, name: str, value: Any) -> None:
        """Adds an argument of the `use`."""
        assert self.own is not None
        self.local[name] = value
        self.own.add(name)

    def at(self, x: Feature) -> FeatureNames:
        """The same names, and those of a feature."""
        return FeatureNames(self, x)

    # ------------------------------------------------------------ reading

    def name(self, name: str, default: Any) -> Any:
        """The value of a name."""
        self.note_names((name,))
        return self.local.get(name, default)

    def evaluate(self, late: Late) -> Any:
        """Evaluates a late value that names no feature."""
        value = late.evaluate(self.local)
        self._note_read(late, late.names, value)
        return value

    def argument(self, raw: Any) -> Any:
        """An argument that is a tree, with all names that are known here substituted."""
        names = facts(raw).names
        if not names:
            return raw
        value = substitute_known(raw, self.local)
        self._note_read(raw, names, value)
        return value

    # ------------------------------------------------------------ noting

    def note(self, question: Question, answer: Any) -> None:
        """Notes a question of this scope, or of a frame inside."""
        if self.trace is None:
            return
        if question.shared or self.own is None:
            self.trace.note(question, answer)
        elif question.names.isdisjoint(self.own):
            self.trace.note(value_question(question.of, question.names, True), answer)
        else:
            self.note_names(question.names)

    def ask(self, question: Question) -> None:
        """Asks and notes a question, unless it reads an argument of the `use`."""
        if self.trace is None:
            return
        if question.shared or self.own is None:
            self.trace.ask(question)
        elif question.names.isdisjoint(self.own):
            self.trace.ask(value_question(question.of, question.names, True))

    def note_names(self, names: Iterable[str]) -> None:
        """Notes a read of each of these names."""
        for name in names:
            self.ask(name_question(name, False))

    def note_all(self, names: Iterable[str], hidden: Collection[str] = ()) -> None:
        """Notes reads of these names, and of the names that their values read in turn; not of hidden ones."""
        waiting, found = list(names), set(hidden)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += facts(self.local.get(name)).names
        self.note_names(found.difference(hidden))

    def _note_read(self, of: Any, names: frozenset[str], value: Any) -> None:
        """Notes the read of a late value or a tree: as one question if it is settled, else as its names."""
        if self.trace is None:
            return
        if is_settled(of, names, self.local):
            self.note(value_question(of, names, False), answer_key(value))
        else:
            self.note_all(names)


class FeatureNames(Names):
    """The names that late values read at a feature: `dim`, on a grid `height` and `width`, then those of a scope."""

    __slots__ = ("features", "names")

    def __init__(self, names: NameScope, x: Feature) -> None:
        self.names, self.features = names, {"dim": x.dim}
        if x.grid is not None:
            self.features["height"], self.features["width"] = x.grid

    def evaluate(self, late: Late) -> Any:
        """Evaluates a late value at the feature."""
        features, names = self.features, self.names
        if late.names <= features.keys():
            return late.evaluate(features)
        local = names.local
        if late.names.isdisjoint(features) and late.names <= local.keys() and is_settled(late, late.names, local):
            return names.evaluate(late)
        value = late.evaluate({**local, **features})
        names.note_all(late.names, features)
        return value
