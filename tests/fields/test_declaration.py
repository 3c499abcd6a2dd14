"""Every field of every class with some fifty values, against tables and against models of pydantic's."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from vitdsl.errors import Refusal
from vitdsl.features import Feature
from vitdsl.fields import types
from vitdsl.fields.declaration import Declaration, validator
from vitdsl.fields.marks import BodyField, FieldsOr, Nested, PartField
from vitdsl.fields.record import Fields
from vitdsl.memo import forget
from vitdsl.parts.initial import InitialField
from vitdsl.parts.registry import all_parts
from vitdsl.search import file  # noqa: F401  its classes are tried, too
from vitdsl.search.evaluation import function, latency, memory, proxies, train  # noqa: F401
from vitdsl.syntax.expressions import Late, LateList, parse
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.tree import Map, Seq
from vitdsl.training import recipe  # noqa: F401
from vitdsl.validate import SpecReader

NAN, INF = float("nan"), float("inf")
NUMBERS = (
    0, 1, 2, 3, -1, 4096, 4097, 10**9, 10**9 + 1, 2**53 + 1, 10**20, -(10**20), 0.0, -0.0, 1.0, 0.5, -2.5, 1.5, 3.4e38,
    3.5e38, NAN, INF, -INF,
)  # fmt: skip
TEXTS = (
    "", "none", "layer", "gelu", "same", "tokens", "mean", "q", "a name", "name\n", "ünicode", "7", "a" * 65, "cls",
    "type", "normal", "linear",
)  # fmt: skip
LISTS = (
    (), (1, 2), (1, True), Seq(), Seq([1, 2]), Seq([0, 3]), Seq([-1, 1]), Seq([1, 2, 3]), Seq([0.5, 1]),
    Seq(["q", "k"]), Seq([True]), Seq([[1]]),
)  # fmt: skip
MAPS = (
    Map(), Map(type="layer"), Map(a=1), Map({"type": "linear", "dim": 3}), Map(stride=2), Map({"from": "x"}),
    Map(a=Map(b=[])), Map(mean=0.5), Map(type="normal", std=0.5),
)  # fmt: skip
VALUES = (True, False, *NUMBERS, *TEXTS, *LISTS, *MAPS, Feature(3, (2, 2)), Feature(True, (2, 2)), object())
"""What is put into each field: right in some, wrong in others."""
LEAST = {"dim": 8, "count": 2, "kernel": 3, "heads": 2, "size": 2, "grid": (4, 4), "start": 0, "stop": 1, "scale": 0.5,
         "epochs": 3, "batch": 2, "optimizer": Map(learning_rate=0.1)}  # fmt: skip
BOUNDS = {
    types.Natural: (int, 0, 10**9), types.Positive: (int, 1, 10**9), types.Repeats: (int, 0, 4096),
    types.Real: (float, -3.4e38, 3.4e38), types.Rate: (float, 0, 1), types.PositiveReal: (float, 5e-324, 3.4e38),
}  # fmt: skip
"""Numbers between bounds, both allowed: no number that a file can hold lies between 0 and the last one's least."""


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Tuples, which no file holds, are equal to lists in the keys of memos: what was made of them is not for others."""
    yield
    forget()


def classes(base: type[Fields] = Fields) -> Iterator[type[Fields]]:
    for cls in base.__subclasses__():
        yield cls
        yield from classes(cls)


all_parts()
ALL = [cls for cls in dict.fromkeys(classes()) if cls.__module__.startswith("vitdsl.")]
FIELDS = [field for cls in ALL for field in cls._own.values()]
OWN = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if cls._own], ids=lambda cls: f"{cls.__module__.removeprefix('vitdsl.')}.{cls.__name__}"
)
"""The classes that declare fields."""


class Wrong(NamedTuple):
    """What is made of a value that is refused."""


def same(found: Any, expected: Any) -> bool:
    """Whether two values are equal and of the same types; NaN is like NaN."""
    if found.__class__ is not expected.__class__:
        return False
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in found)
    if isinstance(found, (list, tuple)):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected or (found != found and expected != expected)


@cache
def model_of(field: Declaration) -> Any:
    """A whole model of pydantic's with one field."""
    return create_model("Model", __config__=ConfigDict(strict=True), value=(field.annotation, ...))


