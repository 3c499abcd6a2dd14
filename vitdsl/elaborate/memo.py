"""Memos of elaboration: each entry keeps a trace, what was asked of the surroundings and what they answered.

A frame depends on the streams around it, and on the variables, arguments and indexes that its late values name. Which
of them, only its elaboration finds out: it notes every question with its answer (build systems call that a trace). A
frame is used again where the same questions, asked in turn, have the same answers. Nothing is predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vitdsl.errors import ExpressionError
from vitdsl.features import Feature
from vitdsl.memo import Table
from vitdsl.resolve.substitute import INDEXES, substitute_known
from vitdsl.syntax.content import content
from vitdsl.syntax.expressions import Late, parse
from vitdsl.syntax.summary import PLAIN, facts

if TYPE_CHECKING:
    from vitdsl.elaborate.names import NameScope

UNANSWERED: Any = object()
"""The answer where there is no such name, or where the value depends on where it is used."""
NO_NAMES: frozenset[str] = frozenset()
_questions = Table(50_000)


# ---------------------------------------------------------------- questions


class Question:
    """What elaboration asks of what is around a frame: the value of a late value, or of a tree with late values.

    Values are asked for, not names: several indexes may give one value, and so may several values of a variable.

    Attributes:
        of: what is asked about.
        names: the names that the answer depends on.
        shared: asked by the body of a define, which sees variables and indexes, but no arguments but its own.
        outward: where it reads an index: what it asks of what is around the repetition, name by name; else None.
        by_index: whether it reads which repetition this is.
    """

    __slots__ = ("by_index", "names", "of", "outward", "shared")

    def __init__(self, of: Any, names: frozenset[str], shared: bool) -> None:
        self.of, self.names, self.shared = of, names, shared
        self.by_index = "index" in names
        self.outward: list[Question] | None = None
        if not names.isdisjoint(INDEXES):
            outward = (names - INDEXES) | {"index"} if "index_1" in names else names - INDEXES
            self.outward = [name_question(name, shared) for name in outward]

    def answer(self, trace: Trace) -> Any:
        """The answer around the frame, as a key."""
        of, values = self.of, trace.shared if self.shared else trace.local
        if not is_settled(of, self.names, values):
            return UNANSWERED
        try:
            return answer_key(of.evaluate(values) if of.__class__ is Late else substitute_known(of, values))
        except ExpressionError:
            return UNANSWERED


class StreamQuestion(Question):
    """What does a stream hold? A feature, or None."""

    __slots__ = ()

    def answer(self, trace: Trace) -> Any:
        """The feature around the frame."""
        return trace.outer(self.of)


def value_question(of: Any, names: frozenset[str], shared: bool) -> Question:
    """The question for the value of a late value or a tree; one object for equal questions."""
    key = (of.text if of.__class__ is Late else content(of), shared)
    return _questions.get(key) or _questions.keep(key, Question(of, names, shared))


def name_question(name: str, shared: bool) -> Question:
    """The question what a name stands for."""
    key = (f"${name}", shared)
    return _questions.get(key) or _questions.keep(key, Question(parse(key[0]), frozenset((name,)), shared))


def _of_stream(name: str) -> Question:
    key = (name, None)
    return _questions.get(key) or _questions.keep(key, StreamQuestion(name, NO_NAMES, False))


def answer_key(value: Any) -> Any:
    """A value as a key: equal trees have one, but 1, 1.0 and true have three."""
    kind = value.__class__
    if kind is int or kind is str:
        return value
    return (kind, value) if kind in PLAIN else (None, content(value))


def is_settled(of: Any, names: frozenset[str], values: Mapping[str, Any]) -> bool:
    """Whether a late value or a tree has one value wherever it is used: what it names holds no late values.

    A name alone, and an element by a dotted name, is given back as it is, whatever it holds.
    """
    if of.__class__ is Late and not of.is_expression:
        return True
    for name in names:
        value = values.get(name)
        if value.__class__ not in PLAIN and facts(value).names:
            return False
    return True


# ---------------------------------------------------------------- traces


class Trace:
    """What was asked of the surroundings of one frame, in order, with the answers.

    Args:
        names: what late values see where the frame stands.
        outer: gives the feature of a stream around the frame, or None.
        index: which repetition the frame is, where it is repeated.

    Attributes:
        asked: the answers by question.
        varies: whether it was asked which repetition this is.
    """

    __slots__ = ("above", "asked", "local", "outer", "repeated", "shared", "varies")

    def __init__(self, names: NameScope, outer: Callable[[str], Feature | None], index: int | None = None) -> None:
        self.asked: dict[Question, Any] = {}
        self.varies = False
        self.above, self.outer = (names if names.trace is not None else None), outer
        self.local, self.shared, self.repeated = names.local, names.shared, index is not None
        if index is not None:
            own = {"index": index}
            if "index" in names.local:
                own["index_1"] = names.local["index"]
            self.local = {**names.local, **own}
            self.shared = self.local if names.local is names.shared else {**names.shared, **own}

    def stream(self, name: str) -> Feature | None:
        """The feature of a stream around the frame, or None."""
        return self.ask(_of_stream(name))

    def ask(self, question: Question) -> Any:
        """Asks the surroundings, and notes it."""
        if question not in self.asked:
            self.note(question, question.answer(self))
        return self.asked[question]

    def note(self, question: Question, answer: Any) -> None:
        """Notes a question with its answer, here and in what is around, as far as the repetition does not answer it."""
        if question in self.asked:
            return
        self.asked[question] = answer
        self.varies = self.varies or question.by_index
        above = self.above
        if above is None or not question.names:
            return
        if self.repeated and question.outward is not None:
            for each in question.outward:
                above.ask(each)
        else:
            above.note(question, answer)


# ---------------------------------------------------------------- tables


class Node:
    """A place in the tree of questions: what is asked next, by answer what follows, or what was kept."""

    __slots__ = ("branches", "kept")

    def __init__(self) -> None:
        self.branches: dict[Question, dict[Any, Node]] = {}
        self.kept: Any = None


class TraceTable(Table):
    """What was elaborated, by a key and by its trace: under each key stands a tree of questions."""

    __slots__ = ("count",)

    def __init__(self, limit: int = 200_000) -> None:
        super().__init__(limit)
        self.count = 0

    def clear(self) -> None:
        """Empties the table."""
        super().clear()
        self.count = 0

    def find(self, key: Any, trace: Trace) -> Any:
        """What was kept where the same questions had the same answers, or None; they are asked anew, in order."""
        node = self.get(key)
        while node is not None and node.kept is None:
            for question, answers in node.branches.items():
                following = answers.get(trace.ask(question))
                if following is not None:
                    break
            else:
                return None
            node = following
        return None if node is None else node.kept

    def keep_trace(self, key: Any, trace: Trace, kept: Any) -> None:
        """Keeps something that was made with a trace."""
        if self.count >= self.limit:
            self.clear()
        node = self.get(key)
        if node is None:
            node = self[key] = Node()
        for question, answer in trace.asked.items():
            answers = node.branches.setdefault(question, {})
            node = answers.get(answer) or answers.setdefault(answer, Node())
            self.count += 1
        node.kept = kept
