"""Quantities as people write them: `6M`, `1.3G`, `20ms`, `64MB`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_TEXT = re.compile(r"\s*(\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([a-zA-Zµ]*)\s*")
COUNTS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}
BYTES = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
UNITS = {**COUNTS, **SECONDS, **BYTES}
_COUNTS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
_BYTES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_SECONDS = (("s", 1), ("ms", 1e-3), ("µs", 1e-6))


def parse_quantity(text: str, units: Mapping[str, float] = UNITS) -> float | None:
    """The number that a text says: of ones, seconds or bytes, by its unit.

    Args:
        text: a number that is not negative, and perhaps a unit.
        units: the size of each unit that may stand there.

    Returns:
        The number, whole numbers of ones and bytes as integers; None where the text says none.
    """
    match = _TEXT.fullmatch(text)
    if match is None or match[2] not in units:
        return None
    value = float(match[1]) * units[match[2]]
    return int(value) if value.is_integer() and match[2] not in SECONDS else value


def parse_count(text: str) -> int | None:
    """The positive whole number that a text such as 1G, 20m or 5_000 says, or None."""
    value = parse_quantity(text.upper(), COUNTS)
    return int(value) if value is not None and 0 < value < math.inf else None


def format_count(number: float) -> str:
    """A number with three digits and a unit: 4.57G, 382M, 96.0k; below 1000 as it is."""
    return _in_units(number, _COUNTS, "#.3g") or f"{number:g}"


def format_macs(count: int) -> str:
    """Multiply-adds with their unit: 4.57 GMACs."""
    text = format_count(count)
    return f"{text[:-1]} {text[-1]}MACs" if text[-1].isalpha() else f"{text} MACs"


def format_clock(seconds: float) -> str:
    """A time in hours, minutes and seconds: 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def format_measure(value: float, measure: str = "") -> str:
    """A measure with at most three digits and a unit.

    Args:
        value: in seconds or bytes, or a count or a fraction.
        measure: its name, which says the kind: `latency…` and `seconds…` are times, `…bytes` is memory.
    """
    if not math.isfinite(value):
        return str(float(value))
    is_time = measure.startswith(("latency", "seconds"))
    units = _SECONDS if is_time else _BYTES if measure.endswith("bytes") else _COUNTS
    return _in_units(value, units, ".3g") or f"{value:.4g}"


def _in_units(value: float, units: tuple[tuple[str, float], ...], digits: str) -> str | None:
    """A value in the largest unit of which it has at least one, as rounded to three digits; None: of no unit."""
    for unit, size in units:
        if abs(value) >= 0.9995 * size:
            return f"{value / size:{digits}}".rstrip(".") + unit
    return None