def expected(field: Declaration, value: Any) -> Any:
    """What a field without a field type is to make of a value."""
    try:
        return model_of(field).model_validate({"value": value}, context=SpecReader({}, {})).value
    except ValidationError:
        return Wrong()


def outcome(field: Declaration, value: Any, reader: Any) -> Any:
    try:
        return field.read(value, reader)
    except Refusal as error:
        refused = error.items
    assert refused
    for loc, message, hint, code in refused:
        assert isinstance(loc, tuple)
        assert code
        assert message
        assert "function-" not in message
        assert "Input should" not in message or "Feature" in str(field.annotation)  # no file holds features
        assert isinstance(hint, str)
    return Wrong()


@OWN
def test_values_of_every_field(cls):
    reader = SpecReader({}, {})
    for field, value in product(cls._own.values(), VALUES):
        found = outcome(field, value, reader)
        if field.type is None and not (isinstance(value, str) and value == field.default):
            assert same(found, expected(field, value)), value
        elif isinstance(field.type, (PartField, BodyField, FieldsOr)) and value.__class__ in (bool, int, float):
            # a bare number is the shorthand of a part, or nothing
            assert isinstance(found, (Wrong, Fields)), value


@OWN
def test_what_is_refused_has_the_place_and_the_name_of_its_field(cls):
    for field in cls._own.values():
        check_place(cls, field)


def check_place(cls: type[Fields], field: Declaration) -> None:
    reader = SpecReader({}, {})
    least = {
        key: LEAST.get(key, "x") for key, other in cls.fields_by_key.items() if other.required and key != field.key
    }
    for value in VALUES:
        if value == "none" and field.key in cls.absent:
            assert field.name not in cls.read(Map({**least, field.key: value}), reader).fields_set
        elif isinstance(outcome(field, value, reader), Wrong):
            with pytest.raises(Refusal) as caught:
                cls.read(Map({**least, field.key: value}), reader)
            mine = [fault for fault in caught.value.items if fault.at[:1] == (field.key,)]
            assert mine, (value, caught.value.items)
            assert not any(fault.message.startswith("must ") for fault in mine)


@OWN
def test_late_values_and_holes_stand_in_every_field(cls):
    for field in cls._own.values():
        check_late(field)


def check_late(field: Declaration) -> None:
    reader = SpecReader({}, {})
    late = parse("$late")
    assert field.read(late, reader) is late
    if not field.structured:
        found = field.read(Seq([late, 3]), reader)
        assert (found.__class__, list(found)) == (LateList, [late, 3])
    good = next((value for value in VALUES if not isinstance(outcome(field, value, reader), Wrong)), late)
    hole = Hole(Map(choose=Map(good=good, late=late)))
    assert field.read(hole, reader) is hole
    wrong = [value for value in VALUES if isinstance(outcome(field, value, reader), Wrong)][:3]
    for value in wrong:
        with pytest.raises(Refusal) as caught:
            field.read(Hole(Map(choose=Map(good=good, wrong=value))), reader)
        assert {fault.at[:2] for fault in caught.value.items} == {("choose", "wrong")}


@pytest.mark.parametrize("annotation", BOUNDS, ids=str)
@pytest.mark.parametrize("value", [True, False, *NUMBERS, "1", None, Seq([1]), Map()], ids=repr)
def test_numbers_with_bounds(annotation, value):
    """By a table, not by pydantic."""
    kind, low, high = BOUNDS[annotation]
    field = Declaration("value", annotation, 1)
    whole = type(value) is int
    fits = (whole or (type(value) is float and kind is float)) and low <= value <= high
    found = outcome(field, value, None)
    assert same(found, kind(value) if fits else Wrong())


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        (bool, [True, False], [0, 1, "true", "", None, []]),
        (str, ["", "ünicode"], [1, True, None, [], {}]),
        (Literal["a", "b"], ["a", "b"], ["c", "A", "", 1, None, ["a"]]),
        (int | None, [1, None, 10**20], [True, 1.0, "1"]),
        (list[types.Rate], [[], [0.5], [0.0, 1.0]], [0.5, [2.0], [True], {}, "x"]),
        (types.Positive | list[types.Positive], [1, [1, 2], []], [0, [0], [True], "x", None, 1.0]),
        (Literal["mean"] | dict[str, types.Real], ["mean", {}, {"a": 1.0}], ["max", {"a": "b"}, 1, [1.0]]),
        (bool | list[Literal["q", "k"]], [True, ["q"], []], ["q", ["v"], 1, [True]]),
        (tuple[int, int], [(1, 2)], [(1,), (1, 2, 3), (1, True), [1, 2], 1]),
        (types.Size | Literal["image"] | None, ["image", None, (1, 2)], ["imag", 0, 1.5, (1,), {}, True]),
    ],
)  # fmt: skip
def test_types_of_several_kinds(annotation, right, wrong):
    field = Declaration("value", annotation, ...)
    for value in right:
        assert same(outcome(field, value, None), value), value
    for value in wrong:
        assert outcome(field, value, None) == Wrong(), value


