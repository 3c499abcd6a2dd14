"""The fields of a mixer: the axes on which attention, its relatives and dynamic convolutions differ."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vitdsl.errors import refuse
from vitdsl.fields.types import Positive, Rate, Real
from vitdsl.parts.base import NONE, Fields, FieldsOr, Form, Items, Nested, NormBody, Part, PartField, Reads
from vitdsl.parts.forms.attention import Out, Projection, Query, read_query
from vitdsl.parts.initial import InitField


class Maps(Fields):
    """Bodies over the attention maps, before and after their activation; `from` takes maps that another mixer wrote.

    Attributes:
        before: a body over the scores; its channels are the heads, its grid is queries × keys.
        after: a body over the weights that the activation made.
        from_: maps that another mixer wrote, in place of own ones.
    """

    before: Items = None
    after: Items = None
    from_: str | None = Field(None, alias="from")


class Keys(Fields):
    """A bank of another stream with a norm of its own.

    Attributes:
        from_: the stream whose tokens fill the bank.
        pre: the bank's own norm.
    """

    from_: str = Field(alias="from")
    pre: NormBody = None


def needs_heads(mixer: Any) -> None:
    """Refuses a mixer that does not say into how many heads it cuts its width: nobody would know of the one head."""
    if mixer.heads is None and mixer.head_dim is None:
        hint = "`heads: 1` is a single head"
        refuse("a mixer must say `heads` or `head_dim`, but this has neither", hint, code="E202")


class MixerFields(Part):
    """The fields of every mixer with queries and keys.

    Attributes:
        heads: number of heads.
        head_dim: channels of a head's queries and keys; by default the width divided by `heads`.
        value_dim: channels of a head's values; by default `head_dim`.
        dim: width that comes out, in channels; by default that which enters.
        keys: whose tokens fill the bank: a stream, a list of features one after another, or `all`.
        bank: a body that keys and values go through.
        kernel: one weight for a head (`pointwise`), or for each channel (`depthwise`).
        activation: how scores become weights.
        normalize: what weights are divided by: the number of keys, or its square root.
        query: `none` leaves the map to queries out; `{stride}` says which positions ask.
        key: `none` leaves the map to keys out.
        value: `none` leaves the map to values out.
        qkv_bias: whether the maps to queries, keys and values have biases, or which of them.
        scale: by which scores are multiplied; by default 1 / √`head_dim`.
        dropout: probability of a zero among the weights, while training.
        projection: what stands around the maps to queries, keys and values.
        out: what follows the mixing: fields of a linear map, or a body in its place.
        position: what adds positions to the scores.
        maps: bodies over the attention maps.
        init: initial values of the linear maps.
    """

    family: ClassVar[str] = "mixer"
    residual: ClassVar[bool] = True
    banked: ClassVar[bool] = True
    own: ClassVar[frozenset[str]] = frozenset()
    """Fields of the form itself, which its expansion does not pass on."""
    heads: Positive | None = None
    head_dim: Positive | None = None
    value_dim: Positive | None = None
    dim: Positive | None = None
    keys: Annotated[Any, FieldsOr(Keys, home="names")] = None
    bank: Items = None
    kernel: Literal["pointwise", "depthwise"] = "pointwise"
    activation: Literal["softmax", "relu", "gelu", "layer", "batch", "none"] = "softmax"
    normalize: Literal["none", "tokens", "sqrt_tokens"] = "none"
    query: Annotated[Any, Reads(read_query, {"anyOf": [{"const": "none"}, {"type": "object"}]}, model=Query)] = Query()
    key: Literal["none"] | None = None
    value: Literal["none"] | None = None
    qkv_bias: bool | list[Literal["q", "k", "v"]] = True
    scale: Real | None = None
    dropout: Rate = 0.0
    projection: Annotated[Projection, Nested(Projection)] = Projection()
    out: Annotated[Any, FieldsOr(Out, home="item")] = Out()
    position: Annotated[Any, PartField("bias")] = None
    maps: Annotated[Maps, Nested(Maps)] = Maps.read({}, None)
    init: InitField = None

    def agree(self) -> None:
        """It says its heads."""
        needs_heads(self)


class MixerForm(MixerFields, Form):
    """A mixer that expands into `global`: it has all of its fields, and `own` ones."""

    def mixer(self, **more: Any) -> dict[str, Any]:
        """The `global` that this form stands for: what was given, and `more`."""
        given = {name: value for name, value in self.written.items() if name not in self.own and name != "type"}
        for name, value in more.items():
            own = given.get(name)
            self._refuse_twice(name, own, value)
            given[name] = {**own.written, **value} if isinstance(own, Fields) and isinstance(value, dict) else value
        return {"type": "global", **given}

    def mixer_after(self, after: list[dict[str, Any]]) -> dict[str, Any]:
        """The `global` whose maps pass these items behind their activation, and then those of its own `maps.after`."""
        own = self.maps.after if isinstance(self.maps, Maps) else None
        if own is None:
            return self.mixer(maps={"after": after})
        given = {name: value for name, value in self.maps.written.items() if name != "after"}
        made = self.mixer()
        return {**made, "maps": {**given, "after": [*after, {"body": self.maps.written["after"]}]}}

    def _refuse_twice(self, name: str, own: Any, value: Any) -> None:
        """What the form itself makes cannot be given too: one of the two would be lost."""
        if isinstance(own, Fields) and isinstance(value, dict):
            found = [(name, key) for key in value if own.written.get(key, NONE) != NONE]
        else:
            found = [(name,)] if name == "bank" and own not in (None, NONE) else []
        if found:
            words = ".".join(found[0])
            hint = f"`type: global` takes a `{words}` of your own"
            refuse(f"`{words}` is what `{self.type}` itself makes", hint, found[0], "E207")
