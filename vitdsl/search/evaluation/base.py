"""The base of evaluations: fields, names of measures, and the method that measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vitdsl.errors import Problem, SpecError
from vitdsl.parts.base import Fields

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate
    from vitdsl.spec import Spec


class Evaluation(Fields):
    """One rung of a search: `{type: NAME, field: value}`."""

    type: str

    def names(self) -> tuple[str, ...]:
        """The names of its measures, which objectives and constraints may use."""
        raise NotImplementedError

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Judges a candidate.

        Returns:
            A number for each of `names`; NaN where there is none.

        Raises:
            SpecError: it cannot judge candidates of this kind.
        """
        raise NotImplementedError

    def restore(self, candidate: Candidate) -> None:
        """Restores the state of a candidate after this rung, where it was judged before the candidate was retried."""
        return None

    def unsuited(self, spec: Spec) -> str | None:
        """The reason why it cannot judge the candidates of a space, or None.

        Args:
            spec: a candidate, or the space, whose holes are ignored.
        """
        return None

    def refuse_unsuited(self, candidate: Candidate) -> None:
        """Raises a SpecError where a candidate is unsuited."""
        reason = self.unsuited(candidate.spec)
        if reason is not None:
            raise SpecError(Problem(reason, mark=candidate.spec.tree.pos, code="E910"))

    def among(self, rungs: Sequence[Evaluation]) -> Evaluation:
        """This evaluation, with defaults that depend on the other rungs.

        Args:
            rungs: all rungs of the search, in order.
        """
        return self
