"""Wiring and parts over the file's defaults, and over what a form expands into."""

import itertools
from typing import Any

import pytest

from vitdsl.parts.registry import all_parts
from vitdsl.validate import DEFAULT_WIRING, SpecReader
from vitdsl.validate.defaults import wiring_over_defaults, wiring_over_expansion

VALUES: dict[str, list[Any]] = {
    "pre": ["batch", {"type": "batch"}, {"type": "batch", "momentum": 0.5}],
    "post": ["layer", [{"norm": "layer"}]],
    "residual": [{"input": 0.5}, {"output": 0.5, "after": "relu"}],
    "layer_scale": [0.5],
    "drop_path": [0.1, "none", {"at": 0.5}],
}
NAMES = list(itertools.permutations(DEFAULT_WIRING, 2))


@pytest.mark.parametrize(("first", "second"), NAMES)
def test_an_item_keeps_the_wiring_of_the_defaults_that_it_does_not_say(first, second):
    for usual, given in itertools.product(VALUES[first], VALUES[second]):
        full = wiring_over_defaults({second: given}, {first: usual}, "layer")
        assert full == {"residual": True, "pre": "layer", first: usual, second: given}


@pytest.mark.parametrize(("key", "usual", "given", "want"), [
    ("residual", {"input": 0.5}, {"output": 2.0}, {"input": 0.5, "output": 2.0}),
    ("residual", {"input": 0.5}, True, {"input": 0.5}),
    ("residual", False, True, True),
    ("residual", {"input": 0.5}, False, False),
    ("drop_path", {"at": 0.5}, {"rate": 0.1}, {"at": 0.5, "rate": 0.1}),
    ("drop_path", {"at": 0.5}, "none", "none"),
    ("pre", {"type": "batch", "momentum": 0.5}, {"eps": 0.5}, {"type": "batch", "momentum": 0.5, "eps": 0.5}),
    ("pre", {"type": "batch", "momentum": 0.5}, {"type": "layer"}, {"type": "layer"}),
    ("pre", {"type": "batch"}, {"conv": {}}, {"conv": {}}),
    ("pre", {"type": "batch"}, "none", "none"),
    ("pre", {"type": "batch"}, None, "layer"),
    ("layer_scale", 0.5, 0.1, 0.1),
])  # fmt: skip
def test_the_wiring_of_an_item_is_merged_over_the_defaults(key, usual, given, want):
    assert wiring_over_defaults({key: given}, {key: usual}, "layer")[key] == want


def test_what_is_not_residual_has_no_norm_of_the_defaults():
    assert wiring_over_defaults({"residual": False}, {"pre": "batch"}, "layer") == {"residual": False}
    assert wiring_over_defaults({"residual": False, "pre": "rms"}, {}, "layer") == {"residual": False, "pre": "rms"}


@pytest.mark.parametrize("name", [name for name, cls in all_parts().items() if cls.expands])
def test_a_form_keeps_the_wiring_that_its_item_does_not_say(name):
    """What a form wires, and what its item wires beside it, are both there."""
    least = {
        "heads": 2,
        "rank": 2,
        "stride": 2,
        "windows": 2,
        "keys": "x",
        "dim": 8,
        "size": 2,
        "kernel": 3,
        "channels": [8, 16],
    }
    cls = all_parts()[name]
    needed = {key for key, field in cls.fields_by_key.items() if field.required or key == "heads"} & least.keys()
    made = SpecReader({}, {}).part(cls.family, {"type": name, **{key: least[key] for key in needed}}).expand()
    wiring = {key: value for key, value in made.items() if key in VALUES}
    for key in VALUES.keys() - wiring.keys():
        full = wiring_over_expansion(made, {key: VALUES[key][0]})
        assert full == {**made, key: VALUES[key][0]}
