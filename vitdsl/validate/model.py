"""The file: its root keys, the input, and the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vitdsl.errors import Refusal, did_you_mean, refuse
from vitdsl.fields.messages import describe
from vitdsl.fields.types import (
    Natural,
    Positive,
    PositiveReal,
    Rate,
    Real,
    Repeats,
    Size,
    StageName,
    StreamName,
    Title,
    read_each,
    token_fault,
)
from vitdsl.parts.base import NONE, BodyField, Fields, Items, NormBody, Reader, Reads
from vitdsl.parts.initial import InitField, read_init
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.names import is_name, module_fault
from vitdsl.syntax.paths import Key
from vitdsl.validate.head import read_head
from vitdsl.validate.hints import collect
from vitdsl.validate.items import Item
from vitdsl.validate.reader import SpecReader
from vitdsl.validate.uses import check_use
from vitdsl.validate.wiring import DropField, PlaceField, read_short


class Input(Fields):
    """The image: size, channels, and how a photo becomes one."""

    size: Size = (224, 224)
    channels: Positive = 3
    mean: Literal["imagenet", "half"] | list[Real] = "imagenet"
    std: Literal["imagenet", "half"] | list[PositiveReal] = "imagenet"
    crop: PositiveReal = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"


class Tokens(Fields):
    """A plain list of learned tokens."""

    count: Positive
    dim: Positive | None = None
    init: InitField = None


def _tokens(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, Tokens):
        return value
    if isinstance(value, dict):
        return Tokens.read(value, reader)
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not names:
        refuse(f"`tokens` must be a list of names such as [cls, dist], or {{count: 16}}, but is {describe(value)}")
    faults: list[Any] = []
    before: set[str] = set()
    for index, name in enumerate(names):
        at = (index,) if isinstance(value, list) else ()
        if not is_name(name):
            faults.append((at, f"a token must have a name of letters, digits and `_`, but it is {describe(name)}", ""))
        elif (fault := module_fault(name)) or (fault := token_fault(name)):
            faults.append((at, f"a token {fault}", ""))
        elif name in before:
            faults.append((at, f"the token `{name}` is named twice", ""))
        else:
            before.add(name)
    if faults:
        raise Refusal(faults)
    return names


def _carry(value: Any, reader: Any) -> Any:
    return value if value == NONE else reader.body(value, "item")


class Stage(Fields):
    """A stage: tokenizer, tokens, position, body, norm; each optional."""

    stream: StreamName | None = None
    from_: PlaceField = Field(None, alias="from")
    tokenizer: Annotated[Any, BodyField("tokenizer")] = None
    carry: Annotated[
        Any, Reads(_carry, {"anyOf": [{"const": "none"}, {"$ref": "#/definitions/body_item"}]}, home="item")
    ] = None
    tokens: Annotated[Any, Reads(_tokens, {"type": ["array", "object", "string"]})] = None
    position: Annotated[Any, BodyField("position")] = None
    body: Items = None
    depth: Repeats | None = None
    block: Items = None
    norm: NormBody = None
    drop_path: DropField = None
    name: StageName | None = None
    repeated: ClassVar[frozenset[str]] = frozenset({"block"})
    absent: ClassVar[frozenset[str]] = frozenset({"stream", "tokens", "depth", "name"})

    def agree(self) -> None:
        """Refuses `block` without `depth`, `depth` without `block`, and `block` beside `body`."""
        if self.block is not None and self.body is not None:
            refuse("a stage has `body`, or `depth` and `block`, but this has `body` and `block`", at=(Key("block"),))
        if (self.block is None) != (self.depth is None):
            there, missing = ("depth", "block") if self.block is None else ("block", "depth")
            refuse(f"`{there}` needs `{missing}` beside it", "a body that is not repeated is `body`", at=(Key(there),))


STAGE = tuple(Stage.fields_by_key)


class UsedStage:
    """The use of a define that is a stage: `{use: NAME, argument: value}`."""

    __slots__ = ("args", "use")

    def __init__(self, use: str, args: Mapping[str, Any]) -> None:
        self.use, self.args = use, args


class DropPath(Fields):
    """Stochastic depth of the model."""

    rate: Rate | list[Rate] = 0.0
    schedule: Literal["linear", "constant", "per_stage"] = "linear"
    ends: Literal["closed", "open"] = "closed"

    def agree(self) -> None:
        """Refuses several rates, unless `schedule` is `per_stage`."""
        if isinstance(self.rate, list) and self.schedule != "per_stage":
            message = f"`rate` must be one number where `schedule` is '{self.schedule}', but is {describe(self.rate)}"
            refuse(message, at=("rate",))


def _model_drop(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, DropPath) or value == NONE:
        return None if value == NONE else value
    return read_short(DropPath, value, "rate", reader)


def _stages(value: Any, reader: Any) -> Any:
    if not isinstance(value, (list, tuple)) or not value:
        refuse(f"`stages` must be a list of stages, but is {describe(value)}")
    return tuple(read_each(enumerate(value), lambda _, raw: read_stage(reader, raw)))


def read_stage(reader: SpecReader, raw: Any) -> Any:
    """Reads a stage, or the use of a define that is a stage."""
    if isinstance(raw, Hole):
        return raw.checked(lambda value: read_stage(reader, value))
    if not isinstance(raw, dict):
        refuse(f"a stage is a mapping, but this is {describe(raw)}")
    return reader._once("stage", "", raw, lambda: _stage_of(reader, raw))


def _stage_of(reader: SpecReader, raw: Mapping[str, Any]) -> Any:
    if "use" in raw:
        item = Item("use", {})
        item.use, item.args = raw["use"], {key: value for key, value in raw.items() if key != "use"}
        check_use(item, reader, "stage")
        return UsedStage(item.use, item.args)
    return Stage.read(raw, reader)


INIT_FAMILIES = ("linear", "conv", "classifier", "tokens", "position", "bias", "norm")


def _inits(value: Any, reader: Reader) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        refuse(f"`init` must be a mapping of families to initial values, but is {describe(value)}")
    faults: list[Any] = []
    made: dict[str, Any] = {}
    for key, entry in value.items():
        if key not in INIT_FAMILIES:
            faults.append(((Key(key),), f"unknown key `{key}`", did_you_mean(key, INIT_FAMILIES)))
        elif isinstance(entry, (Late, Hole)):
            faults.append(((key,), f"`{key}` must be written out, but is {describe(entry)}", ""))
        elif entry is not None:
            faults += collect((key,), lambda key=key, entry=entry: made.update({key: read_init(entry)}))
    if faults:
        raise Refusal(faults)
    return made


def _raw_mapping(value: Any, reader: Reader) -> Any:
    if value is not None and not isinstance(value, dict):
        refuse(f"a mapping is needed here, but it is {describe(value)}")
    return value or {}


RawField = Annotated[Any, Reads(_raw_mapping, {"type": "object"})]


class Model(Fields):
    """A whole file, merged."""

    name: Title | None = None
    paper: RawField = None
    input: Input = Input()
    classes: Natural = 1000
    defaults: RawField = None
    define: RawField = None
    vars: RawField = None
    stages: Annotated[Any, Reads(_stages, {"type": "array", "items": {"$ref": "#/definitions/stage"}})]
    head: Annotated[Any, Reads(read_head, {"$ref": "#/definitions/head"})] = None
    drop_path: Annotated[
        Any, Reads(_model_drop, {"anyOf": [{"type": "number"}, {"$ref": "#/definitions/drop_path"}]}, short="rate")
    ] = None
    init: Annotated[Any, Reads(_inits, {"type": "object"})] = None
    merged: ClassVar[tuple[str, ...]] = ("extends", "set")

    def agree(self) -> None:
        """Refuses wrong numbers of entries: rates have one for each stage, `mean` and `std` one for each channel."""
        for name in sorted(self.input.fields_set & {"mean", "std"}) if isinstance(self.input, Input) else ():
            value, channels = getattr(self.input, name), self.input.channels
            count = 3 if value == "imagenet" else len(value) if isinstance(value, list) else channels
            if isinstance(channels, int) and count != channels:
                words = f"`{name}` must have as many numbers as the image has channels ({channels}), but has {count}"
                refuse(words, "`half` is for any number of channels", at=("input", name))
        rate = self.drop_path.rate if isinstance(self.drop_path, DropPath) else None
        if isinstance(rate, list) and isinstance(self.stages, tuple) and len(rate) != len(self.stages):
            message = f"`rate` must have as many entries as there are stages ({len(self.stages)}), but has {len(rate)}"
            refuse(message, at=("drop_path", "rate"))


MODEL = ("extends", "set", *Model.fields_by_key)
