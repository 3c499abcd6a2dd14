"""The law of merging: by key, at every depth; another type, another role or the use of another define replaces."""

import itertools
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

import vitdsl
from tests.packages import installed
from vitdsl.errors import Refusal
from vitdsl.fields.record import Fields, Part
from vitdsl.parts.registry import COMPOSITE, all_parts, roles
from vitdsl.resolve.edit import ANYTHING, merge, put
from vitdsl.resolve.extends import resolve
from vitdsl.syntax.expressions import parse
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.source import read
from vitdsl.syntax.tree import Map, Seq, kept
from vitdsl.validate import DEFAULT_WIRING, FILE, WIRING, Body, Head, SpecReader, Stage, Wiring

VALUES = (
    True, False, 2, 0.5, 8, "none", "layer", "gelu", "mean", "relative_bias", "tokens", "sqrt_tokens", "depthwise",
    "pad", "plain", "softmax", "zeros", "pointwise", "exact", "grid", "bicubic", "channels", Seq([2, 2]), Seq([8, 16]),
    Seq(["q"]), Map(type="batch", eps=0.5), Map(type="relu"), Map({"from": "x"}), Map(stride=2), Map(hidden=0.5),
    Map(bias=False), Map(before="norm"), Map(std=0.5, type="normal"), Map(q="norm"), Map(count=2),
)  # fmt: skip
"""What is tried in each field."""
LEAST = {"dim": 8, "kernel": 3, "size": 2, "stride": 2, "windows": 2, "rank": 2, "heads": 2, "value": 0.5, "name": "p"}
PARTS = {name: cls for name, cls in all_parts().items() if cls.family != "internal"}


def least(cls: type[Part]) -> dict[str, Any]:
    """A mapping with what a part needs."""
    needed = {key for key, field in cls.fields_by_key.items() if field.required or key == "heads"} - {"type"}
    return {key: Seq([8, 16]) if key == "channels" else "x" if key == "keys" else LEAST[key] for key in needed}


def fits(cls: type[Part], raw: dict[str, Any]) -> bool:
    try:
        cls.read(kept(raw), SpecReader({}, {}))
    except Refusal:
        return False
    return True


@cache
def fields(name: str) -> dict[str, Any]:
    """A value for every field of a part that a file may write."""
    cls = PARTS[name]
    found = {}
    for key in cls.fields_by_key.keys() - {"type"}:
        values = (value for value in VALUES if fits(cls, {**least(cls), "type": name, key: value}))
        value = next(values, None)
        assert value is not None, f"no value here fits `{key}` of {name}"
        found[key] = value
    return found


def pairs(name: str) -> list[tuple[str, str]]:
    return list(itertools.permutations(sorted(fields(name)), 2))


def outcome(family: str, raw: Any, defaults: Any) -> Any:
    """The part that is read, or what is refused."""
    try:
        return shown(SpecReader(kept(defaults), {}).part(family, kept(raw)))
    except Refusal as error:
        return [fault.message for fault in error.items]


def shown(value: Any) -> Any:
    """What was read, as something that is equal where it says the same."""
    if isinstance(value, Fields):
        return type(value), {key: shown(each) for key, each in value.written.items()}
    return value.key if isinstance(value, Body) else value


TYPES = sorted(name for name in PARTS if len(PARTS[name].fields_by_key.keys() - {"type"}) > 1)
over_types = pytest.mark.parametrize("name", TYPES)


@over_types
def test_an_item_keeps_the_fields_of_the_defaults_that_it_does_not_say(name):
    """Each pair of fields, one of the defaults and one of the item: the part is the one with both written."""
    cls, values = PARTS[name], fields(name)
    for first, second in pairs(name):
        given = {"type": name, **least(cls), second: values[second]}
        given.pop(first, None)
        for entry in ({first: values[first]}, {"type": name, first: values[first]}):
            want = outcome(cls.family, {**given, first: values[first]}, {})
            assert outcome(cls.family, given, {cls.family: entry}) == want, (first, second)


