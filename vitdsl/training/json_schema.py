"""JSON schema (draft-07) of recipe files, for editors, written from the classes that read them."""

from __future__ import annotations

from typing import Any

from vitdsl.parts.base import NONE
from vitdsl.training.recipe import RecipeFile
from vitdsl.validate.json_schema import DRAFT
from vitdsl.validate.json_schema_fields import Schema, merged_keys, object_schema


def recipe_schema() -> Schema:
    """The schema of a recipe file; one that extends another need not say what that says."""
    whole = object_schema(RecipeFile)
    root = _without_required(whole)
    for field in (root["properties"][key] for key in RecipeFile.absent):
        field["anyOf"].append({"const": NONE})
    root["properties"] = {**merged_keys(RecipeFile), **root["properties"]}
    alone = {"required": whole["required"], "properties": {"optimizer": {"required": ["learning_rate"]}}}
    root |= {"if": {"not": {"required": ["extends"]}}, "then": alone}
    late = {"anyOf": [{"type": "string", "pattern": r"^\$"}, {"type": "null"}]}
    return {"$schema": DRAFT, "title": "vitdsl recipe", **root, "definitions": {"late": late}}


def _without_required(node: Any) -> Any:
    """The same, in which no mapping must have a key."""
    if isinstance(node, list):
        return [_without_required(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    closed = node.get("additionalProperties") is False
    return {key: _without_required(value) for key, value in node.items() if not (closed and key == "required")}
