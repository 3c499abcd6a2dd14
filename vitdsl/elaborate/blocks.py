"""Where blocks end: the sums of a body that no body with blocks parts are one block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vitdsl.elaborate.builder import Ends
from vitdsl.elaborate.scope import Scope
from vitdsl.graph.ir import Value, joined


class Sums:
    """The sums of a body while its items run.

    Args:
        scope: of the body.
        ends: where the ends of its blocks are noted.
        makes_block: whether an item makes a block; those that follow one another make one together.
    """

    def __init__(self, scope: Scope, ends: Ends, makes_block: Callable[[Scope, Any], bool]) -> None:
        self._scope, self._ends, self._makes_block = scope, ends, makes_block
        self._first = self._before = ends.count
        self._last: str | None = None
        self._value: Value | None = None

    def begin(self) -> None:
        """An item begins."""
        self._before = self._ends.count
        self._value = None if self._last is None else self._now()

    def done(self, item: Any, segment: str) -> None:
        """An item has run. Where it holds blocks, what stands before it and what stands behind it are two.

        Args:
            item: of the body.
            segment: its segment of module paths.
        """
        if self._ends.count == self._before:
            self._last = segment if self._makes_block(self._scope, item) else self._last
            return
        if self._last is not None:
            self._note(self._value, self._last)
            self._last = None

    def finish(self) -> None:
        """The body has run; a single block has the path of the body."""
        if self._last is not None:
            self._note(self._now(), "" if self._ends.count == self._first else self._last)

    def _now(self) -> Value | None:
        """The current value; None where the body has not touched its stream."""
        scope = self._scope
        return scope.flow if scope.current is None or scope.current in scope.builder.streams else None

    def _note(self, value: Value | None, segment: str) -> None:
        if value is not None:
            self._ends.note(value, joined(self._scope.path, segment))
