"""Checks uses of defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitdsl.errors import Fault, Refusal, did_you_mean, refuse
from vitdsl.fields.messages import describe
from vitdsl.syntax.paths import Key
from vitdsl.validate.items import Item
from vitdsl.validate.wiring import WIRING

if TYPE_CHECKING:
    from vitdsl.validate.reader import SpecReader

WRONG_PLACE = {
    "body": lambda name: (f"`{name}` is a stage: it stands among the stages, not in a body", ""),
    "stage": lambda name: (
        f"`{name}` is a body: it stands in a body, not among the stages",
        f"`body: {{use: {name}}}`",
    ),
}
"""Message and hint for a define of the other kind, by the kind that is needed."""


def check_use(item: Item, reader: SpecReader, kind: str = "body") -> None:
    """Refuses a use of an unknown define, of one of the other kind, and with wrong arguments."""
    name = item.use
    if not isinstance(name, str):
        refuse(f"`use` needs the name of a define, but it is {describe(name)}", at=("use",), code="E203")
    define = reader.define(name)
    if not isinstance(define, dict):
        return  # `declarations.py` reports it
    if kind not in define and ("body" in define or "stage" in define):
        refuse(*WRONG_PLACE[kind](name), at=("use",), code="E305")
    args, optional = define.get("args") or [], define.get("optional") or {}
    if not isinstance(args, list) or not isinstance(optional, dict) or not all(type(arg) is str for arg in args):
        return
    faults: list[Fault] = []
    for key in item.args:
        if key not in args and key not in optional:
            hint = did_you_mean(key, (*args, *optional, *WIRING))
            faults.append(Fault((Key(key),), f"`{name}` has no argument `{key}`", hint, "E304"))
    for key in args:
        if key not in item.args:
            faults.append(Fault(("use",), f"`{name}` needs the argument `{key}`", code="E304"))
    if faults:
        raise Refusal(faults)
