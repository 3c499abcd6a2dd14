"""Families of shipped specs: the model, its program, ONNX Runtime, with batch norms folded and without, agree.

`export` compares. That what is ejected and compiled is the model too, `compiler/test_eject.py` and
`compiler/test_export.py` say. Which sizes each family takes is in `test_sizes.py`.
"""

import pytest

import vitdsl
from tests.compiler.test_sizes import FAMILIES
from tests.exporting.models import model_of
from vitdsl.errors import InputError, SpecError
from vitdsl.exporting.checking import tolerance
from vitdsl.exporting.export import export
from vitdsl.exporting.sizes import find_sizes

APART = {"levit_128s": {"input.size": 160}, "botnet50": {"input.size": 96}}
"""Sizes at which no attention map has as many rows as a grid of the image."""
UNTRACED = {"ceit_tiny"}
"""As a program with dynamic sizes: torch 2.14 refuses a guard that it derived itself. Batches alone are traced."""


@pytest.mark.full
@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family(name, fold, tmp_path):
    """Folded as ONNX, else as a program; of all sizes where the family has them."""
    model = model_of(vitdsl.load(name, {**FAMILIES[name], **APART.get(name, {}), "classes": 5}))
    axes = ("batch", "height", "width")
    try:
        sizes = find_sizes(model, axes)
    except SpecError:
        axes, sizes = ("batch",), find_sizes(model, ("batch",))
    if name in UNTRACED and not fold:
        with pytest.raises(InputError, match="cannot trace this model: Not all values of"):
            export(model, tmp_path / "a.pt2", dynamic=axes, fold=fold)
        axes, sizes = ("batch",), find_sizes(model, ("batch",))
    done = export(model, tmp_path / f"{name}.{'onnx' if fold else 'pt2'}", dynamic=axes, fold=fold)
    assert [check.shape for check in done.checks] == sizes.shapes
    assert len({shape[0] for shape in sizes.shapes}) > 1
    assert all(check.difference <= tolerance(next(model.parameters()).dtype) for check in done.checks)
