"""The ghost mlp."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.fields.types import Positive
from vitdsl.parts.base import Form, Part
from vitdsl.parts.forms.mlp import MlpFields, Ratio
from vitdsl.syntax.limits import ITEMS


class Ghost(MlpFields, Form):
    """An mlp most of whose hidden channels are cheap copies of the first: each a scale of its channels, activated.

    Paper: GhostNet, arXiv 1911.11907, as T2T-ViT uses it. Symbols: copies = s - 1.
    Expands: mlp, parallel, affine.

    Attributes:
        ratio: channels that the first linear map makes / width that enters.
        copies: cheap copies of each of these channels.
    """

    type: Literal["ghost"] = "ghost"
    own: ClassVar[frozenset[str]] = frozenset({"copies"})
    ratio: Ratio = 1.0
    copies: Positive = 2

    def expand(self) -> dict[str, Any]:
        """An mlp with the copies beside its hidden channels."""
        if ITEMS.exceeds(self.copies):
            raise ShapeError(*ITEMS.fault(self.copies), ("copies",), "E501")
        activation = self.activation if isinstance(self.activation, Part) else "none"
        copy = [{"norm": {"type": "affine", "bias": False, "init": 1}}, {"activation": activation}]
        copies = {"parallel": [[], *[copy for _ in range(self.copies)]], "merge": "concat"}
        return {"mlp": {"ratio": self.ratio, **self.for_expansion, "type": "mlp", "between": [copies]}}
