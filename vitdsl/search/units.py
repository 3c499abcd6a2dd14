"""Quantities as people write them: `6M`, `1.3G`, `20ms`, `64MB`."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from vitdsl.errors import refuse
from vitdsl.fields.messages import describe
from vitdsl.parts.base import Reads

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([a-zA-Zµ]*)\s*")
COUNTS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}
BYTES = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
BYTES_SHOWN = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
COUNTS_SHOWN = (("G", 1e9), ("M", 1e6), ("k", 1e3))
UNITS = {**COUNTS, **SECONDS, **BYTES}


def quantity(value: Any) -> float:
    """A number, or a text of a number and a unit, as a number of ones, seconds or bytes.

    Raises:
        Refusal: it is neither.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    match = _TEXT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in UNITS:
        hint = f"units: {', '.join(unit for unit in UNITS if unit)}"
        refuse(f"must be a number, or one with a unit such as 6M, 20ms or 64MB, but is {describe(value)}", hint)
    made = float(match[1]) * UNITS[match[2]]
    return int(made) if made.is_integer() and match[2] not in SECONDS else made


def shown(value: float, measure: str = "") -> str:
    """A quantity, short: seconds where the measure is a time, bytes where it is memory, else a count or a fraction."""
    if not math.isfinite(value):
        return str(float(value))
    if measure.startswith(("latency", "seconds")):
        units = (("s", 1), ("ms", 1e-3), ("µs", 1e-6))
    else:
        units = BYTES_SHOWN if measure.endswith("bytes") else COUNTS_SHOWN
    for unit, size in units:
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.4g}"


Quantity = Annotated[
    Any, Reads(lambda value, reader: None if value is None else quantity(value), {"type": ["number", "string"]})
]
"""A field that holds a quantity."""
