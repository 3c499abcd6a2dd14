"""Attention in windows."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Padding, Size
from vitdsl.parts.forms.mixer import MixerForm


class Windowed(MixerForm):
    """A mixer in windows, which may be shifted.

    Paper: Swin, arXiv 2103.14030. Symbols: windows = M.
    Expands: global, in an item with `windows`.
    """

    type: Literal["windowed"] = "windowed"
    own: ClassVar[frozenset[str]] = frozenset({"windows", "shift", "fit"})
    windows: Size
    shift: Padding = (0, 0)
    fit: Literal["exact", "pad"] = "exact"

    def expand(self) -> dict[str, Any]:
        """One item."""
        return {"windows": {"size": self.windows, "shift": self.shift, "fit": self.fit}, "mixer": self.mixer()}
