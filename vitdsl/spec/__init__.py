"""The file as written: model, stages, items, bodies. Fields are typed here; shapes are the graph's business."""

from __future__ import annotations

from vitdsl.spec.items import Body, Item
from vitdsl.spec.model import (
    HEAD_KEYS,
    INIT_FAMILIES,
    MODEL,
    STAGE,
    DropPath,
    Head,
    Input,
    Model,
    Stage,
    Tokens,
    UsedStage,
)
from vitdsl.spec.names import FEATURES, elsewhere, seen
from vitdsl.spec.reader import COMPOSITE, RESERVED, SpecReader, forget
from vitdsl.spec.wiring import DEFAULT_WIRING, NESTED, PLACE, PLACES, WIRING, Drop, Place, Residual, Windows, Wiring

__all__ = [
    "COMPOSITE",
    "DEFAULT_WIRING",
    "FEATURES",
    "HEAD_KEYS",
    "INIT_FAMILIES",
    "MODEL",
    "NESTED",
    "PLACE",
    "PLACES",
    "RESERVED",
    "STAGE",
    "WIRING",
    "Body",
    "Drop",
    "DropPath",
    "Head",
    "Input",
    "Item",
    "Model",
    "Place",
    "Residual",
    "SpecReader",
    "Stage",
    "Tokens",
    "UsedStage",
    "Windows",
    "Wiring",
    "elsewhere",
    "forget",
    "seen",
]
