"""The code of five models, as files beside this one; `python -m tests.compiler.goldens` writes them."""

from __future__ import annotations

from pathlib import Path

import vitdsl

NAMES = ("cvt13", "swin_tiny", "crossvit_tiny", "tnt_small", "levit_128s")
"""Convolutions in attention, windows, two streams, blocks in blocks, sections and offsets."""


def file_of(name: str) -> Path:
    """Where the code of a model is written."""
    return Path(__file__).with_name(f"{name}.py.txt")


def code_of(name: str) -> str:
    """The code of a model."""
    return vitdsl.build(name, "meta").code
