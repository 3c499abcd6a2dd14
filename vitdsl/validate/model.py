"""The file: its root keys, the input, and the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vitdsl.errors import Fault, Refusal, did_you_mean, refuse
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
    """The image: size, channels, and how a photo becomes one.

    Attributes:
        size: of the image, in pixels: of both sides, or `[height, width]`.
        channels: of the image; 3 are red, green and blue.
        mean: subtracted from each channel of a photo, whose values are from 0 to 1.
        std: by which each channel is divided then.
        crop: share of the resized photo that is kept.
        interpolation: of resizing the photo.
    """

    size: Size = (224, 224)
    channels: Positive = 3
    mean: Literal["imagenet", "half"] | list[Real] = "imagenet"
    std: Literal["imagenet", "half"] | list[PositiveReal] = "imagenet"
    crop: PositiveReal = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"


class Tokens(Fields):
    """A plain list of learned tokens.

    Attributes:
        count: how many there are.
        dim: their width, in channels; by default that of what comes in.
        init: their initial values.
    """

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
        message = f"`tokens` must be a list of names such as [cls, dist], or {{count: 16}}, but is {describe(value)}"
        refuse(message, code="E203")
    faults: list[Fault] = []
    before: set[str] = set()
    for index, name in enumerate(names):
        at = (index,) if isinstance(value, list) else ()
        if not is_name(name):
            message = f"a token must have a name of letters, digits and `_`, but it is {describe(name)}"
            faults.append(Fault(at, message, code="E208"))
        elif (fault := module_fault(name)) or (fault := token_fault(name)):
            faults.append(Fault(at, f"a token {fault}", code="E208"))
        elif name in before:
            faults.append(Fault(at, f"the token `{name}` is named twice", code="E208"))
        else:
            before.add(name)
    if faults:
        raise Refusal(faults)
    return names


def _carry(value: Any, reader: Any) -> Any:
    return value if value == NONE else reader.body(value, "item")


class Stage(Fields):
    """A stage: tokenizer, tokens, position, body, norm; each optional.

    Attributes:
        stream: the stream that it makes; else it goes on with the last.
        from_: what it is made out of; `image`, a stream, or `none` (learned tokens alone).
        tokenizer: makes its tokens out of what comes in.
        carry: a body for extra tokens that come in, or `none`; needed beside a tokenizer if there are any.
        tokens: learned tokens in front: a list of names; or `{count, dim, init}` without names.
        position: positions, added.
        body: its items.
        depth: how often `block` is run.
        block: the items that `depth` repeats.
        norm: after the body.
        drop_path: stochastic depth of everything in it.
        name: a segment of paths in place of the stage's number.
    """

    stream: StreamName | None = None
    from_: PlaceField = Field(None, alias="from")
    tokenizer: Annotated[Any, BodyField("tokenizer")] = None
    carry: Annotated[
        Any, Reads(_carry, {"anyOf": [{"const": "none"}, {"$ref": "#/definitions/body_item"}]}, home="item")
    ] = None
    tokens: Annotated[Any, Reads(_tokens, {"type": ["array", "object", "string"]}, model=Tokens)] = None
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
            message = "a stage has `body`, or `depth` and `block`, but this has `body` and `block`"
            refuse(message, at=(Key("block"),), code="E207")
        if (self.block is None) != (self.depth is None):
            there, missing = ("depth", "block") if self.block is None else ("block", "depth")
            hint = "a body that is not repeated is `body`"
            refuse(f"`{there}` needs `{missing}` beside it", hint, (Key(there),), "E202")


STAGE = tuple(Stage.fields_by_key)


class UsedStage:
    """The use of a define that is a stage: `{use: NAME, argument: value}`."""

    __slots__ = ("args", "use")

    def __init__(self, use: str, args: Mapping[str, Any]) -> None:
        self.use, self.args = use, args


class DropPath(Fields):
    """Stochastic depth of the model.

    Attributes:
        rate: the largest rate; for `per_stage` one for each stage.
        schedule: how rates grow.
        ends: whether the last block of `linear` has the whole rate.
    """

    rate: Rate | list[Rate] = 0.0
    schedule: Literal["linear", "constant", "per_stage"] = "linear"
    ends: Literal["closed", "open"] = "closed"

    def agree(self) -> None:
        """Refuses several rates, unless `schedule` is `per_stage`."""
        if isinstance(self.rate, list) and self.schedule != "per_stage":
            message = f"`rate` must be one number where `schedule` is '{self.schedule}', but is {describe(self.rate)}"
            refuse(message, at=("rate",), code="E207")


def _model_drop(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, DropPath) or value == NONE:
        return None if value == NONE else value
    return read_short(DropPath, value, "rate", reader)


def _stages(value: Any, reader: Any) -> Any:
    if not isinstance(value, (list, tuple)) or not value:
        refuse(f"`stages` must be a list of stages, but is {describe(value)}", code="E203")
    return tuple(read_each(enumerate(value), lambda _, raw: read_stage(reader, raw)))


def read_stage(reader: SpecReader, raw: Any) -> Any:
    """Reads a stage, or the use of a define that is a stage."""
    if isinstance(raw, Hole):
        return raw.checked(lambda value: read_stage(reader, value))
    if not isinstance(raw, dict):
        refuse(f"a stage is a mapping, but this is {describe(raw)}", code="E203")
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
        refuse(f"`init` must be a mapping of families to initial values, but is {describe(value)}", code="E203")
    faults: list[Fault] = []
    made: dict[str, Any] = {}
    for key, entry in value.items():
        if key not in INIT_FAMILIES:
            faults.append(Fault((Key(key),), f"unknown key `{key}`", did_you_mean(key, INIT_FAMILIES), "E201"))
        elif isinstance(entry, (Late, Hole)):
            faults.append(Fault((key,), f"`{key}` must be written out, but is {describe(entry)}", code="E209"))
        elif entry is not None:
            faults += collect((key,), lambda key=key, entry=entry: made.update({key: read_init(entry)}))
    if faults:
        raise Refusal(faults)
    return made


def _raw_mapping(value: Any, reader: Reader) -> Any:
    if value is not None and not isinstance(value, dict):
        refuse(f"a mapping is needed here, but it is {describe(value)}", code="E203")
    return value or {}


RawField = Annotated[Any, Reads(_raw_mapping, {"type": "object"})]


class Model(Fields):
    """A whole file, merged.

    Attributes:
        extends: a spec to start from: a shipped name, or a path.
        set: values by written path, laid over what is extended.
        name: what the spec is called.
        paper: title, arxiv, and what the paper prints (params, macs), shown beside ours.
        input: the image.
        classes: outputs of a classifier; 0 leaves classifiers out.
        defaults: fields by family, and wiring of what is residual by nature.
        define: bodies and stages by name: `{args, optional, body}` or `{args, optional, stage}`.
        vars: values by name.
        stages: the stages, in order.
        head: from the last feature to the outputs.
        drop_path: stochastic depth of the model.
        init: initial values by family.
    """

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
        Any,
        Reads(
            _model_drop,
            {"anyOf": [{"type": "number"}, {"$ref": "#/definitions/drop_path"}]},
            short="rate",
            model=DropPath,
        ),
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
                refuse(words, "`half` is for any number of channels", ("input", name), "E217")
        rate = self.drop_path.rate if isinstance(self.drop_path, DropPath) else None
        if isinstance(rate, list) and isinstance(self.stages, tuple) and len(rate) != len(self.stages):
            message = f"`rate` must have as many entries as there are stages ({len(self.stages)}), but has {len(rate)}"
            refuse(message, at=("drop_path", "rate"), code="E217")


MODEL = ("extends", "set", *Model.fields_by_key)
