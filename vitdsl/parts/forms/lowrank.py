"""Attention over a learned mixture of tokens."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.fields.types import Positive
from vitdsl.parts.forms.mixer import MixerForm


class Lowrank(MixerForm):
    """A mixer whose keys and values are `rank` learned mixtures of the tokens; `share` mixes both alike.

    Paper: Linformer, arXiv 2006.04768. Symbols: rank = k, share: E = F.
    Expands: global with a `bank` or a `projection` over tokens.

    Attributes:
        rank: number of mixtures, which are the keys.
        share: whether keys and values are mixed by the same weights.
    """

    type: Literal["lowrank"] = "lowrank"
    own: ClassVar[frozenset[str]] = frozenset({"rank", "share"})
    rank: Positive
    share: bool = False

    def expand(self) -> dict[str, Any]:
        """One item."""
        mixing = [{"linear": {"dim": self.rank, "over": "tokens", "bias": False, "norm": "none", "activation": "none"}}]
        if self.share:
            return {"mixer": self.mixer(bank=mixing)}
        return {"mixer": self.mixer(projection={"k": mixing, "v": mixing})}
