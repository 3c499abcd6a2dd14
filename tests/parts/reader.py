"""Makes parts without a file around them."""

from typing import Any

from vitdsl.parts.base import Part
from vitdsl.parts.fields import refuse
from vitdsl.parts.registry import find


class PartReader:
    """Reads parts by the registry, and no bodies."""

    def part(self, family: str, raw: object) -> Part | None:
        fields = raw if isinstance(raw, dict) else {"type": raw}
        return find(family, str(fields.get("type"))).model_validate(fields, context=self)

    def body(self, raw: object, home: str) -> Any:
        refuse("there are no bodies here")


def make(cls: type[Part], **fields: Any) -> Any:
    """A part of this class."""
    return cls.model_validate(fields, context=PartReader())
