"""Step 3, validate: the merged tree becomes typed objects: model, stages, items, bodies. Shapes come later."""

from __future__ import annotations

from vitdsl.fields.types import PLACES
from vitdsl.validate.file_place import FILE
from vitdsl.validate.head import HEAD_KEYS, Head
from vitdsl.validate.items import Body, Item
from vitdsl.validate.model import (
    INIT_FAMILIES,
    MODEL,
    STAGE,
    DropPath,
    Input,
    Model,
    Stage,
    Tokens,
    UsedStage,
    read_stage,
)
from vitdsl.validate.reader import SpecReader
from vitdsl.validate.wiring import BODIES, DEFAULT_WIRING, PLACE, WIRING, Drop, Residual, Windows, Wiring

__all__ = [
    "BODIES",
    "DEFAULT_WIRING",
    "FILE",
    "HEAD_KEYS",
    "INIT_FAMILIES",
    "MODEL",
    "PLACE",
    "PLACES",
    "STAGE",
    "WIRING",
    "Body",
    "Drop",
    "DropPath",
    "Head",
    "Input",
    "Item",
    "Model",
    "Residual",
    "SpecReader",
    "Stage",
    "Tokens",
    "UsedStage",
    "Windows",
    "Wiring",
    "read_stage",
]
