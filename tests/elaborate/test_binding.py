"""An argument may stand in every field: what comes of it is what comes of its value written out, or a located error.

Every key of every mapping of the language is tried with every kind of value: nothing here knows what a key means.
"""

import json
import random
from typing import Any

import pytest

import vitdsl
from vitdsl.parts.registry import all_parts, is_role, roles
from vitdsl.validate.head import Head
from vitdsl.validate.model import DropPath, Input, Stage, Tokens
from vitdsl.validate.wiring import DEFAULT_WIRING, Drop, Residual, Windows, Wiring

VALUES: dict[str, Any] = {
    "0": 0, "1": 1, "2": 2, "8": 8, "16": 16, "-1": -1, "half": 0.5, "true": True, "false": False,
    "none": "none", "word": "word", "a place": "grid", "a token": "cls", "a stream": "kept", "a norm": "layer",
    "an activation": "relu", "a merge": "concat", "an inner value": "value", "all": "all",
    "pad": "pad", "zeros": "zeros",
    "no list": [], "numbers": [2, 2], "names": ["cls", "grid"], "strange": [[1], {"a": 2}, None],
    "no mapping": {}, "a mapping": {"size": 2}, "a part": {"type": "layer", "eps": 0.1}, "from": {"from": "kept"},
    "a body": [{"linear": 16}], "an item": {"linear": 16}, "a use": {"use": "inner"},
    "late": "$(dim // 2)", "late height": "$height", "late truth": "$(dim > 3)", "late list": ["$(dim // 8)", 2],
    "late body": [{"linear": "$(dim // 1)"}], "index": "$index",
}  # fmt: skip
"""One value of each kind."""
FEW = 6
"""So many kinds are drawn for each field by default."""
SAMPLES: dict[str, Any] = {
    "dim": 16, "kernel": 3, "heads": 2, "rate": 0.1, "size": 2, "stride": 2, "windows": 2, "rank": 4, "value": 2.0,
    "channels": [8, 16], "ratio": 2, "name": "there", "from": "kept", "keys": "kept", "token": "cls",
    "kernels": {"count": 2}, "groups": 2, "features": 8,
}  # fmt: skip
"""What stands in fields that must be there."""


def keys(cls: Any) -> list[str]:
    """The keys of a mapping, as a file writes them."""
    return [key for key in cls.fields_by_key if key != "type"]


def required(cls: Any) -> dict[str, Any]:
    """A mapping with what must be there."""
    return {key: SAMPLES[key] for key, field in cls.fields_by_key.items() if field.required and key != "type"}


def items() -> dict[str, Any]:
    """Items with a place for a value, by what stands there."""
    place = "$v"
    made: dict[str, Any] = {}
    for key in keys(Wiring):
        made[f"wiring {key}"] = {"linear": 16, key: place}
        made[f"wiring {key} of a mixer"] = {"mixer": {"type": "global", "heads": 2}, key: place}
        made[f"wiring {key} of a body"] = {"body": [{"linear": 16}], key: place}
        made[f"wiring {key} of branches"] = {"parallel": [[], [{"linear": 16}]], key: place}
        made[f"wiring {key} of a form"] = {"mlp": {"type": "leff", "ratio": 2}, "at": "grid", key: place}
        made[f"wiring {key} alone"] = {"write": "made", key: place}
        made[f"a list in {key}"] = {"linear": 16, key: [place, "grid"]}
    for key, cls in (("windows", Windows), ("residual", Residual), ("drop_path", Drop)):
        for inner in keys(cls):
            base = {"size": 2} if key == "windows" else {}
            made[f"{key}.{inner}"] = {"linear": 16, "at": "grid", key: {**base, inner: place}}
            made[f"{key}.{inner} of a mixer"] = {
                "mixer": {"type": "global", "heads": 2}, "at": "grid", "residual": True, key: {**base, inner: place},
            }  # fmt: skip
    made["a list in windows.size"] = {"linear": 16, "at": "grid", "windows": {"size": [place, 2]}}
    made["a list in drop_path.rates"] = {"linear": 16, "residual": True, "drop_path": {"rates": [place, 0.1]}}
    for role in ("body", "parallel", *roles()):
        made[f"role {role}"] = {role: place}
        made[f"role {role} on a grid"] = {"at": "grid", role: place}
    made["a branch"] = {"parallel": [[], place]}
    made["an item in a body"] = {"body": [place, {"linear": 16}]}
    made["an argument"] = {"use": "inner", "more": place}
    for kind, cls in all_parts().items():
        if not is_role(cls.family):
            continue
        for key in keys(cls):
            fields = {"type": kind, **required(cls), key: place}
            made[f"{cls.family} {kind}.{key}"] = {"at": "grid", cls.family: fields}
    for key in ("from", "pre"):
        made[f"mixer global.keys.{key}"] = {
            "mixer": {"type": "global", "heads": 2, "keys": {"from": "kept", key: place}}
        }
    made["a list in mixer global.keys"] = {"mixer": {"type": "global", "heads": 2, "keys": ["self", place]}}
    for key in ("before", "after", "from"):
        made[f"mixer global.maps.{key}"] = {"mixer": {"type": "global", "heads": 2, "maps": {key: place}}}
    return made


