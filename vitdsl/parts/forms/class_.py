"""Class attention."""

from __future__ import annotations

from typing import Any, Literal

from vitdsl.parts.forms.mixer import MixerForm


class Class(MixerForm):
    """The class token alone asks; everything answers.

    Paper: CaiT, arXiv 2103.17239. Symbols: -.
    Expands: global, in an item at `cls`.
    """

    type: Literal["class"] = "class"

    def expand(self) -> dict[str, Any]:
        """One item; `at` on the item itself names another token."""
        return {"at": "cls", "mixer": self.mixer(keys=self.keys or "all")}
