"""Attention in windows."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Padding, Size
from vitdsl.parts.forms.mixer import MixerForm


class Windowed(MixerForm):
    """A mixer in windows, which may be shifted.

    Paper: Swin, arXiv 2103.14030. Symbols: windows = M.
    Expands: global, in an item with `windows`.

    Attributes:
        windows: size of a window; larger ones than the grid are the grid.
        shift: of the windows, cyclic, in rows and columns.
        fit: whether the windows must tile the grid, or zeros fill it up.
    """

    type: Literal["windowed"] = "windowed"
    own: ClassVar[frozenset[str]] = frozenset({"windows", "shift", "fit"})
    windows: Size
    shift: Padding = (0, 0)
    fit: Literal["exact", "pad"] = "exact"

    def expand(self) -> dict[str, Any]:
        """One item."""
        return {"windows": {"size": self.windows, "shift": self.shift, "fit": self.fit}, "mixer": self.mixer()}