def places(family: str) -> Iterator[tuple[str | int, ...]]:
    """Where a part of a family can stand in a mapping that is merged."""
    yield ("defaults", family)
    role = family in roles()
    if role:
        yield from [("define", "d", "body", family), ("head", "body", family), ("head", "outputs", "a", family)]
        yield ("define", "d", "body", "residual", "shortcut", family)
        yield ("define", "d", "body", "mlp", "between", family)
    yield from {
        "norm": [("head", "norm"), ("define", "d", "body", "pre"), ("define", "d", "stage", "norm")],
        "pool": [("head", "pool")],
        "activation": [("define", "d", "body", "residual", "after"), ("define", "d", "body", "conv", "activation")],
        "tokenizer": [("define", "d", "stage", "tokenizer")],
        "position": [("define", "d", "stage", "position")],
        "bias": [("define", "d", "body", "mixer", "position")],
    }.get(family, [])


def nested(path: tuple[str | int, ...], value: Any) -> Any:
    """A file with a value at a path."""
    for key in reversed(path):
        value = {key: value}
    return kept(value)


def at(tree: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


@over_types
def test_a_spec_keeps_the_fields_of_the_extended_one_that_it_does_not_say(name):
    values = fields(name)
    for path in places(PARTS[name].family):
        for first, second in pairs(name):
            base = nested(path, {"type": name, first: values[first]})
            want = {"type": name, first: values[first], second: values[second]}
            for over in ({second: values[second]}, {"type": name, second: values[second]}):
                assert at(merge(base, nested(path, over), FILE), path) == want, (path, first, second)
            short = put(base, (*path, second), values[second], None, "", FILE)
            assert at(short, path) == want, (path, first, second)


def test_every_place_of_a_part_was_tried():
    """Each family has a place besides the defaults."""
    assert all(len(list(places(cls.family))) > 1 for cls in PARTS.values())


@pytest.mark.parametrize("family", sorted({cls.family for cls in PARTS.values()}))
def test_another_type_replaces(family):
    types = [name for name, cls in PARTS.items() if cls.family == family]
    for path in places(family):
        for first, second in itertools.permutations(types, 2):
            over = {"type": second}
            base = nested(path, {"type": first, **least(PARTS[first])})
            assert at(merge(base, nested(path, over), FILE), path) == over, (path, first, second)
            assert at(merge(base, nested(path, second), FILE), path) == second, (path, first, second)


# ---------------------------------------------------------------- short forms


@pytest.mark.parametrize(("path", "short", "long", "more"), [
    (("head", "norm"), "batch", {"type": "batch"}, {"momentum": 0.5}),
    (("head", "pool"), "mean", {"type": "mean"}, {"over": "all"}),
    (("define", "d", "body", "linear"), 96, {"dim": 96}, {"bias": False}),
    (("define", "d", "body", "unfold"), [3, 5], {"kernel": [3, 5]}, {"stride": 2}),
    (("define", "d", "body"), "peg", {"peg": {}}, {"peg": {"kernel": 5}}),
    (("define", "d", "body", "mlp", "activation"), "gelu", {"type": "gelu"}, {}),
    (("define", "d", "body", "windows"), 7, {"size": 7}, {"shift": 3}),
    (("define", "d", "body", "windows"), [7, 7], {"size": [7, 7]}, {"fit": "pad"}),
    (("define", "d", "body", "residual"), True, {}, {"input": 2.0}),
    (("define", "d", "body", "drop_path"), 0.1, {"rate": 0.1}, {"at": 0.5}),
    (("define", "d", "stage", "tokenizer"), "merge", {"type": "merge"}, {"dim": 8}),
    (("define", "d", "stage", "position"), "learned", {"type": "learned"}, {"over": "grid"}),
    (("drop_path",), 0.1, {"rate": 0.1}, {"schedule": "constant"}),
    (("init", "linear"), 0.5, {"type": "constant", "value": 0.5}, {}),
    (("init", "linear"), "normal", {"type": "normal"}, {"std": 0.5}),
    (("head",), ["norm", "classifier"], {"body": ["norm", "classifier"]}, {"from": "x"}),
    (("head",), {"classifier": {}}, {"body": {"classifier": {}}}, {"from": "x"}),
])  # fmt: skip
def test_a_short_form_is_merged_as_what_it_stands_for(path, short, long, more):
    both = {**long, **more}
    assert at(merge(nested(path, short), nested(path, more), FILE), path) == both
    assert at(merge(nested(path, more), nested(path, short), FILE), path) == both
    for key, value in more.items():
        assert at(put(nested(path, short), (*path, key), value, None, "", FILE), path) == {**long, key: value}


def test_a_path_leads_into_the_items_of_a_head():
    head = nested(("head",), [{"pool": "mean"}, "norm", "classifier"])
    made = put(head, ("head", 2, "classifier", "bias"), False, None, "", FILE)
    assert made["head"] == [{"pool": "mean"}, "norm", {"classifier": {"bias": False}}]
    assert put(head, ("head", 0, "pool", "over"), "all", None, "", FILE)["head"][0] == {
        "pool": {"type": "mean", "over": "all"}
    }


@pytest.mark.parametrize("nothing", ["none", False, parse("$late"), Seq(["norm"])])
def test_what_is_no_mapping_replaces(nothing):
    path = ("define", "d", "body", "residual", "after")
    base, over = nested(path, {"type": "gelu"}), nested(path, nothing)
    assert at(merge(base, over, FILE), path) == nothing
    assert at(merge(over, base, FILE), path) == {"type": "gelu"}


# ---------------------------------------------------------------- roles


def bodies() -> list[tuple[str, ...]]:
    """Where a body may stand in what is merged."""
    found: list[tuple[str, ...]] = [("define", "d", "body"), ("head", "outputs", "a")]
    for cls, path in ((Stage, ("define", "d", "stage")), (Head, ("head",)), (Wiring, ("define", "d", "body"))):
        found += [(*path, key) for key in holding(cls)]
    found += [("defaults", key) for key in holding(Wiring) if key in DEFAULT_WIRING]
    found += [("define", "d", "body", "residual", "shortcut"), ("define", "d", "body", "residual", "after")]
    for cls in PARTS.values():
        if cls.family in roles():
            found += [("define", "d", "body", cls.family, key) for key in holding(cls)]
            found += [("defaults", cls.family, key) for key in holding(cls)]
    return list(dict.fromkeys(found))


def holding(cls: Any) -> list[str]:
    """Keys of a mapping that hold bodies."""
    homes = {key: field.type.home for key, field in cls.fields_by_key.items() if field.type is not None}
    return [key for key, home in homes.items() if home not in ("", "names") and key != "outputs"]


ROLES = (*roles(), *COMPOSITE)


def replaces_every_other_role(path: tuple[str, ...], names: tuple[str, ...]) -> None:
    for first, second in itertools.permutations(names, 2):
        base = nested(path, {first: {}, "name": "a", "repeat": 2})
        over = {second: {}, "repeat": 3}
        assert at(merge(base, nested(path, over), FILE), path) == over, (first, second)


@pytest.mark.parametrize("path", bodies(), ids=".".join)
def test_another_role_replaces(path):
    replaces_every_other_role(path, ROLES)


@pytest.mark.parametrize("path", [("define", "d", "body"), ("head", "body"), ("defaults", "pre")], ids=".".join)
def test_the_role_of_an_installed_part_is_one_too(path, tmp_path):
    with installed(tmp_path, "somebodys", shrug="shrug", nod="nod"):
        replaces_every_other_role(path, ("shrug", "nod", "conv", "peg", "use", "body"))


@pytest.mark.parametrize("path", bodies(), ids=".".join)
def test_the_same_role_is_merged(path):
    for role in roles():
        base, over = {role: {"first": 1}, "name": "a"}, {role: {"second": 2}, "repeat": 3}
        both = {role: {"first": 1, "second": 2}, "name": "a", "repeat": 3}
        assert at(merge(nested(path, base), nested(path, over), FILE), path) == both, role


def test_a_head_that_is_an_item_is_its_body():
    for first, second in itertools.permutations(set(ROLES) - {"norm", "pool", "body"}, 2):
        base, over = nested(("head",), {first: {}}), nested(("head",), {second: {}})
        assert merge(base, over, FILE)["head"] == {"body": {second: {}}}


@pytest.mark.parametrize("first", WIRING)
def test_wiring_is_no_role(first):
    """A mapping with wiring alone goes on with the item that it is laid over."""
    path = ("define", "d", "body")
    for second in WIRING:
        base, over = nested(path, {"conv": {}, first: "none"}), nested(path, {second: "none"})
        assert at(merge(base, over, FILE), path) == {"conv": {}, first: "none", second: "none"}


def test_a_part_s_fields_are_no_roles():
    """Fields may be called as roles are, at every place of a part, also where a body may stand."""
    for path in (("defaults", "conv"), ("define", "d", "body", "conv")):
        base, over = nested(path, {"norm": "batch"}), nested(path, {"activation": "relu"})
        assert at(merge(base, over, FILE), path) == {"norm": "batch", "activation": "relu"}
    path = ("define", "d", "stage", "tokenizer")
    base, over = nested(path, {"type": "conv_stem", "norm": "batch"}), nested(path, {"activation": "relu"})
    assert at(merge(base, over, FILE), path) == {"type": "conv_stem", "norm": "batch", "activation": "relu"}
    over = nested(path, {"linear": {}})
    assert at(merge(base, over, FILE), path) == {"linear": {}}


def test_the_use_of_another_define_replaces():
    for path in (("define", "d", "body"), ("define", "d", "stage")):
        base = nested(path, {"use": "a", "width": 3})
        assert at(merge(base, nested(path, {"use": "b"}), FILE), path) == {"use": "b"}
        assert at(merge(base, nested(path, {"use": "a", "more": 1}), FILE), path) == {"use": "a", "width": 3, "more": 1}


@pytest.mark.parametrize(("base", "over"), [
    ({"norm": "layer", "pool": "mean"}, {"body": ["classifier"]}),
    ({"norm": "layer", "pool": "mean"}, {"outputs": {"a": "classifier"}}),
    ({"outputs": {"a": "classifier"}, "merge": "mean"}, {"pool": "mean"}),
    ({"body": ["classifier"]}, {"pool": "mean"}),
    (["classifier"], {"pool": "mean"}),
])  # fmt: skip
def test_another_kind_of_head_replaces(base, over):
    assert merge(nested(("head",), base), nested(("head",), over), FILE)["head"] == over


def test_a_define_with_a_stage_replaces_one_with_a_body():
    path = ("define", "d")
    for first, second in itertools.permutations(("body", "stage")):
        base, over = nested(path, {"args": ["a"], first: {}}), nested(path, {second: {}})
        assert at(merge(base, over, FILE), path) == {second: {}}
    assert at(merge(nested(path, {"args": ["a"], "body": {}}), nested(path, {"args": ["b"]}), FILE), path) == {
        "args": ["b"], "body": {},
    }  # fmt: skip


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("rest", [
    {"define": {"d": {"body": "$v"}}},
    {"define": {"d": {"body": [{"mlp": {"between": "$v"}}]}}},
    {"define": {"d": {"body": [{"parallel": ["$v"]}]}}},
    {"stages": [{"body": {"choose": {"a": "$v", "b": []}}}]},
    {"define": {"d": {"args": ["b"], "body": {"repeat": 2, "body": "$b"}}}, "head": {"use": "d", "b": "$v"}},
])  # fmt: skip
def test_a_variable_is_what_it_is_where_it_is_named(rest):
    base, over = ({**rest, "vars": {"v": value}} for value in ({"peg": {"kernel": 3}}, {"conv": {"dim": 3}}))
    made = merge(recognise(kept(base), ()), recognise(kept(over), ()), FILE)
    assert made["vars"]["v"] == {"conv": {"dim": 3}}


def test_an_argument_is_what_it_is_where_it_is_read():
    for kind, held in (("body", {"body": "$v"}), ("stage", {"block": "$v", "depth": 2})):
        base, over = ({"define": {"d": {"optional": {"v": v}, kind: held}}} for v in ({"peg": {}}, {"conv": {}}))
        made = merge(recognise(kept(base), ()), recognise(kept(over), ()), FILE)
        assert made["define"]["d"]["optional"] == {"v": {"conv": {}}}
        used = {"d": {"args": ["v"], kind: held}}
        base, over = ({"define": {**used, "e": {kind: {"use": "d", "v": v}}}} for v in ({"peg": {}}, {"conv": {}}))
        made = merge(recognise(kept(base), ()), recognise(kept(over), ()), FILE)
        assert made["define"]["e"][kind] == {"use": "d", "v": {"conv": {}}}


def test_a_value_of_no_known_kind_is_merged_by_key():
    base, over = {"vars": {"v": {"a": {"x": 1}, "b": 2}}}, {"vars": {"v": {"a": {"y": 3}}}}
    assert merge(kept(base), kept(over), FILE)["vars"]["v"] == {"a": {"x": 1, "y": 3}, "b": 2}


# ---------------------------------------------------------------- keys


def test_null_takes_away_what_is_there():
    base = nested(("head",), {"norm": {"type": "batch", "eps": 0.5}, "pool": "mean"})
    assert merge(base, nested(("head", "norm"), None), FILE)["head"] == {"pool": "mean"}
    assert merge(base, nested(("head", "norm", "eps"), None), FILE)["head"]["norm"] == {"type": "batch"}
    path = ("define", "d", "body")
    assert at(merge(nested(path, {"peg": {}}), nested(path, {"peg": None, "conv": {}}), FILE), path) == {"conv": {}}


def test_lists_and_scalars_replace():
    assert merge(Map(a=Seq([1]), b=2), Map(a=Seq([3]), b=Map(c=1)), ANYTHING) == {"a": [3], "b": {"c": 1}}


def test_what_is_merged_knows_where_it_stands():
    base = read("head:\n  norm: layer\n", "base.yaml")
    over = read("head:\n  norm:\n    eps: 1.0\n", "over.yaml")
    norm = merge(base, over, FILE)["head"]["norm"]
    assert norm == {"type": "layer", "eps": 1.0}
    where = {key: (mark.source.name, mark.line, mark.column) for key, (_, mark) in norm.marks.items()}
    assert where == {"type": ("base.yaml", 2, 9), "eps": ("over.yaml", 3, 10)}


@pytest.mark.parametrize("value", [None, 3, "x", [1], {"a": {"b": [{}]}}, {"type": 3}, {"use": []}, {"type": [1]}])
@pytest.mark.parametrize("key", ["define", "defaults", "vars", "head", "stages", "init", "drop_path", "input", "other"])
def test_wrong_trees_are_merged_too(key, value):
    """What is wrong is refused when the merged file is validated, not here."""
    shapes = (value, {"d": value}, {"d": {"body": value}}, {"d": {"optional": value, "stage": value}})
    for one, other in itertools.product(shapes, repeat=2):
        merge(kept({key: one}), kept({key: other}), FILE)
        merge(kept({key: {"d": {"conv": one}}}), kept({key: {"d": {"conv": other}}}), FILE)


# ---------------------------------------------------------------- whole files

BASE = {
    "name": "base",
    "input": {"size": 16},
    "classes": 5,
    "stages": [{"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "body": [{"use": "d"}]}],
    "define": {"d": {"body": {"peg": {"kernel": 3}}}},
    "head": {"norm": "layer"},
}


def written(folder: Any, top: dict[str, Any]) -> Any:
    (folder / "base.yaml").write_text(json.dumps(BASE))
    (folder / "top.yaml").write_text(json.dumps({"extends": "base", **top}))
    return folder / "top.yaml"


def test_a_file_that_extends_another(tmp_path):
    top = written(tmp_path, {"head": {"pool": "mean"}, "define": {"d": {"body": {"conv": {"kernel": 3}}}}})
    tree = resolve(top, None, FILE)
    assert tree["head"] == {"norm": "layer", "pool": "mean"}
    assert tree["define"] == {"d": {"body": {"conv": {"kernel": 3}}}}
    want = {**BASE, "head": {"norm": "layer", "pool": "mean"}, "define": {"d": {"body": {"conv": {"kernel": 3}}}}}
    assert vitdsl.load(top).analyze().cost == vitdsl.load(want).analyze().cost


def test_a_set_below_a_short_form(tmp_path):
    top = written(tmp_path, {"head": {"pool": "mean"}})
    assert resolve(top, {"head.norm.eps": 0.5}, FILE)["head"]["norm"] == {"type": "layer", "eps": 0.5}
    assert resolve(top, {"head.norm": {"eps": 0.5}}, FILE)["head"]["norm"] == {"eps": 0.5}


@pytest.mark.parametrize("base", ["", "extends: deit_tiny\n"])
def test_a_set_with_nothing_in_it_sets_nothing(base):
    rest = "stages: [{tokenizer: {type: patch, size: 16, dim: 64}, body: [mlp]}]\nhead: {pool: mean}\n"
    assert vitdsl.load(f"{base}set:\n{rest}").tree == vitdsl.load(f"{base}{rest}").tree
