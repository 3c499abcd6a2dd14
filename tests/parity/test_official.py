"""The specs against their authors' code: recorded values, key by key, both ways."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vitdsl
from tests.parity import fingerprint, zoo_isotropic
from tests.parity.allowed import allowed
from tests.parity.models import RECORDS, TAPS, filled, flat, image, light, loaded, run
from tests.zoo.specs import all_of_them
from vitdsl.checkpoints.plan import is_counter
from vitdsl.checkpoints.tables import tables_for
from vitdsl.layers.tables import sinusoid_table

SPECS = list(RECORDS)
TRAINED = zoo_isotropic.TRAINED


@pytest.fixture(params=all_of_them(light(SPECS), SPECS))
def spec(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def record(spec: str) -> dict[str, Any]:
    return fingerprint.load(RECORDS[spec])


def difference(found: Tensor, recorded: dict[str, Any]) -> float:
    """The largest difference from a recorded value, after the comparison."""
    fingerprint.assert_agrees(found, recorded)
    first = torch.tensor(recorded["first"], dtype=torch.float64)
    return (found.flatten(1)[:, : first.shape[1]] - first).abs().max().item()


def compare(model: nn.Module, record: dict[str, Any], values: dict[str, Any], spec: str) -> Iterator[float]:
    """Differences of all that `values`, the record or its probe, holds: what is returned, and what is tapped."""
    recorded = values.get("taps", {})
    logits, seen = run(model, image(record), {name: TAPS[spec][name] for name in recorded})
    assert isinstance(logits, Tensor)
    yield difference(logits, values["outputs"]["logits"])
    for name, value in recorded.items():
        yield difference(seen[name], value)


def test_recorded_values(spec: str, record: dict[str, Any]) -> None:
    largest = max(compare(loaded(spec), record, record, spec))
    print(f"{spec}: largest difference {largest:.1e}")


def test_every_tap_is_recorded(spec: str, record: dict[str, Any]) -> None:
    recorded = record.get("taps", {}).keys() | record.get("probe", {}).get("taps", {}).keys()
    assert recorded == TAPS.get(spec, {}).keys()


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "probe" in fingerprint.load(RECORDS[spec])])
def test_probe(spec: str) -> None:
    record = fingerprint.load(RECORDS[spec])
    probe = record["probe"]
    theirs = dict(filled(spec))
    for key, factor in probe["multiply"].items():
        theirs[key] = theirs[key] * factor
    model = vitdsl.build(spec, device="meta").double().eval()
    vitdsl.load_weights(model, theirs, "official")
    largest = max(compare(model, record, probe, spec))
    print(f"{spec}, probe: largest difference {largest:.1e}")


@pytest.mark.parametrize("spec", TRAINED)
def test_training_outputs(spec: str) -> None:
    """In training, with every norm in evaluation mode, as recorded."""
    record = fingerprint.load(RECORDS[spec])
    recorded = {ours: record[section][name] for ours, (section, name) in TRAINED[spec].items()}
    model = loaded(spec)
    outputs = model.get_submodule("outputs")
    outputs.train()
    try:
        with torch.no_grad():
            found = model(image(record))
    finally:
        outputs.eval()
    assert found.keys() == recorded.keys()
    largest = max(difference(as_tokens(found[name]), value) for name, value in recorded.items())
    print(f"{spec}, training outputs: largest difference {largest:.1e}")


@pytest.mark.parametrize("spec", zoo_isotropic.MIXED)
def test_mixed_tokens(spec: str) -> None:
    """MixToken at its point: a box of the map is another image's, and the token logits are put back alike."""
    record, model = fingerprint.load(RECORDS[spec]), loaded(spec)
    path, recorded = zoo_isotropic.MIXED[spec]
    outputs = model.get_submodule("outputs")
    handle = model.get_submodule(path).register_forward_hook(lambda module, given, x_bchw: mixed(x_bchw))
    outputs.train()
    try:
        with torch.no_grad():
            found = model(image(record))
    finally:
        outputs.eval()
        handle.remove()
    found["token_logits"] = mixed(found["token_logits"])
    largest = max(difference(as_tokens(found[ours]), record["outputs"][name]) for ours, name in recorded.items())
    print(f"{spec}, mixed tokens: largest difference {largest:.1e}")


def mixed(x_bchw: Tensor) -> Tensor:
    """The images in reversed order inside the box."""
    made = x_bchw.clone()
    made[zoo_isotropic.BOX] = x_bchw.flip(0)[zoo_isotropic.BOX]
    return made


def as_tokens(value: Tensor) -> Tensor:
    """Maps, as which we return grids, in the authors' layout."""
    return flat(value) if value.ndim == 4 else value


def test_every_recorded_output_is_compared() -> None:
    for spec, name in RECORDS.items():
        others = fingerprint.load(name)["outputs"].keys() - {"logits"}
        compared = {name for section, name in TRAINED.get(spec, {}).values() if section == "outputs"}
        assert others <= compared.union(zoo_isotropic.MIXED.get(spec, ("", {}))[1].values())


def test_weights_go_back(spec: str) -> None:
    """Bit for bit, but for what the table drops."""
    theirs = filled(spec)
    back = vitdsl.convert(loaded(spec).state_dict(), spec, to="official")
    table = tables_for(spec)["official"]
    dropped = {key for key in theirs if not torch.equal(back[key], theirs[key])}
    assert dropped == {key for row in table.drops for key in theirs if row.each and key in _theirs(row, spec)}
    recorded = {key: shape for key, shape, _ in fingerprint.load(RECORDS[spec])["state"]}
    assert all(list(tensor.shape) == recorded[key] for key, tensor in back.items())
    missing = recorded.keys() - back.keys()
    assert all(is_counter(key) for key in missing)


def _theirs(row: Any, spec: str) -> set[str]:
    """Keys that a dropping row writes beside ours."""
    found = (row.match(key) for key in loaded(spec).state_dict())
    return {key for bound in found if bound is not None for key in row.theirs(bound)}


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "constants" in fingerprint.load(RECORDS[spec])])
def test_constants_are_the_formula(spec: str) -> None:
    (constant,) = fingerprint.load(RECORDS[spec])["constants"].values()
    ours = vitdsl.build(spec).double().get_submodule("stages.2.position").weight
    formula = sinusoid_table(*ours.shape[1:])
    assert list(ours.shape) == constant["shape"]
    # weights are built in float32, and the authors' table was
    assert torch.equal(ours, formula.float().double())
    for row, first in constant["rows"].items():
        assert torch.equal(ours[0, int(row), : len(first)], torch.tensor(first, dtype=torch.float64))
    assert math.isclose(ours.norm().item(), constant["norm"], rel_tol=fingerprint.LIMIT)
    assert math.isclose(ours.sum().item(), constant["sum"], rel_tol=fingerprint.LIMIT)


def test_counts(spec: str, record: dict[str, Any]) -> None:
    """Parameters and multiply-adds of the graph are those that were measured."""
    analysis = vitdsl.load(spec).analyze()
    sizes = {key: math.prod(shape) for key, shape, _ in record["state"]}
    absent = sum(sizes[key] for key in allowed("parity/test_official.py", spec) if key in sizes)
    assert analysis.params == record["params"] - absent
    assert analysis.trainable_params == record["trainable_params"]
    digits = 9 if "macs_measured_G" in record else 4
    measured = record.get("macs_measured_G", record.get("measured_macs_G"))
    macs = analysis.macs + zoo_isotropic.UNCOUNTED.get(spec, 0)
    assert measured is None or round(macs / 1e9, digits) == measured
