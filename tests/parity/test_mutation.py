"""No tensor may take another's place unseen: what the parity tests would miss, were a table wrong."""

from __future__ import annotations

import re

import pytest

from tests.parity import fingerprint, zoo_hierarchical
from tests.parity.allowed import allowed
from tests.parity.mutations import SMALL, Mutable
from vitdsl.checkpoints.tables import shipped_folder, tables_for

HERE = "parity/test_mutation.py"
TABLES = [
    (spec, layout, table.name)
    for spec in SMALL
    for layout, table in tables_for(spec).items()
    if layout == table.layout[0] and layout != "official_fused"
]
"""Weights that are folded are for another module, which `test_fused.py` holds."""
FIRST = {path: spec for spec, _, path in reversed(TABLES)}
QUICK = {
    (spec, layout)
    for spec, layout, path in TABLES
    if layout == "official" and FIRST[path] == spec and spec not in zoo_hierarchical.SLOW
}
"""One of each table of the authors' weights; the rest is tried by `-m full`."""
PARAMETERS = [
    pytest.param(spec, layout, marks=() if (spec, layout) in QUICK else pytest.mark.full) for spec, layout, _ in TABLES
]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("spec", "layout"), PARAMETERS, ids=lambda value: value)
def test_every_tensor_counts(spec: str, layout: str) -> None:
    """Swapping two tensors of one shape in one block, or 1 % of noise on any kind of tensor, moves an output."""
    model = Mutable(spec, layout)
    silent = set()
    keys = [key for group in model.groups for key in group]
    silent |= {kind(key) for key in keys if model.moved({key: model.perturbed(key)}) <= fingerprint.LIMIT}
    pairs = list(model.pairs())
    for a, b in pairs:
        if model.moved({a: model.theirs[b], b: model.theirs[a]}) <= fingerprint.LIMIT:
            silent.add(f"{kind(a)} and {kind(b)}")
    print(f"{spec}, {layout}: {len(keys)} tensors, {len(pairs)} pairs")
    assert silent == set(allowed(HERE, f"{spec} {layout}"))


def kind(key: str) -> str:
    """A key without the numbers of its blocks."""
    return re.sub(r"blocks\.(\d+)", "blocks.*", key)


def test_every_shipped_table_is_tried() -> None:
    shipped = {path.stem for path in shipped_folder().glob("*.*.yaml") if not path.stem.endswith("official_fused")}
    assert {path for _, _, path in TABLES} == shipped
