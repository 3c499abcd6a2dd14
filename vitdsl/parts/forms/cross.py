"""Cross attention."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from vitdsl.parts.base import FieldsOr
from vitdsl.parts.forms.mixer import Keys, MixerForm


class Cross(MixerForm):
    """A mixer whose bank another stream fills.

    Paper: CrossViT, arXiv 2103.14899. Symbols: -.
    Expands: global.

    Attributes:
        keys: the stream whose tokens fill the bank.
    """

    type: Literal["cross"] = "cross"
    keys: Annotated[Any, FieldsOr(Keys, home="names")]  # type: ignore[reportGeneralTypeIssues]

    def expand(self) -> dict[str, Any]:
        """One item."""
        return {"mixer": self.mixer()}
