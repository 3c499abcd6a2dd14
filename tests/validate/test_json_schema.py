"""The JSON schema of spec files: what it accepts and what it marks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import Field

from vitdsl.fields.record import Fields
from vitdsl.parts.registry import all_parts, roles
from vitdsl.resolve.files import shipped
from vitdsl.syntax.source import read, read_file
from vitdsl.validate.descriptions import attributes
from vitdsl.validate.json_schema import families, schema
from vitdsl.validate.json_schema_fields import object_schema

SCHEMA = schema()
SPECS = sorted(shipped().glob("*.yaml"))
HEAD = "head: {norm: layer, pool: cls}\n"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    return jsonschema.Draft7Validator(SCHEMA)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_accepted(validator: jsonschema.Draft7Validator, path: Path):
    validator.validate(read_file(path))


GOOD = [
    "extends: deit_tiny\npaper: {params: 6M}\nset: {head.pool: [cls, dist]}",
    "stages: [{tokenizer: {type: patch, size: $p, dim: $(2 * d)}}]\nvars: {p: 16, d: 32}",
    "stages: [{tokenizer: {type: patch, size: {choose: [8, 16]}, dim: {range: [32, 64, 16], each: true}}}]",
    "stages: [{depth: {choose: [1, 2]}, block: {choose: {near: [mlp], far: [{mixer: {type: global}}]}}}]",
    "stages: [{use: pyramid, anything: {at: all}}]\ndefine: {pyramid: {args: [anything], stage: {body: []}}}",
    "stages: [{body: [peg, {use: library.block, heads: 3, at: grid}, {from: cls, write: 'history[]'}, $extra]}]",
    "stages: [{body: {parallel: [[], [mlp], {conv: {kernel: 3, padding: same}}], merge: add, residual: true}}]",
    "stages: [{body: [{linear: 64, pre: none, post: {type: batch, init: 0}, residual: {after: relu, input: 0.5}}]}]",
    "stages: [{body: [{mixer: {heads: 4, out: [{activation: relu}], keys: {from: a, pre: layer}}, windows: 7}]}]\n"
    "defaults: {mixer: {type: global, qkv_bias: [q, v]}, norm: batch, layer_scale: 1e-5, residual: {input: 2}}",
    "stages: [{position: {type: learned, windows: [4, 4]}, norm: none, carry: none, drop_path: none}]",
    "extends: a\ninput: {mean: null, std: half}\nstages: null",
    "stages: [{body: []}]\nhead: {outputs: {a: [{pool: cls}, classifier]}, merge: {a: 0.5}, training: [a]}",
    "stages: [{body: []}]\ninit: {linear: {type: trunc_normal, std: 0.02}, norm: ones}\ndrop_path: {rate: [0, 0.1]}",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_language_says_is_accepted(validator: jsonschema.Draft7Validator, text: str):
    validator.validate(read(text, "spec"))


STAGE = "stages: [{body: [%s]}]\n"
BAD = {
    "a key that is none": "stagess: []\nstages: [{body: []}]",
    "neither stages nor extends": "name: a",
    "a stage's key": "stages: [{depht: 3, block: []}]",
    "two roles": STAGE % "{mlp: {}, conv: {}}",
    "no role": STAGE % "{layer_scale: 1e-5}",
    "a wiring key": STAGE % "{mlp: {}, layerscale: 1e-5}",
    "an unknown type": STAGE % "{mixer: {type: globel}}",
    "a field of another type": STAGE % "{mixer: {type: global, windows: 7}}",
    "a type that is missing a field": STAGE % "{mixer: {type: windowed, heads: 3}}",
    "a wrong value": STAGE % "{mixer: {type: global, heads: three}}",
    "a value out of bounds": STAGE % "{mixer: {type: global, heads: 0}}",
    "a role that is none": STAGE % "attention",
    "a norm that is none": STAGE % "{norm: leyer}",
    "a pair of three": STAGE % "{conv: {kernel: [3, 3, 3]}}",
    "a merge that is none": STAGE % "{parallel: [[], []], merge: sum}",
    "a field deep inside": STAGE % "{mixer: {type: global, projection: {conv: {kernel: 3, norn: batch}}}}",
    "an unknown family": "defaults: {norms: layer}\nstages: [{body: []}]",
    "a hole with a key that is none": "stages: [{depth: {choose: [1], wenn: $a}, block: []}]",
    "a define without a body": "define: {a: {bodies: []}}\nstages: [{body: []}]",
    "an init of no family": "init: {linears: zeros}\nstages: [{body: []}]",
    "a head's key": "stages: [{body: []}]\nhead: {norm: layer, pol: cls}",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_marked(validator: jsonschema.Draft7Validator, text: str):
    assert list(validator.iter_errors(read(text, "spec")))


def test_there_is_no_discriminator_and_no_reference_to_nothing():
    text = json.dumps(SCHEMA)
    assert "discriminator" not in text
    assert "$defs" not in text
    assert "prefixItems" not in text
    assert set(references(SCHEMA)) <= {f"#/definitions/{name}" for name in SCHEMA["definitions"]}


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_part_and_role_is_in_it():
    for name, cls in all_parts().items():
        if cls.family != "internal":
            assert cls.family in SCHEMA["definitions"]
            assert f"{cls.family}.{name}" in SCHEMA["definitions"] or f"{cls.family}_mapping" in SCHEMA["definitions"]
    item = SCHEMA["definitions"]["item_mapping"]["else"]["properties"]
    assert {*roles(), "body", "parallel", "use"} <= item.keys()
    assert "internal" not in families()


def described(node: Any, path: str = "") -> Iterator[tuple[str, bool]]:
    """Every key that a mapping may have, and whether it is described; conditions name keys only to ask for them."""
    if isinstance(node, dict):
        if node.get("additionalProperties") is False:
            for key, value in node["properties"].items():
                yield f"{path}.{key}", bool(value.get("description")) and "$ref" not in value
        for key, value in node.items():
            if key != "if":
                yield from described(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from described(value, f"{path}[{index}]")


def test_every_key_is_described():
    found = dict(described(SCHEMA))
    assert len(found) > 900
    assert [path for path, is_described in found.items() if not is_described] == []


def test_every_mapping_is_described():
    described = [name for name, entry in SCHEMA["definitions"].items() if entry.get("description")]
    assert {"mixer.global", "norm.layer", "conv_mapping", "windows"} <= set(described)


class Few(Fields):
    """Few fields.

    Attributes:
        first: what comes first,
            on two lines.
        other: `x`: y.
    """

    type: Literal["few"] = "few"
    first: int = 3
    same: Annotated[int, Field(alias="other")] = 4


def test_keys_are_described_as_their_class_describes_them():
    described = {key: entry["description"] for key, entry in object_schema(Few)["properties"].items()}
    assert described == {"type": "Few fields.", "first": "what comes first, on two lines.", "other": "`x`: y."}
    assert attributes("None.") == {}
