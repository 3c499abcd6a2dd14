"""The rows of a table: `theirs -> ours` and what is done on the way, and keys that are dropped.

Rows are driven from our side: `to` is matched on our keys, which the spec gives, and `from` is formatted with what was
matched. So `{i}` may be shifted (`blocks.{2*i+1}...`), and every key that a row speaks of is known before any is read.
What a row does to tensors is in `operations`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    model_validator,
)

from vitdsl.checkpoints.keys import Template, as_numbers, expression
from vitdsl.checkpoints.operations import FUNCTIONS

Positive = Annotated[int, Field(gt=0)]
Integer = int | str


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """The value, where there is something in it."""
    # Not `min_length`: pydantic counts the items that are right, and would complain twice of one that is wrong.
    if not value:
        raise ValueError("it must not be empty")
    return value


def _is_expression(value: int | str, info: ValidationInfo) -> int | str:
    """An integer, or an expression in what the table's `let` names."""
    if isinstance(value, str):
        _check_known(expression(value).names, (info.context or {}).get("let", ()), value)
    return value


def _check_known(names: Iterable[str], known: Iterable[str], text: str) -> None:
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(f"{listed(unknown)} in `{text}` is not named by the table's `let`")


Keys = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), AfterValidator(not_empty)]
Size = Annotated[Positive | str, AfterValidator(_is_expression)]


class Closed(BaseModel):
    """Frozen, and no key but those that are declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PerHead(Closed):
    """Theirs is (heads, parts of unequal width), ours is the parts, each (heads, width).

    Attributes:
        parts: the widths of the parts in one head; proportions where `heads` is given.
        heads: how many; absent, as many as `parts` fit in.
    """

    parts: tuple[Size, ...]
    heads: Size | None = None


class _Row(Closed):
    from_: Keys = Field(alias="from")
    when: dict[str, Literal["even", "odd"]] = {}
    only: Keys | None = None
    _known: dict[str, Any] = PrivateAttr(default_factory=dict)

    def serves(self, spec: str) -> bool:
        """Whether the row speaks of this spec."""
        return self.only is None or any(fnmatchcase(spec, pattern) for pattern in self.only)

    def with_let(self, known: Mapping[str, Any]) -> _Row:
        """The row with what the table's `let` names for one spec."""
        row = self.model_copy()
        row._known = dict(known)
        return row

    @property
    def known(self) -> Mapping[str, Any]:
        """What the table's `let` names, with its values."""
        return self._known

    @cached_property
    def sources(self) -> tuple[Template, ...]:
        """The templates of their keys."""
        return tuple(map(Template.parse, self.from_))

    @property
    def _matched(self) -> tuple[str, ...]:
        raise NotImplementedError

    @cached_property
    def _targets(self) -> tuple[Template, ...]:
        return tuple(map(Template.parse, self._matched))

    @cached_property
    def _regexes(self) -> tuple[re.Pattern[str], ...]:
        both = (*self._targets, *self.sources)
        numbers = {name for template in both for name in template.numbers} | set(self.when)
        choices = {hole.name: hole.choices for template in both for hole in template.holes if hole.choices}
        return tuple(template.regex(numbers, choices) for template in self._targets)

    def match(self, key: str) -> dict[str, str] | None:
        """What the holes took, where one of the matched patterns is this key."""
        for regex in self._regexes:
            found = regex.fullmatch(key)
            if found and all(int(found[name]) % 2 == (parity == "odd") for name, parity in self.when.items()):
                return found.groupdict()
        return None

    def theirs(self, bound: Mapping[str, str]) -> tuple[str, ...]:
        """Their keys, for what the holes took."""
        return tuple(template.format(bound, self._known) for template in self.sources)

    def ours(self, bound: Mapping[str, str]) -> tuple[str, ...]:
        """Our keys, for what the holes took."""
        return tuple(template.format(bound) for template in self._targets)

    def _check_names(self, info: ValidationInfo) -> None:
        _ = self._regexes
        names, let = self._targets[0].names, set((info.context or {}).get("let", ()))
        for template in self._targets[1:]:
            if template.names != names:
                raise ValueError(f"`{template.text}` names other holes than `{self._targets[0].text}`; they must agree")
        if names & let:
            raise ValueError(f"{listed(names & let)} is a hole of `{self._targets[0].text}`, and a name of `let`")
        read = {name for template in self.sources for hole in template.holes if not hole.text for name in hole.names}
        computed = {name for template in self.sources for name in template.numbers}
        unknown = (read | set(self.when) | (computed - let)) - names
        if unknown:
            raise ValueError(f"{listed(unknown)} is not a hole of `{self._targets[0].text}`, which is matched")


