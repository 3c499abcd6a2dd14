"""`vitdsl check`; plain calls of it need no typer, which takes as long to load as a spec."""

from __future__ import annotations

from typing import Any

from vitdsl.checking import Report, report
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import is_setting, settings
from vitdsl.errors import Problem, SpecError
from vitdsl.units import format_macs


def plain_call(arguments: list[str]) -> tuple[list[str], list[str], bool] | None:
    """The specs, settings and whether JSON is asked for; None where typer has to judge, or to help."""
    specs: list[str] = []
    texts: list[str] = []
    as_json = False
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--set":
            texts.append(next(waiting, ""))
        elif argument == "--json":
            as_json = True
        elif argument.startswith("-"):
            return None
        else:
            specs.append(argument)
    return (specs, texts, as_json) if specs and all(map(is_setting, texts)) else None


def diagnose(specs: list[str], texts: list[str] | None, as_json: bool, debug: bool = False) -> bool:
    """Prints what is found in each of some files.

    Args:
        specs: files, or names of shipped ones.
        texts: what `--set` says.
        as_json: whether to print JSON.
        debug: whether to check the graphs themselves.

    Returns:
        Whether all are right.
    """
    reports = [_report(name, texts, debug) for name in specs]
    if as_json:
        print_json([_plain(each) for each in reports])
    else:
        _print(reports)
    return all(each.error is None for each in reports)


def _report(name: str, texts: list[str] | None, debug: bool) -> Report:
    try:
        given = settings(texts)
    except SpecError as error:
        return Report(name, error=error)
    return report(name, given, debug)


def _plain(found: Report) -> dict[str, Any]:
    """A report as JSON has it; a spec has no `kind`."""
    kind = {} if found.kind == "spec" else {"kind": found.kind}
    if found.error is not None:
        return {"spec": found.given, "ok": False, **kind, "problems": [_problem(each) for each in found.problems]}
    warnings = [str(warning) for warning in found.warnings]
    return {"spec": found.given, "ok": True, "name": found.name, **kind, **found.figures, "warnings": warnings}


def _print(reports: list[Report]) -> None:
    width = max(len(each.name) for each in reports)
    for each in reports:
        if each.error is not None:
            if each.kind in USERS:
                echo(f"{each.given} is {USERS[each.kind]}", err=True)
            echo(str(each.error), err=True)
            continue
        echo(f"ok  {each.name:<{width}}  {SUMS[each.kind](each.figures)}")
        for warning in each.warnings:
            echo(f"warning: {each.name}: {warning}", err=True)


def _space(size: int | None) -> str:
    from vitdsl.space.counting import count_text

    return f"a space: {count_text(size)} architectures"


def _define(arguments: list[str]) -> str:
    return f"a define with the arguments {', '.join(arguments)}" if arguments else "a define without arguments"


SUMS = {
    "spec": lambda found: f"{found['params']:>13,} parameters  {format_macs(found['macs']):>10}",
    "space": lambda found: _space(found["architectures"]),
    "recipe": lambda found: f"a recipe: {found['epochs']:,} epochs, {found['batch']:,} images a step",
    "search": lambda found: f"a search of {found['space']}: {found['trials']:,} trials",
    "define": lambda found: _define(found["arguments"]),
}
"""What sums a file up, by its kind."""
USERS = {
    "recipe": "a recipe, for `vitdsl train`",
    "search": "a search, for `vitdsl search`",
    "define": "a define, for `use` in a spec",
}
"""Of a wrong file that is no spec: what it is, and what uses it."""


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "path": problem.path,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "hint": problem.hint,
    }
