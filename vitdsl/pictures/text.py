"""How wide a text is at most, whatever sans-serif font it is set in."""

from __future__ import annotations

import unicodedata

FONT = 13.0
"""Size of texts, in pixels."""
SMALL = 11.0
"""Size of small texts, in pixels."""
BOLD = 1.16
"""How much wider bold texts are."""
_WIDTHS = {
    **dict.fromkeys(" !'(),./:;I[\\]ijl|·f", 0.42),
    **dict.fromkeys("rt-", 0.46),
    **dict.fromkeys("mwMW%@", 1.0),
    **dict.fromkeys("+=<>×→~…", 0.86),
}
"""Widths in units of the font's size, those of DejaVu Sans, which is wider than what most systems have."""


def width(text: str, size: float = FONT, bold: bool = False) -> float:
    """The width of a line of text at most, in pixels."""
    return size * sum(map(_letter, text)) * (BOLD if bold else 1)


def _letter(sign: str) -> float:
    found = _WIDTHS.get(sign)
    if found is not None:
        return found
    if sign.isascii():
        return 0.79 if sign.isupper() else 0.66
    if unicodedata.combining(sign):
        return 0.0
    return 1.4 if unicodedata.category(sign) == "So" or unicodedata.east_asian_width(sign) in "WF" else 1.0
