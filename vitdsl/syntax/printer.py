"""Canonical YAML of a merged file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

from vitdsl.syntax.expressions import Late, LateList
from vitdsl.syntax.holes import Hole


def plain(value: Any) -> Any:
    """A tree of plain values: late values as their text, holes as they were written."""
    if isinstance(value, Late):
        return value.text
    if isinstance(value, Hole):
        return plain(value.raw)
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, LateList)):
        return [plain(entry) for entry in value]
    return value


class _Dumper(yaml.SafeDumper):
    """Writes numbers and strings so that YAML 1.2 reads them back alike."""

    def ignore_aliases(self, data: Any) -> bool:
        """Anchors are no part of the language."""
        return True


def _float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # YAML 1.1, by which PyYAML writes, knows no other exponent
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))


@lru_cache(maxsize=4096)
def _style(value: str) -> str | None:
    """Quotes, where the bare text would be read as something else."""
    from vitdsl.syntax.source import read

    try:
        plain_again = read(value, "") if value and "\n" not in value else None
    except ValueError:
        plain_again = None
    return '"' if plain_again != value or any(sign in value for sign in ",[]{}#&*!|>'\"%@`") else None


_Dumper.add_representer(float, _float)
_Dumper.add_representer(str, _text)


def dump_tree(tree: Any) -> str:
    """Canonical YAML of a tree: block style, keys in the order of the file."""
    return yaml.dump(
        plain(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000, default_flow_style=False
    )


def as_yaml(value: Any) -> str:
    """A plain value in YAML's flow style, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_yaml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_yaml(entry) for entry in value) + "]"
    if isinstance(value, str):
        return dump_tree([value]).strip().removeprefix("- ")
    return repr(value) if isinstance(value, float) else json.dumps(value)
