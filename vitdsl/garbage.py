"""Garbage is looked for between specs, not while one is read or analysed: nearly all that is made there stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Within, Python's collector of cycles rests; it takes up to a tenth of the time of a first analysis."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