class Move(_Row):
    """One row `theirs -> ours`, with what is done on the way, in this order: join, order, per_head, pattern, split.

    Attributes:
        pattern: an einops pattern, from theirs to ours; `sizes` gives axes that shapes do not tell. Axes `height` and
            `width` are the grid of our tensor.
        parts: proportions of the sections along the first axis, of whichever side has several keys; default equal.
        order: our equal sections as indices of theirs: `[1, 0, 2]` makes (q, k, v) of (k, q, v).
        per_head: parts that are split inside each head.
        when: holes that must be even or odd numbers.
        only: specs that the row speaks of, as glob patterns; default all of the table's.
    """

    to: Keys
    pattern: str | None = None
    sizes: dict[str, Size] = {}
    parts: tuple[Positive, ...] | None = None
    order: tuple[int, ...] | None = None
    per_head: PerHead | None = None

    @property
    def _matched(self) -> tuple[str, ...]:
        return self.to

    def __str__(self) -> str:
        """The row as a table writes it when it has no operations."""
        return f"{_joined(self.from_)} -> {_joined(self.to)}"

    @property
    def sections(self) -> tuple[int, ...]:
        """Proportions of the sections that are joined or split."""
        return self.parts or (1,) * max(len(self.from_), len(self.to))

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Move:
        if len(self.from_) > 1 and len(self.to) > 1:
            raise ValueError("`from` or `to` may be a list, not both")
        if self.parts and len(self.parts) != max(len(self.from_), len(self.to)):
            raise ValueError(f"`parts` has {len(self.parts)} numbers for {max(len(self.from_), len(self.to))} keys")
        if self.order and sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"`order` must hold each of 0 to {len(self.order) - 1} once, found {list(self.order)}")
        if self.pattern and self.pattern.count("->") != 1:
            raise ValueError(f"`pattern` must be `theirs -> ours`, found `{self.pattern}`")
        if self.sizes and not self.pattern:
            raise ValueError("`sizes` are those of a `pattern`, and there is none")
        self._check_names(info)
        return self


class Drop(_Row):
    """Keys of theirs that we do not keep, and what is written in their place on the way back.

    Their absence is no error. Without `each`, `from` is matched on their keys and nothing is written back. With it,
    one of them stands beside every one of our keys that `each` matches.

    Attributes:
        drop: why.
        write: `omit`, `zeros` of `shape`, or `computed` by `function` with `args`.
        shape: integers, or expressions in the holes and in d0, d1, ...: the sizes of the key that `each` matched.
        function: one of `operations.FUNCTIONS`.
    """

    drop: str = Field(min_length=1)
    each: str | None = None
    write: Literal["omit", "zeros", "computed"] = "omit"
    shape: tuple[Integer, ...] | None = None
    function: str | None = None
    args: dict[str, Integer] = {}

    @property
    def _matched(self) -> tuple[str, ...]:
        return (self.each,) if self.each else self.from_

    def __str__(self) -> str:
        """The row in short."""
        return f"drop {_joined(self.from_)}"

    def numbers(self, bound: Mapping[str, str], shape: Sequence[int]) -> dict[str, Any]:
        """What `shape` and `args` may name."""
        return {**self._known, **as_numbers(bound), **{f"d{axis}": size for axis, size in enumerate(shape)}}

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Drop:
        if self.write != "omit" and not self.each:
            raise ValueError(f"`write: {self.write}` needs `each`: beside which of our keys it is written")
        if (self.shape is not None) != (self.write == "zeros"):
            raise ValueError("`shape` goes with `write: zeros`, and with nothing else")
        if (self.function is not None) != (self.write == "computed"):
            raise ValueError("`function` goes with `write: computed`, and with nothing else")
        if self.function and self.function not in FUNCTIONS:
            raise ValueError(f"`function` must be one of {', '.join(sorted(FUNCTIONS))}, found `{self.function}`")
        for value in (*(self.shape or ()), *self.args.values()):
            expression(str(value))
        self._check_names(info)
        return self


def _kind(value: object) -> str:
    return "drop" if isinstance(value, Drop) or (isinstance(value, Mapping) and "drop" in value) else "move"


def _mapping(value: object) -> object:
    """The short form of a row, `theirs -> ours`, as the long one."""
    if isinstance(value, (BaseModel, Mapping)):
        return value
    theirs, arrow, ours = value.partition(" -> ") if isinstance(value, str) else ("", "", "")
    if not arrow:
        raise ValueError(f"a row is `theirs -> ours` or a mapping, found `{value}`")
    return {"from": theirs.strip(), "to": ours.strip()}


Row = Annotated[
    Annotated[Move, Tag("move")] | Annotated[Drop, Tag("drop")], Discriminator(_kind), BeforeValidator(_mapping)
]


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(f"`{name}`" for name in sorted(names))


def _joined(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else f"[{', '.join(keys)}]"