MIXER = {"type": "global", "heads": 2}
STAGE = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "depth": 2, "block": [{"linear": 16}]}
HEAD = {"pool": "mean"}


def stages() -> dict[str, Any]:
    """Stages with a place for a value."""
    made = {f"stage {key}": {**STAGE, key: "$v"} for key in keys(Stage)}
    made |= {f"stage tokens.{key}": {**STAGE, "tokens": {"count": 2, key: "$v"}} for key in keys(Tokens)}
    made |= {"a list in tokens": {**STAGE, "tokens": ["cls", "$v"]}, "a list in stage from": {**STAGE, "from": ["$v"]}}
    made |= {"stage body alone": {"tokenizer": STAGE["tokenizer"], "body": "$v"}}
    return made


def roots() -> dict[str, Any]:
    """Other mappings of a file with a place for a value, which no argument reaches."""
    made = {f"head {key}": {"head": {**HEAD, key: "$v"}} for key in keys(Head)}
    made |= {f"head {key} alone": {"head": {key: "$v"}} for key in keys(Head)}
    made |= {f"a list in head {key}": {"head": {**HEAD, key: ["$v", "cls"]}} for key in ("pool", "training", "from")}
    made |= {f"input {key}": {"input": {"size": 16, key: "$v"}} for key in keys(Input)}
    made |= {f"drop_path {key}": {"drop_path": {"rate": 0.1, key: "$v"}} for key in keys(DropPath)}
    made |= {
        f"root {key}": {key: "$v"} for key in ("head", "input", "classes", "drop_path", "init", "define", "defaults")
    }
    made |= {
        f"an output {key}": {"head": {"outputs": {"a": ["classifier"]}, key: "$v"}} for key in ("merge", "training")
    }
    made |= {"outputs": {"head": {"outputs": {"a": "$v", "b": ["classifier"]}}}}
    made |= {f"defaults {key}": {"defaults": {key: "$v"}} for key in ("mixer", "norm", "mlp", *DEFAULT_WIRING)}
    made |= {f"defaults residual.{key}": {"defaults": {"residual": {key: "$v"}}} for key in keys(Residual)}
    return made


ITEMS, STAGES, ROOTS = items(), stages(), roots()
PLACES = {**ITEMS, **STAGES, **ROOTS}


def with_stage(stage: Any, args: Any) -> dict[str, Any]:
    return {
        "input": {"size": 16}, "classes": 5,
        "stages": [
            {"tokenizer": STAGE["tokenizer"], "stream": "kept", "tokens": ["cls"]},
            {"from": "image", "stream": "x"}, {"use": "d", **args},
        ],
        "define": {"d": {"args": [*args], "stage": stage}, "inner": {"body": ["mlp"]}}, "head": {"pool": "mean"},
    }  # fmt: skip


def with_root(more: Any, args: Any) -> dict[str, Any]:
    return {**with_item({"mixer": {"type": "global", "heads": 2}}, args), **more}


def with_item(item: Any, args: Any) -> dict[str, Any]:
    inner = {"optional": {"more": []}, "body": [{"linear": 16}, {"body": "$more"}]}
    return {
        "input": {"size": 16}, "classes": 5,
        "stages": [{
            "tokenizer": {"type": "patch", "size": 4, "dim": 16}, "tokens": ["cls"],
            "body": [{"write": "kept"}, {"use": "d", **args}],
        }],
        "define": {"d": {"args": [*args], "body": [item]}, "inner": inner},
        "head": {"pool": "mean"}, "drop_path": 0.1,
    }  # fmt: skip


