"""Classes of fields: what they declare, and what is made of mappings and of late values."""

import copy
import pickle
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import AfterValidator, Field, field_validator

import vitdsl
from tests.zoo.specs import NAMES
from vitdsl.errors import Fault, Refusal
from vitdsl.features import Feature
from vitdsl.fields.marks import Items, Nested
from vitdsl.fields.record import Fields
from vitdsl.fields.types import Positive, Rate, Size
from vitdsl.graph import operators
from vitdsl.parts.primitives.conv import Conv
from vitdsl.parts.primitives.linear import Linear
from vitdsl.parts.registry import all_parts
from vitdsl.syntax.expressions import LateList, parse
from vitdsl.syntax.tree import Map, Seq
from vitdsl.validate import Head, Input, SpecReader, Stage


class Inner(Fields):
    """A mapping in another one."""

    width: Positive = 1
    rates: list[Rate] | None = None


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("it is odd")
    return value


class Outer(Fields):
    """Fields of several kinds."""

    shared: ClassVar[int] = 3
    count: Positive
    from_: str | None = Field(None, alias="from")
    named: Annotated[list[str], Field(alias="names", min_length=2)] = ["a", "b"]  # noqa: RUF012
    even: Annotated[int, AfterValidator(_even)] = 2
    inner: Annotated[Inner, Nested(Inner)] = Inner()
    plain: Inner = Inner()
    many: list[Inner] = Field(default_factory=list)
    size: Size | None = None
    body: Items = None


def refusals(run: Any) -> list[Fault]:
    with pytest.raises(Refusal) as caught:
        run()
    return caught.value.items


def read(**given: Any) -> Outer:
    return Outer.read({"count": 1, **given}, SpecReader({}, {}))


# ---------------------------------------------------------------- declarations


def test_fields_are_known_by_name_and_by_key():
    assert list(Outer.fields) == ["count", "from_", "named", "even", "inner", "plain", "many", "size", "body"]
    assert list(Outer.fields_by_key)[:4] == ["count", "from", "names", "even"]
    assert Outer.structured == {"inner", "body"}
    assert [name for name, field in Outer.fields.items() if field.required] == ["count"]
    assert not hasattr(Outer, "size")


def test_a_subclass_keeps_the_place_of_a_field_that_it_declares_again():
    class More(Inner):
        deep: bool = False
        width: Positive = 7

    assert list(More.fields) == ["width", "rates", "deep"]
    assert (More().width, More().rates, Inner().width) == (7, None, 1)


def test_attributes_that_would_not_do_what_they_seem_to_are_refused():
    with pytest.raises(TypeError, match="`width` is a field of a base class"):
        type("Wrong", (Inner,), {"width": 3})
    with pytest.raises(TypeError, match="`open` would hide what a base class calls so"):
        type("Wrong", (Fields,), {"__annotations__": {"open": bool}})
    with pytest.raises(TypeError, match="`checked` can be called by `agree`"):
        type("Wrong", (Inner,), {"checked": field_validator("width")(lambda cls, value: value)})


# ---------------------------------------------------------------- constructors


def test_constructors_validate():
    assert refusals(lambda: Linear(dim=10**10)) == [
        (("dim",), "`dim` must be at most 1e+09, but is 10000000000", "", "E204")
    ]
    assert refusals(lambda: operators.Join(dim=3))[0][1] == "unknown key `dim`"  # type: ignore[call-arg]
    assert refusals(lambda: Outer())[0][1] == "`count` is missing"  # type: ignore[call-arg]
    assert refusals(lambda: Outer(count=1, from_=2))[0][:2] == (("from",), "`from` must be a string, but is 2")  # type: ignore[arg-type]
    assert refusals(lambda: Linear(bias=None))[0][1] == "`bias` must be true or false, but is nothing"  # type: ignore[arg-type]
    assert Linear(dim=None).dim is None
    assert operators.Take(start=0, stop=1, feature=Feature(3, count=2)).feature == Feature(3, count=2)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_trusted_would_be_validated(name):
    """Every operator of every graph has the values that its constructor would have made of them."""

    def values(op: Fields) -> list[tuple[str, type, Any]]:
        return [(name, value.__class__, value) for name, value in op.__dict__.items()]

    ops = {id(node.op): node.op for _, node, _ in vitdsl.load(name).graph().frame.nodes()}
    for op in ops.values():
        assert values(type(op)(**op.__dict__)) == values(op)


