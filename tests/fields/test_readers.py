"""What the readers of fields take, pydantic takes too, and makes the same of it; what it refuses, it says itself."""

from collections.abc import Iterator
from typing import Any

import pytest

import vitdsl
from tests.zoo.specs import NAMES
from vitdsl.errors import Refusal
from vitdsl.features import Feature
from vitdsl.fields import readers as plain
from vitdsl.fields import record as validated
from vitdsl.graph import operators
from vitdsl.memo import forget
from vitdsl.parts.base import Fields
from vitdsl.parts.primitives.linear import Linear
from vitdsl.parts.registry import all_parts
from vitdsl.syntax.expressions import parse
from vitdsl.syntax.tree import Map, Seq
from vitdsl.validate import SpecReader

VALUES = (
    None, True, False, 0, 1, 3, -1, 1.0, 0.5, -2.5, float("nan"), float("inf"), 10**9, 10**9 + 1, 2**53 + 1, 10**20,
    "", "none", "layer", "gelu", "same", "tokens", "mean", "q", "a name", "name\n", "ünicode", "7", (), (1, 2),
    (1, True), Seq(),
    Seq([1, 2]), Seq([0.5, 1]), Seq(["q", "k"]), Seq([True]), Seq([[1]]), Map(), Map(type="layer"), Map(a=1),
    Map({"type": "linear", "dim": 3}), Map(stride=2), Map({"from": "x"}), Map(a=Map(b=[])), Feature(3, (2, 2)),
    Feature(True, (2, 2)), parse("$late"), Seq([parse("$late"), 3]), Map(stride=parse("$late")), Map(mean=0.5),
)  # fmt: skip
"""What is put into each field: right in some, wrong in others."""
LEAST = {"dim": 8, "count": 2, "kernel": 3, "heads": 2, "size": 2, "grid": (4, 4), "start": 0, "stop": 1, "scale": 0.5}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Tuples, which no file holds, are equal to lists in the keys of memos: what was made of them is not for others."""
    yield
    forget()


def classes(base: type[Fields] = Fields) -> Iterator[type[Fields]]:
    for cls in base.__subclasses__():
        if cls.final is cls:
            yield cls
        yield from classes(cls)


all_parts()
ALL = [cls for cls in dict.fromkeys(classes()) if cls.__module__.startswith("vitdsl.")]


def outcome(cls: type[Fields], raw: Any, reader: Any) -> Any:
    """What is made of a mapping: the class, values with their types and what was given; or what is refused."""
    try:
        made = cls.read(raw, reader)
    except Refusal as error:
        return error.items
    values = [(name, value.__class__, repr(value)) for name, value in made.__dict__.items()]
    return made.__class__.__qualname__, made.open, values, made.model_fields_set


def mappings(cls: type[Fields]) -> Iterator[Map]:
    least = {info.alias or name: LEAST.get(name, "x") for name, info in cls.model_fields.items() if info.is_required()}
    yield Map(least)
    yield Map({**least, "unknown": 1})
    for key in cls.planned().entries:
        for value in VALUES:
            yield Map({**least, key: value})
        yield Map({**least, key: VALUES[-1], "unknown": Map(a=1)})


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: f"{cls.__module__.removeprefix('vitdsl.')}.{cls.__name__}")
def test_readers_and_pydantic_agree(cls, monkeypatch):
    reader = SpecReader({}, {})
    cases = list(mappings(cls))
    read = [outcome(cls, raw, reader) for raw in cases]
    monkeypatch.setattr(validated, "_taken", lambda *_: None)
    judged = [outcome(cls, raw, reader) for raw in cases]
    for raw, mine, theirs in zip(cases, read, judged, strict=True):
        assert mine == theirs, raw


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: f"{cls.__module__.removeprefix('vitdsl.')}.{cls.__name__}")
def test_every_field_has_a_reader(cls):
    unsure = [key for key, entry in cls.planned().entries.items() if entry.read is plain._unsure]
    assert not unsure


def test_what_marks_read_is_read_once():
    """A fault at the bottom of nested parts is not looked for again at each level."""
    asked = []

    class Reader(SpecReader):
        def part(self, family: str, raw: object) -> Any:
            asked.append(raw)
            return super().part(family, raw)

    bottom = Map({"type": "linear", "dim": "wide"})
    raw = Map({"type": "mlp", "activation": Map({"type": "gelu", "at": 1}), "between": bottom, "norm": "layer"})
    with pytest.raises(Refusal):
        all_parts()["mlp"].read(raw, Reader({}, {}))
    assert asked.count(raw["activation"]) == 1


def test_constructors_check_their_fields():
    with pytest.raises(ValueError, match="less than or equal to 1000000000"):
        Linear(dim=10**10)
    with pytest.raises(ValueError, match="Extra inputs"):
        operators.Join(dim=3)  # pyright: ignore[reportCallIssue]
    made = operators.Take(start=0, stop=1, feature=Feature(3, count=2))
    assert made == operators.Take.model_validate({"start": 0, "stop": 1, "feature": Feature(3, count=2)})


def outcome_of(op: Fields) -> list[tuple[str, type, Any]]:
    return [(name, value.__class__, value) for name, value in op.__dict__.items()]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_trusted_would_be_validated(name):
    """Every operator of every graph has the values that its constructor would have made of them."""
    ops = {id(node.op): node.op for _, node, _ in vitdsl.load(name).graph().frame.nodes()}
    for op in ops.values():
        assert outcome_of(type(op)(**op.__dict__)) == outcome_of(op)


def test_trusted_values_are_not_validated_and_do_not_count_as_written():
    made = Linear.trusted(dim=10**10)
    assert (made.dim, made.bias, made.written) == (10**10, True, {})
    assert Linear.trusted(dim=3) == Linear(dim=3)
    assert Linear(dim=3).written == {"dim": 3}
