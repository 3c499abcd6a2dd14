"""The head: from the last feature to the outputs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vitdsl.errors import Fault, Refusal, refuse
from vitdsl.fields.messages import describe
from vitdsl.fields.types import Real, read_each
from vitdsl.parts.base import NONE, Fields, Items, LateList, NormBody, Reads
from vitdsl.parts.initial import InitField
from vitdsl.parts.registry import COMPOSITE, is_role
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.names import is_name, module_fault
from vitdsl.syntax.paths import Key
from vitdsl.validate.hints import collect
from vitdsl.validate.items import Body
from vitdsl.validate.wiring import WIRING, PlaceField


def _pools(value: Any, reader: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value if value is None else _pool(value, reader)
    if not value or None in value or NONE in value:
        refuse(f"must be a pool or a list of pools, but is {describe(value)}", code="E203")
    return tuple(read_each(enumerate(value), lambda _, entry: _pool(entry, reader)))


def _pool(value: Any, reader: Any) -> Any:
    if isinstance(value, (Late, LateList)):
        message = f"a pool must be written out, but is {describe(value)}"
        refuse(message, "only items see the feature that enters them", code="E209")
    return reader.part("pool", value)


def _outputs(value: Any, reader: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        refuse(f"`outputs` must be a mapping of names to bodies, but is {describe(value)}", code="E203")
    faults: list[Fault] = []
    made: dict[str, Body] = {}
    for name, raw in value.items():
        fault = f"must have a name of letters, digits and `_`, but it is {describe(name)}"
        fault = module_fault(name) if is_name(name) else fault
        if fault:
            faults.append(Fault((Key(name),), f"an output {fault}", code="E208"))
        body = [] if raw in (None, NONE) else raw
        faults += collect((name,), lambda name=name, body=body: made.update({name: reader.body(body, "item")}))
    if faults:
        raise Refusal(faults)
    return made


class Head(Fields):
    """The head: a norm and a pool, a body, or several outputs.

    Attributes:
        from_: what the head starts from; else the last stream.
        norm: before the pool.
        pool: one, or a list: a classifier for each.
        body: a body with a `classifier`, in place of norm and pool (`head: [...]` is short for it).
        outputs: several bodies by name.
        merge: what evaluation returns: the mean, or weights by name.
        training: what training returns: as evaluation, or a list of outputs and streams; else all outputs.
        layout: of an output that has a grid: (B, N, C) or (B, C, H, W).
        bias: of the classifier.
        init: of the classifier.
    """

    from_: PlaceField = Field(None, alias="from")
    norm: NormBody = None
    pool: Annotated[
        Any,
        Reads(
            _pools,
            {"anyOf": [{"$ref": "#/definitions/pool"}, {"type": "array", "items": {"$ref": "#/definitions/pool"}}]},
            family="pool",
        ),
    ] = None
    body: Items = None
    outputs: Annotated[
        Any,
        Reads(_outputs, {"type": "object", "additionalProperties": {"$ref": "#/definitions/body_item"}}, home="item"),
    ] = None
    merge: Literal["mean"] | dict[str, Real] | None = None
    training: Literal["same"] | list[str] | None = None
    layout: Literal["tokens", "map"] | None = None
    bias: bool = True
    init: InitField = None
    absent: ClassVar[frozenset[str]] = frozenset({"from", "layout"})

    def agree(self) -> None:
        """Refuses a body or outputs beside keys of another kind of head."""
        layouts = [name for name in ("body", "outputs") if getattr(self, name) is not None]
        both = [*layouts, *(name for name in ("norm", "pool", "bias", "init") if name in self.fields_set)]
        if layouts and len(both) > 1:
            hint = "a body or an output holds its own norm, pool and classifier"
            message = f"`{both[0]}` is the whole head, but `{both[1]}` stands beside it"
            refuse(message, hint, (Key(both[1]),), "E207")


def read_head(value: Any, reader: Any) -> Any:
    """Reads a head, or None."""
    if isinstance(value, (Head, type(None))):
        return value
    return reader._once("head", "", value, lambda: _read(value, reader))


def _read(value: Any, reader: Any) -> Head:
    raw = value if is_head(value) else {"body": value}
    try:
        return Head.read(raw, reader)
    except Refusal as error:
        own = raw is value
        raise Refusal(fault if own else fault._replace(at=fault.at[1:]) for fault in error.items) from None


def is_head(value: Any) -> bool:
    """Whether a value is a mapping with keys of heads, rather than a body or an item."""
    if not isinstance(value, dict):
        return False
    return not any(key in COMPOSITE or key in WIRING or is_role(key) for key in value.keys() - HEAD_KEYS)


HEAD_KEYS = Head.fields_by_key.keys()
