"""The memos of reading and analysing, all together."""

from __future__ import annotations

from vitdsl import validate as spec
from vitdsl.graph import elaborate, repeats
from vitdsl.syntax import content


def forget() -> None:
    """Empties every memo, so that the next spec is read and analysed as if it were the first; files stay read."""
    content.forget()
    spec.forget()
    repeats.forget()
    elaborate.forget()
