"""Names in generated code."""

from __future__ import annotations

import keyword
import re


def spoken(path: str) -> str:
    """The name of what a module gives: the last words of its path, `mixer_qkv`."""
    words = [word for word in path.split(".") if not word.isdigit()]
    return identifier("_".join(words[-2:]))


def identifier(name: str) -> str:
    """A name that Python takes: nothing of a spec becomes code."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name) or "x"
    text = f"_{text}" if text[0].isdigit() else text
    return f"{text}_" if keyword.iskeyword(text) else text


def class_name(path: str) -> str:
    """The name of the class of a repeated body: `Stage2Block`."""
    words = re.findall(r"[A-Za-z]+|[0-9]+", path)
    while words and words[-1].isdigit():
        words.pop()
    return "".join(word.capitalize() for word in words[:1] + words[1:]).replace("Stages", "Stage") or "Body"
