"""Memos of elaboration: each entry has a trace, the questions to the surroundings with their answers.

A frame depends on the streams around it, and on the variables, arguments and indexes that its late values name. Only
the elaboration of the frame shows on which of them. So it notes every question with its answer (build systems call
this a trace). A frame is used again if the same questions, asked in the same order, have the same answers.
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
"""The answer if the name is unknown, or if the value depends on where it is used."""
NO_NAMES: frozenset[str] = frozenset()
_questions = Table(50_000)


# ---------------------------------------------------------------- questions


class Question:
    """A question of a frame to its surroundings: the value of a late value, or of a tree with late values.

    The question is for a value, not for names: several indexes may give one value, and so may several values of a
    variable.

    Attributes:
        of: the late value or tree.
        names: the names that the answer depends on.
        shared: whether the body of a define asks, which sees variables and indexes, but no arguments except its own.
        outward: if it reads an index: the questions for its other names, which the outer frame answers; else None.
        by_index: whether it reads the index of the repetition.
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
        """The answer of the surroundings, as a key."""
        of, values = self.of, trace.shared if self.shared else trace.local
        if not is_settled(of, self.names, values):
            return UNANSWERED
        try:
            return answer_key(of.evaluate(values) if of.__class__ is Late else substitute_known(of, values))
        except ExpressionError:
            return UNANSWERED


class StreamQuestion(Question):
    """A question for the feature of a stream; the answer is None if there is no stream."""

    __slots__ = ()

    def answer(self, trace: Trace) -> Any:
        """The feature of the stream outside of the frame."""
        return trace.outer(self.of)


def value_question(of: Any, names: frozenset[str], shared: bool) -> Question:
    """The question for the value of a late value or a tree; equal questions are one object."""
    key = (of.text if of.__class__ is Late else content(of), shared)
    return _questions.get(key) or _questions.keep(key, Question(of, names, shared))


def name_question(name: str, shared: bool) -> Question:
    """The question for the value of a name."""
    key = (f"${name}", shared)
    return _questions.get(key) or _questions.keep(key, Question(parse(key[0]), frozenset((name,)), shared))


def _of_stream(name: str) -> Question:
    key = (name, None)
    return _questions.get(key) or _questions.keep(key, StreamQuestion(name, NO_NAMES, False))


def answer_key(value: Any) -> Any:
    """A value as a key: equal trees have equal keys, but 1, 1.0 and true have different ones."""
    kind = value.__class__
    if kind is int or kind is str:
        return value
    return (kind, value) if kind in PLAIN else (None, content(value))


def is_settled(of: Any, names: frozenset[str], values: Mapping[str, Any]) -> bool:
    """Whether a late value or a tree has the same value wherever it is used: its names hold no late values.

    A late value that is only a name, or a dotted name, is settled: its value is taken as it is.
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
    """The questions of one frame to its surroundings, in order, with the answers.

    Args:
        names: the names that late values see outside of the frame.
        outer: gives the feature of a stream outside of the frame, or None.
        index: the index of the repetition; None if the frame is not repeated.

    Attributes:
        answers: by question, in the order of the questions.
        varies: whether a question read the index of the repetition.
    """

    __slots__ = ("above", "answers", "local", "outer", "repeated", "shared", "varies")

    def __init__(self, names: NameScope, outer: Callable[[str], Feature | None], index: int | None = None) -> None:
        self.answers: dict[Question, Any] = {}
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
        """The feature of a stream outside of the frame, or None."""
        return self.ask(_of_stream(name))

    def ask(self, question: Question) -> Any:
        """Asks the surroundings, and notes the answer."""
        if question not in self.answers:
            self.note(question, question.answer(self))
        return self.answers[question]

    def note(self, question: Question, answer: Any) -> None:
        """Notes a question with its answer, here and in the outer frame's trace.

        The outer trace gets only what the repetition does not answer: its index is its own.
        """
        if question in self.answers:
            return
        self.answers[question] = answer
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


class QuestionNode:
    """A node of the tree of questions: the next question, with a node for each answer, or a kept value at a leaf."""

    __slots__ = ("branches", "kept")

    def __init__(self) -> None:
        self.branches: dict[Question, dict[Any, QuestionNode]] = {}
        self.kept: Any = None


class TraceTable(Table):
    """A memo by key and trace; each key has a tree of questions."""

    __slots__ = ("count",)

    def __init__(self, limit: int = 200_000) -> None:
        super().__init__(limit)
        self.count = 0

    def clear(self) -> None:
        """Empties the table."""
        super().clear()
        self.count = 0

    def find(self, key: Any, trace: Trace) -> Any:
        """The value kept for a key whose questions have the same answers now, or None. Asks the questions in order."""
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
        """Keeps a value under a key and the trace of its elaboration."""
        if self.count >= self.limit:
            self.clear()
        node = self.get(key)
        if node is None:
            node = self[key] = QuestionNode()
        for question, answer in trace.answers.items():
            answers = node.branches.setdefault(question, {})
            node = answers.get(answer) or answers.setdefault(answer, QuestionNode())
            self.count += 1
        node.kept = kept
