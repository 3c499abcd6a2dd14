"""What every evaluation is: fields, the names of its measures, and the measuring."""

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
        """The measures that it gives: what objectives and constraints may name."""
        raise NotImplementedError

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Judges a candidate.

        Returns:
            A number for each of `names`; NaN where there is none.

        Raises:
            SpecError: no candidate of this kind can be judged so.
        """
        raise NotImplementedError

    def restore(self, candidate: Candidate) -> None:
        """Brings a candidate that is tried again to where this rung, which was done before, had left it."""
        return None

    def unsuited(self, spec: Spec) -> str | None:
        """Why no candidate of a space can be judged so, or None.

        Args:
            spec: a candidate, or the space with its holes, of which only what is written out is looked at.
        """
        return None

    def refuse_unsuited(self, candidate: Candidate) -> None:
        """Raises a SpecError where a candidate cannot be judged so."""
        reason = self.unsuited(candidate.spec)
        if reason is not None:
            raise SpecError(Problem(reason, mark=candidate.spec.tree.pos))

    def among(self, rungs: Sequence[Evaluation]) -> Evaluation:
        """The same, with what follows from the rungs beside it put in where nothing was said.

        Args:
            rungs: all rungs of the search, in order.
        """
        return self
