"""The memos of reading and analysing, all together."""

from __future__ import annotations

from vitdsl import validate
from vitdsl.elaborate import repeats, stages
from vitdsl.syntax import content


def forget() -> None:
    """Empties every memo, so that the next spec is read and analysed as if it were the first; files stay read."""
    content.forget()
    validate.forget()
    repeats.forget()
    stages.forget()
