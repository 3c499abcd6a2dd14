"""The error of this folder, and how many problems become one message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

SHOWN = 20


class CheckpointError(ValueError):
    """A table of keys is wrong, or weights do not fit it.

    Attributes:
        problems: every problem, a full sentence each; the message shows the first of them.
    """

    def __init__(self, headline: str, problems: Sequence[str] = ()) -> None:
        """Make the error out of what it is about and all that is wrong."""
        self.headline = headline
        self.problems = tuple(problems)
        lines = [f"  - {problem}" for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"  - ... and {len(self.problems) - SHOWN} more.")
        super().__init__("\n".join([headline, *lines]))

    def __reduce__(self) -> tuple[type[CheckpointError], tuple[str, tuple[str, ...]]]:
        """Pickle as headline and problems, so that worker processes can raise it."""
        return type(self), (self.headline, self.problems)


class Problems:
    """A list of sentences, with the nearest right key looked up for those that will be shown."""

    def __init__(self) -> None:
        """Start without problems."""
        self.sentences: list[str] = []

    def add(self, sentence: str, key: str = "", candidates: Iterable[str] = ()) -> None:
        """Add `sentence`, and the candidate nearest to `key`.

        The search compares whole strings and is slow, so it stops with the problems that a message shows.
        """
        near = difflib.get_close_matches(key, list(candidates), 1, 0.6) if key and len(self.sentences) < SHOWN else []
        self.sentences.append(f"{sentence} The nearest key is `{near[0]}`." if near else sentence)

    def extend(self, sentences: Iterable[str]) -> None:
        """Add sentences that are complete."""
        self.sentences.extend(sentences)

    def raise_if_any(self, headline: str) -> None:
        """Raise all problems as one `CheckpointError`."""
        if self.sentences:
            raise CheckpointError(headline, self.sentences)
