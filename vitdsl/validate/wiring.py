"""The wiring of an item, around its role: targets, windows, norms, residual, stochastic depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vitdsl.errors import Refusal, refuse
from vitdsl.fields.messages import describe, of_short_form
from vitdsl.fields.types import LARGEST_REAL, ItemName, Padding, Rate, Real, Repeats, Size, WrittenName
from vitdsl.parts.base import NONE, BodyField, Fields, LateList, NormBody, Reader, Reads, no_scalar
from vitdsl.syntax.expressions import Late


def read_place(value: Any, reader: Reader) -> Any:
    """Reads `at` or `from`: a name, an index, or a list of them."""
    if value is None or isinstance(value, (Late, LateList)) or type(value) in (str, int):
        return value
    if isinstance(value, list) and value and all(type(v) in (str, int) or isinstance(v, Late) for v in value):
        return LateList(value) if any(isinstance(v, Late) for v in value) else tuple(value)
    refuse(f"a name, an index or a list of them is needed here, but it is {describe(value)}", code="E203")


def _shortcut(value: Any, reader: Any) -> Any:
    """Reads `shortcut`: a body, or the name of an inner value of the mixer."""
    if not isinstance(value, (str, dict, list)) or value in ("value", "query"):
        return no_scalar(value, "a body, `value` or `query`")
    return reader.body(value, "item")


class Windows(Fields):
    """Windows in which an operator runs.

    Attributes:
        size: of a window; larger ones than the grid are the grid.
        shift: of the windows, cyclic.
        fit: whether the windows must tile the grid, or are filled up.
    """

    size: Size
    shift: Padding = (0, 0)
    fit: Literal["exact", "pad"] = "exact"


class Residual(Fields):
    """The residual form of an item: scales of the branch's input and output, the shortcut, what follows the sum.

    Attributes:
        input: multiplies what enters the branch.
        output: multiplies what leaves it.
        shortcut: a body for the input; or the mixer's `value` or `query` in its place.
        after: after the sum.
    """

    input: Real = 1.0
    output: Real = 1.0
    shortcut: Annotated[
        Any,
        Reads(_shortcut, {"anyOf": [{"enum": ["value", "query"]}, {"$ref": "#/definitions/body_item"}]}, home="item"),
    ] = None
    after: Annotated[Any, BodyField("activation")] = None


class Drop(Fields):
    """Stochastic depth of an item: a fixed rate, a rate for each index, or a place on the schedule.

    Attributes:
        rate: the probability that the branch is dropped.
        rates: a probability for each repetition, by its index.
        at: a place on the schedule of the file, from 0 (its first block) to 1 (its last one).
    """

    rate: Rate | None = None
    rates: list[Rate] | None = None
    at: Rate | None = None

    def agree(self) -> None:
        """Refuses none of the fields, and more than one."""
        if len(self.fields_set) != 1:
            found = " and ".join(f"`{name}`" for name in self.fields if name in self.fields_set) or "none of them"
            hint = "`rate: null` takes a rate away that is inherited" if self.fields_set else ""
            refuse(f"`drop_path` has one of `rate`, `rates` and `at`, but this has {found}", hint, code="E207")


def read_short(cls: type[Fields], value: Any, key: str, reader: Reader) -> Any:
    """Reads a mapping, or a value that is short for one of its keys."""
    if isinstance(value, dict):
        return cls.read(value, reader)
    try:
        return cls.read({key: value}, reader)
    except Refusal as error:
        raise of_short_form(error, key) from None


def _plainly_residual(value: Any) -> Any:
    """The mapping that `residual: true` stands for."""
    return {} if value is True else value


def _windows(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, Windows):
        return value
    return read_short(Windows, value, "size", reader)


def _residual(value: Any, reader: Reader) -> Any:
    if isinstance(value, (bool, Residual, type(None))):
        return value
    if value == NONE:
        return False
    if not isinstance(value, dict):
        refuse(f"`residual` must be true, false or a mapping, but is {describe(value)}", code="E203")
    return Residual.read(value, reader)


def _drop(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, Drop) or value == NONE:
        return value
    return read_short(Drop, value, "rate", reader)


def _layer_scale(value: Any, reader: Reader) -> Any:
    if value is None or value == NONE:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        message = f"`layer_scale` must be a number (its initial value) or none, but is {describe(value)}"
        refuse(message, code="E203")
    if abs(value) > LARGEST_REAL:
        refuse(f"`layer_scale` must be at most {LARGEST_REAL:g}, but is {describe(value)}", code="E204")
    return float(value)


NUMBER_OR_NONE = {"anyOf": [{"type": "number"}, {"const": "none"}]}
PLACE = {"anyOf": [{"type": ["string", "integer"]}, {"type": "array", "items": {"type": ["string", "integer"]}}]}
DROP = {"anyOf": [*NUMBER_OR_NONE["anyOf"], {"type": "object", "properties": {"rates": {"type": "array"}, "at": {}}}]}
PlaceField = Annotated[Any, Reads(read_place, PLACE)]
DropField = Annotated[Any, Reads(_drop, DROP, short="rate", model=Drop)]
WINDOWS = {"anyOf": [{"type": ["integer", "array"]}, {"const": NONE}, {"$ref": "#/definitions/windows"}]}
WindowsField = Annotated[Any, Reads(_windows, WINDOWS, short="size", model=Windows)]
ResidualField = Annotated[
    Any,
    Reads(
        _residual,
        {"anyOf": [{"type": "boolean"}, {"$ref": "#/definitions/residual"}]},
        model=Residual,
        long=_plainly_residual,
    ),
]


class Wiring(Fields):
    """What stands around an item's role.

    Attributes:
        at: what the item acts on: `all`, `grid`, `tokens`, a token, `first`, `last`, an index, a stream, `stream.part`.
        from_: what it reads, if that is something else.
        write: keeps the result as a stream; `NAME[]` appends it as a token.
        windows: runs the operator in windows.
        pre: before the operator, inside the branch.
        post: after the operator, inside the branch.
        residual: adds the input.
        layer_scale: a learned scale of each channel of the branch, and its initial value.
        drop_path: `none`, a rate, `{rates: […]}` by index, or `{at: …}`, a place on the schedule from 0 to 1.
        repeat: how often the item is run, each time with its own weights.
        name: a segment of paths in place of the item's number.
        merge: of `parallel`: how its branches become one.
    """

    at: PlaceField = None
    from_: PlaceField = Field(None, alias="from")
    write: WrittenName | None = None
    windows: WindowsField = None
    pre: NormBody = None
    post: NormBody = None
    residual: ResidualField = None
    layer_scale: Annotated[Any, Reads(_layer_scale, NUMBER_OR_NONE)] = None
    drop_path: DropField = None
    repeat: Repeats | None = None
    name: ItemName | None = None
    merge: Literal["add", "concat", "mean", "multiply"] | None = None
    absent: ClassVar[frozenset[str]] = frozenset({"at", "from", "write", "windows", "repeat", "name"})


WIRING = tuple(Wiring.fields_by_key)
DEFAULT_WIRING = ("pre", "post", "residual", "layer_scale", "drop_path")
BODIES = ("pre", "post", "shortcut", "after")
"""Keys in wiring that hold bodies. Late values in a body belong to its own items, not to the wiring."""


def has_late(value: Any, key: str = "") -> bool:
    """Whether wiring, as written, has late values, except inside of bodies."""
    if isinstance(value, (Late, LateList)):
        return True
    if key in BODIES:
        return False
    if isinstance(value, Mapping):
        return any(has_late(entry, name) for name, entry in value.items())
    return isinstance(value, list) and any(has_late(entry, key) for entry in value)