def test_trusted_values_are_not_validated_and_do_not_count_as_written():
    made = Linear.trusted(dim=10**10)
    assert (made.dim, made.bias, made.written) == (10**10, True, {})
    assert Linear.trusted(dim=3) == Linear(dim=3)
    assert Linear(dim=3).written == {"dim": 3}


# ---------------------------------------------------------------- mappings


def test_values_stand_in_the_order_of_the_class_and_what_was_given_is_known():
    made = Outer.read({"even": 4, "from": "x", "count": 2}, None)
    assert list(made.__dict__) == list(Outer.fields)
    assert made.written == {"count": 2, "from": "x", "even": 4}
    assert made.fields_set == {"count", "from_", "even"}
    assert not made.open


def test_all_that_is_wrong_is_said_at_once_with_its_place():
    raw = {
        "from_": "x", "names": ["a"], "even": 3, "inner": {"width": 0, "rates": [0.5, 2]}, "plain": 1,
        "many": [{"wide": 1}, {}], "size": [1],
    }  # fmt: skip
    assert refusals(lambda: Outer.read(raw, None)) == [
        (("from_",), "unknown key `from_`", "did you mean 'from'?", "E201"),
        (("names",), "`names` must have at least 2 entries, but has 1", "", "E217"),
        (("even",), "`even` must be valid, but is 3: Value error, it is odd", "", "E203"),
        (("inner", "width"), "`width` must be at least 1, but is 0", "", "E204"),
        (("inner", "rates", 1), "`rates[1]` must be at most 1, but is 2", "", "E204"),
        (("plain",), "`plain` must be a mapping, but is 1", "", "E203"),
        (("many", 0, "wide"), "unknown key `wide`", "did you mean 'width'?", "E201"),
        (("size",), "`size` must be an integer or [height, width], but is [1]", "", "E203"),
        (("count",), "`count` is missing", "", "E202"),
    ]
    assert refusals(lambda: Outer.read([1], None)) == [((), "must be a mapping, but is [1]", "", "E203")]


def test_null_takes_a_value_away():
    assert read(even=None, size=None).written == {"count": 1}
    assert refusals(lambda: Outer.read({"count": None}, None)) == [(("count",), "`count` is missing", "", "E202")]
    assert refusals(lambda: read(unknown=None))[0][1] == "unknown key `unknown`"


def test_mappings_in_lists_are_read_with_the_reader_of_the_file():
    class Held(Fields):
        body: Items = None

    class Holder(Fields):
        held: list[Held]

    Holder.fields["held"].annotation = list[Held]
    made = Holder.read({"held": [{"body": [{"linear": 3}]}]}, SpecReader({}, {}))
    assert made.held[0].body.items[0].part.dim == 3


def test_a_body_that_is_nothing_is_written_as_none():
    assert read(body="none").written == {"count": 1, "body": "none"}


def test_what_field_types_read_is_read_once():
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


def test_agree_is_asked_of_what_was_read_constructed_and_bound():
    class Pairwise(Fields):
        least: int = 0
        most: int = 9

        def agree(self) -> None:
            if isinstance(self.least, int) and isinstance(self.most, int) and self.least > self.most:
                raise Refusal([Fault(("least",), "is more than `most`")])

    wrong = [Fault(("least",), "is more than `most`")]
    assert refusals(lambda: Pairwise(least=10)) == wrong
    assert refusals(lambda: Pairwise.read({"least": 10}, None)) == wrong
    late = Pairwise.read({"least": parse("$n")}, None)
    assert late.bind({"n": 9}, None).least == 9
    assert refusals(lambda: late.bind({"n": 10}, None)) == wrong


# ---------------------------------------------------------------- late values


