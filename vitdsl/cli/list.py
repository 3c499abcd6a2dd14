"""`vitdsl list`: the shipped specs, the parts that a spec can name, or the shipped recipes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vitdsl.cli.options import AsJson, Settings
from vitdsl.cli.output import echo, print_json, print_table
from vitdsl.cli.specs import load_spec
from vitdsl.errors import SpecError
from vitdsl.fields.declaration import Declaration
from vitdsl.parts.base import Form, Part, Primitive
from vitdsl.parts.registry import family, is_role
from vitdsl.resolve.files import shipped
from vitdsl.syntax.printer import as_yaml
from vitdsl.units import format_count
from vitdsl.validate.descriptions import summary
from vitdsl.validate.json_schema import families
from vitdsl.validate.json_schema_fields import field_schema, type_words


def run(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORD", help="Only what has all these words in it.")
    ] = None,
    parts: Annotated[bool, typer.Option("--parts", help="Parts and forms, with their fields.")] = False,
    recipes: Annotated[bool, typer.Option("--recipes", help="Recipes, by which specs are trained.")] = False,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List the shipped specs with their costs, or parts, or recipes."""
    if parts and recipes:
        raise typer.BadParameter("it is a list of its own, without --parts", param_hint="--recipes")
    if parts or recipes:
        what = "part" if parts else "recipe"
        if set_:
            raise typer.BadParameter(f"it goes with specs, not with --{what}s", param_hint="--set")
        found = _parts_with(words or ()) if parts else _recipes_with(words or ())
        _refuse_nothing(found, words, what)
        (print_json if as_json else _print_parts if parts else _print_recipes)(found)
        return
    _list_specs(words, set_, as_json)


def _list_specs(words: list[str] | None, set_: list[str] | None, as_json: bool) -> None:
    """Prints the specs with these words, and what is wrong with those that cannot be loaded."""
    rows, faults = [], []
    for name in sorted(path.stem for path in shipped().glob("*.yaml")):
        try:
            if (spec := _spec(name, set_, words or ())) is not None:
                rows.append(spec)
        except SpecError as error:
            faults.append(error)
    if not faults:
        _refuse_nothing(rows, words, "spec")
    if as_json:
        print_json(rows)
    else:
        columns = ("name", "parameters", "MACs", "paper: parameters", "MACs ", "title")
        print_table(columns, [_row(row) for row in rows], right=columns[1:5])
    for error in faults:
        echo(str(error), err=True)
    if faults:
        raise typer.Exit(1)


def _refuse_nothing(found: Sequence[Any], words: list[str] | None, what: str) -> None:
    if words and not found:
        raise typer.BadParameter(f"no shipped {what} has {' and '.join(map(repr, words))} in it", param_hint="WORD")


def _holds(text: str, words: Sequence[str]) -> bool:
    return all(word.lower() in text.lower() for word in words)


# ---------------------------------------------------------------- specs


def _spec(name: str, set_: list[str] | None, words: Sequence[str]) -> dict[str, Any] | None:
    """A shipped spec with its costs; None where its name and its paper do not have all words."""
    spec = load_spec(name, set_)
    paper = spec.model.paper or {}
    if not _holds(" ".join([name, *map(str, paper.values())]), words):
        return None
    analysis = spec.analyze()
    return {
        "name": name,
        "params": analysis.params,
        "macs": analysis.macs,
        "paper": {key: paper[key] for key in ("title", "arxiv", "params", "macs") if key in paper},
    }


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    paper = row["paper"]
    printed = [str(paper.get(key, "-")) for key in ("params", "macs", "title")]
    return (row["name"], f"{row['params']:,}", format_count(row["macs"]), *printed)


# ---------------------------------------------------------------- recipes


def _recipes_with(words: Sequence[str]) -> list[dict[str, Any]]:
    """The shipped recipes whose name or paper has all words in it."""
    from vitdsl.training.recipe import load_recipe

    found = []
    for recipe in map(load_recipe, sorted(path.stem for path in shipped("recipes").glob("*.yaml"))):
        paper = recipe.file.paper or {}
        if _holds(" ".join([recipe.name, *map(str, paper.values())]), words):
            numbers = {"epochs": recipe.file.epochs, "batch": recipe.file.batch}
            found.append({"name": recipe.name, **numbers, "paper": paper})
    return found


def _print_recipes(found: list[dict[str, Any]]) -> None:
    columns = ("name", "epochs", "batch", "title")
    rows = [
        (row["name"], f"{row['epochs']:,}", f"{row['batch']:,}", row["paper"].get("title", "-")) for row in found
    ]  # fmt: skip
    print_table(columns, rows, right=columns[1:3])


# ---------------------------------------------------------------- parts


def describe_parts() -> list[dict[str, Any]]:
    """The parts by family: type, kind, summary, fields."""
    return [
        {"family": name, "role": is_role(name), "parts": [_part(kind, cls) for kind, cls in family(name).items()]}
        for name in families()
    ]


def _parts_with(words: Sequence[str]) -> list[dict[str, Any]]:
    """The parts whose family, type or summary has all words in it."""
    found = []
    for group in describe_parts():
        kept = [
            part for part in group["parts"]
            if _holds(" ".join([group["family"], *part["types"], part["summary"]]), words)
        ]  # fmt: skip
        if kept:
            found.append({**group, "parts": kept})
    return found


def _part(kind: str, cls: type[Part]) -> dict[str, Any]:
    what = "form" if issubclass(cls, Form) else "primitive" if issubclass(cls, Primitive) else "part"
    fields = {key: _field(field) for key, field in cls.fields_by_key.items() if key != "type"}
    own = type_words(field_schema(cls.fields["type"]))
    types = own.split(" | ") if own != "string" else [kind]
    return {"type": kind, "types": types, "kind": what, "summary": summary(cls), "fields": fields}


def _field(field: Declaration) -> dict[str, Any]:
    found: dict[str, Any] = {"type": type_words(field_schema(field)), "required": field.required}
    if isinstance(field.default, (bool, int, float, str, tuple, list)):
        found["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
    return found


def _print_parts(found: list[dict[str, Any]]) -> None:
    """Prints families, their parts, and a line for each field."""
    for group in found:
        echo(f"{group['family']}{'  (a role)' if group['role'] else ''}")
        for part in group["parts"]:
            echo(f"  {part['type']}: {part['summary']}")
            if part["types"] != [part["type"]]:
                echo(f"    type: {' | '.join(part['types'])}")
            for name, field in part["fields"].items():
                echo(f"    {name}: {field['type']}{_default(field)}")
        echo("")


def _default(field: dict[str, Any]) -> str:
    if field["required"]:
        return "  (required)"
    return f" = {as_yaml(field['default'])}" if "default" in field else ""
