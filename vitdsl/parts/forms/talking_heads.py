"""Talking heads."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.parts.forms.mixer import MixerForm
from vitdsl.parts.forms.reattention import plain_linear


class TalkingHeads(MixerForm):
    """A mixer whose maps are mixed over the heads before and after softmax.

    Paper: Talking-Heads Attention, arXiv 2003.02436; CaiT, arXiv 2103.17239. Symbols: -.
    Expands: global with `maps.before` and `maps.after`.

    Attributes:
        mix_bias: whether the linear maps over the heads have biases.
    """

    type: Literal["talking_heads"] = "talking_heads"
    own: ClassVar[frozenset[str]] = frozenset({"mix_bias"})
    mix_bias: bool = True

    def expand(self) -> dict[str, Any]:
        """One item."""
        mix = [{"linear": plain_linear(self.mix_bias)}]
        return {"mixer": self.mixer(maps={"before": mix, "after": mix})}