def test_late_values_pass_and_are_validated_when_they_are_put_in():
    made = read(even=parse("$n"), inner={"width": parse("$(2 * n)"), "rates": Seq([parse("$r"), 0.5])}, size=7)
    assert made.open == ("even", "inner")
    assert isinstance(made.inner.rates, LateList)
    bound = made.bind({"n": 4, "r": 0.25}, None)
    assert not bound.open
    assert not bound.inner.open
    assert (bound.even, bound.inner.width, bound.inner.rates, bound.size) == (4, 8, [0.25, 0.5], (7, 7))
    assert (bound.written.keys(), bound.fields_set) == (made.written.keys(), made.fields_set)
    assert bound.bind({}, None).__dict__ == bound.__dict__


def test_a_late_value_that_does_not_fit_has_the_place_of_its_field():
    made = read(inner={"width": parse("$n"), "rates": Seq([0.5, parse("$n")])})
    assert refusals(lambda: made.bind({"n": 1.5}, None)) == [
        (("inner", "width"), "`width` must be an integer, but is 1.5", "", "E203")
    ]
    assert refusals(lambda: made.bind({"n": 7}, None)) == [
        (("inner", "rates", 1), "`rates[1]` must be at most 1, but is 7", "", "E204")
    ]
    assert refusals(lambda: made.bind({}, None))[0][:2] == (("inner", "width"), "$n: there is no 'n' here")


def test_a_late_value_that_is_nothing_gives_the_default():
    bound = read(even=parse("$n"), **{"from": parse("$n")}).bind({"n": None}, None)
    assert (bound.even, bound.from_, bound.fields_set) == (2, None, {"count"})
    late = Outer.read({"count": parse("$n")}, None)
    assert refusals(lambda: late.bind({"n": None}, None)) == [(("count",), "`count` is missing", "", "E202")]


def test_a_late_value_that_stands_for_another_stays_open():
    bound = read(even=parse("$n")).bind({"n": parse("$m"), "m": parse("$m")}, None)
    assert bound.open == ("even",)
    assert bound.even == parse("$m")


def test_what_each_repetition_puts_in_for_itself_is_left():
    stage = Stage.read({"depth": 2, "block": parse("$(index)"), "stream": parse("$s")}, SpecReader({}, {}))
    bound = stage.bind({"s": "x", "index": 0}, SpecReader({}, {}))
    assert (bound.stream, bound.block, bound.open) == ("x", parse("$(index)"), ("block",))


# ---------------------------------------------------------------- objects


def test_nothing_of_an_object_changes():
    made = Linear(dim=3)
    for name in ("dim", "fields_set", "open", "new"):
        with pytest.raises(AttributeError, match="frozen"):
            setattr(made, name, 4)
        with pytest.raises(AttributeError, match="frozen"):
            delattr(made, name)
    assert made.dim == 3
    assert made.replace(dim=4) == Linear(dim=4)
    assert made.replace(bias=False).fields_set == {"dim", "bias"}


def test_equal_objects_have_the_same_values_and_class():
    assert Linear(dim=3) == Linear.read({"dim": 3}, None)
    assert hash(Linear(dim=3)) == hash(Linear.trusted(dim=3))
    assert Linear(dim=3) != Linear(dim=4)
    assert Input() != Head()
    assert repr(Inner(width=3)) == "Inner(width=3, rates=None)"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_and_pickles_are_the_same(again):
    reader = SpecReader({}, {})
    for made in (
        Conv.read({"kernel": 3, "dim": parse("$dim"), "norm": "layer"}, reader),
        Conv.trusted(kernel=(3, 3)),
        Stage.read({"tokens": Seq(["cls"]), "depth": parse("$n"), "block": parse("$b")}, reader),
    ):
        other = again(made)
        assert other is not made
        assert (other, other.open, other.fields_set) == (made, made.open, made.fields_set)
        assert other.__dict__ is not made.__dict__


def test_every_shipped_class_is_found_by_its_annotations():
    """No field of a part has been lost: each annotation that is no class variable is a field."""
    for cls in all_parts().values():
        for base in cls.__mro__:
            for name, annotation in vars(base).get("__annotations__", {}).items():
                if issubclass(base, Fields) and base is not Fields and "ClassVar" not in str(annotation):
                    assert name in cls.fields
