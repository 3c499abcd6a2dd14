"""Initial values: what `init` may say, in a part or by family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from vitdsl.errors import Refusal, did_you_mean, refuse
from vitdsl.fields.messages import describe, of_short_form
from vitdsl.fields.types import FieldType, PositiveReal, Real
from vitdsl.parts.base import Fields


class Init(Fields):
    """Values of a weight before training.

    `torch` leaves what torch's own layer starts with. `fan_in` and `fan_out` are normals with std √(2 / fan in) or
    √(2 / fan out), as ConvNets have them. `constant` fills with `value`. A bias is zero, but under `torch`.

    Attributes:
        std: standard deviation of `trunc_normal` and `normal`.
        value: of `constant`.
    """

    names: ClassVar[tuple[str, ...]] = (
        "zeros", "ones", "constant", "trunc_normal", "normal", "uniform", "fan_in", "fan_out",
        "xavier_uniform", "torch",
    )  # fmt: skip
    type: Literal[
        "zeros", "ones", "constant", "trunc_normal", "normal", "uniform", "fan_in", "fan_out", "xavier_uniform", "torch"
    ]
    std: PositiveReal = 0.02
    value: Real = 0.0


def _init(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"type": "constant", "value": value}
    if isinstance(value, str) and value in Init.names:
        return Init(type=value)  # type: ignore[arg-type]
    if not isinstance(value, (dict, Init)):
        message = f"`init` must be a number, a mapping or the name of initial values, but is {describe(value)}"
        refuse(message, did_you_mean(value, Init.names) if isinstance(value, str) else "", code="E205")
    return value


class InitialField(FieldType):
    """Annotation of a field that holds initial values."""

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """A number, a name, or a mapping."""
        return {"anyOf": [{"type": "number"}, {"enum": list(Init.names)}, {"type": "object"}]}

    def long(self, value: Any) -> Any:
        """A number is a constant, a name a type."""
        if isinstance(value, str):
            return {"type": value}
        return value if isinstance(value, dict) else {"type": "constant", "value": value}

    def read(self, value: Any, reader: Any) -> Any:
        """The initial values, or nothing."""
        return value if value is None or isinstance(value, Init) else read_init(value)


InitField = Annotated[Any, InitialField()]


def read_init(value: object) -> Init:
    """Initial values as a spec writes them: a number, a name or a mapping; raises Refusal."""
    made = _init(value)
    if isinstance(made, Init):
        return made
    try:
        return Init.read(made, None)
    except Refusal as error:
        raise (error if made is value else of_short_form(error, "value")) from None