def test_fields_of_one_type_share_one_validator():
    one, other = Declaration("one", types.Positive, 1), Declaration("other", types.Positive, 2)
    assert validator(one.annotation) == validator(other.annotation)
    assert one.annotation == other.annotation


def test_a_word_that_is_the_default_needs_no_validator():
    before = validator.cache_info().misses
    field = Declaration("type", Literal["a word of no other test"], "a word of no other test")
    assert field.read("a word of no other test", None) == field.default
    assert validator.cache_info().misses == before
    assert outcome(field, "another", None) == Wrong()


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_sizes(least, value):
    """By a rule that is written here again: one integer, or a list or tuple of two, each between the bounds."""
    sides = list(value) if type(value) in (tuple, Seq) else [value, value]
    fits = len(sides) == 2 and all(type(side) is int and least <= side <= 10**9 for side in sides)
    for annotation in (types.Size, types.Size | None) if least else (types.Padding,):
        found = outcome(Declaration("value", annotation, ...), value, None)
        assert same(found, tuple(sides) if fits else Wrong())
    margin = outcome(Declaration("value", types.Margin, ...), value, None)
    if not least:
        assert same(margin, "same" if value == "same" else tuple(sides) if fits else Wrong())


@pytest.mark.parametrize(
    ("annotation", "right"),
    [
        (types.Name, {"none", "layer", "gelu", "same", "tokens", "mean", "q", "cls", "type", "normal", "linear"}),
        (types.StreamName, {"layer", "gelu", "same", "mean", "q", "cls", "type", "normal", "linear"}),
        (types.ItemName, {"none", "layer", "gelu", "same", "tokens", "mean", "q", "cls", "normal", "linear"}),
    ],
    ids=["Name", "StreamName", "ItemName"],
)
def test_names(annotation, right):
    field = Declaration("value", annotation, ...)
    assert {value for value in TEXTS if outcome(field, value, None) == value} == right
    assert all(outcome(field, value, None) == Wrong() for value in (*NUMBERS, *LISTS, *MAPS, True))


def test_initial_values():
    field = Declaration("init", Annotated[Any, InitialField()], None)
    for value in VALUES:
        found = outcome(field, value, None)
        if value.__class__ in (int, float):
            fits = -3.4e38 <= value <= 3.4e38
            assert found == Wrong() if not fits else (found.type, found.value) == ("constant", float(value))
        elif value == "normal":
            assert found.type == "normal"
        elif isinstance(value, Map) and value.get("type") == "normal":
            assert (found.type, found.std) == ("normal", 0.5)
        else:
            assert found == Wrong(), value


def test_nothing_is_no_part_and_no_body():
    reader = SpecReader({}, {})
    for field in FIELDS:
        if isinstance(field.type, (PartField, BodyField)) and getattr(field.type, "home", "") != "names":
            assert field.read("none", reader) is None


def test_mappings_of_their_own_are_read_by_their_class():
    reader = SpecReader({}, {})
    for field in FIELDS:
        if isinstance(field.type, Nested):
            model = field.type.model
            for value in (1, "x", Seq([1]), True):
                assert outcome(field, value, reader) == Wrong()
            if not any(each.required for each in model.fields.values()):
                assert field.read(Map(), reader) == model()


def test_an_oracle_knows_wrong_from_right():
    """The oracle of this file: strict, and no coercion but of integers to floats."""
    field = Declaration("value", types.Rate, ...)
    assert expected(field, 1) == 1.0
    assert expected(field, "1") == expected(field, True) == expected(field, 1.5) == Wrong()
    assert TypeAdapter(Literal["a"]).validate_python("a") == "a"
    assert isinstance(parse("$late"), Late)