def put(node: Any, value: Any) -> Any:
    """A tree with a value in the place of the argument."""
    if node == "$v":
        return value
    if isinstance(node, dict):
        return {key: put(entry, value) for key, entry in node.items()}
    return [put(entry, value) for entry in node] if isinstance(node, list) else node


def outcome(spec: dict[str, Any]) -> tuple[str, str]:
    """The printed graph, or what is refused, which has a place."""
    try:
        return "graph", str(vitdsl.load(json.dumps(spec, indent=1)).graph())
    except vitdsl.SpecError as error:
        refused = error
    assert all(problem.mark is not None for problem in refused.problems), (str(refused), spec)
    return "refused", str(refused)


def judged(place: str, value: Any) -> None:
    made = with_stage if place in STAGES else with_root if place in ROOTS else with_item
    written = outcome(made(put(PLACES[place], value), {}))
    if place in ROOTS:
        return
    late = outcome(made(PLACES[place], {"v": value}))
    stage = place in STAGES and any(name in str(value) for name in ("dim", "height"))
    if place == "an item in a body":  # an argument may be a body there, which a list of items does not hold
        return
    if late[0] == "graph" and not (stage and written[0] == "refused"):  # an argument sees what flows, a stage does not
        assert late == written, (place, value)


@pytest.mark.parametrize("place", PLACES)
def test_an_argument_is_what_it_stands_for_or_is_refused(place: str) -> None:
    for kind in random.Random(place).sample(list(VALUES), FEW):
        judged(place, VALUES[kind])


@pytest.mark.full
@pytest.mark.parametrize("place", PLACES)
def test_any_argument_is_what_it_stands_for_or_is_refused(place: str) -> None:
    for value in VALUES.values():
        judged(place, value)


BARE = {kind: cls.shorthand for kind, cls in all_parts().items() if cls.shorthand not in ("", "type", "name")}


@pytest.mark.parametrize("role", BARE)
@pytest.mark.parametrize("late", ["$(dim // 8)", "$(dim // dim * 1)", "$height", "$half", "$(half + 1)"])
def test_a_bare_value_may_read_features_as_its_field_may(role: str, late: str) -> None:
    inside = {"at": "grid"} if is_role(role) else {}
    bare, long = (
        outcome({**with_item({**inside, role: value}, {}), "vars": {"half": "$(dim // 8)"}})
        for value in (late, {BARE[role]: late})
    )
    assert bare[0] == long[0]
    if bare[0] == "graph":
        assert bare == long


def test_bare_values_are_put_in() -> None:
    for item, operator in (
        ({"linear": "$(dim // 2)"}, "linear(%3, dim=8)"), ({"scale": "$(dim ** -0.5)"}, "scale(%3, value=0.25)"),
        ({"at": "grid", "resize": "$(height * 2)"}, "size=8x8"), ({"linear": "$half"}, "linear(%3, dim=8)"),
    ):  # fmt: skip
        found = outcome({**with_item(item, {}), "vars": {"half": "$(dim // 2)"}})
        assert found[0] == "graph"
        assert operator in found[1]


ABSENT = [
    *((f"wiring {key}", {"linear": 16, key: "none"}, {"linear": 16}) for key in keys(Wiring) if key != "merge"),
    *((f"wiring {key} of a mixer", {"mixer": MIXER, key: "none"}, None) for key in ("at", "windows", "repeat", "name")),
]  # fmt: skip


@pytest.mark.parametrize(("item", "without"), [each[1:] for each in ABSENT], ids=[each[0] for each in ABSENT])
def test_none_is_nothing_in_wiring(item: Any, without: Any) -> None:
    without = without or {"mixer": MIXER}
    assert outcome(with_item(item, {})) == outcome(with_item(without, {}))


@pytest.mark.parametrize("key", [key for key in keys(Stage) if key not in ("from", "depth", "block", "tokenizer")])
def test_none_is_nothing_in_a_stage(key: str) -> None:
    assert outcome(with_stage({**STAGE, key: "none"}, {})) == outcome(with_stage(STAGE, {}))


def test_none_is_no_residual_form() -> None:
    found = [outcome(with_item({"mixer": MIXER, "residual": value}, {})) for value in ("none", False)]
    assert found[0] == found[1]
