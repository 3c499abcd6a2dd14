"""Which images an exported program takes."""

import pytest

import vitdsl
from tests.compiler.sizes_table import multiple, takes
from tests.exporting.models import spec_of
from tests.exporting.refusals_table import PAGE, written
from tests.zoo.specs import all_of_them, smallest
from vitdsl.compiler.model import VisionModel
from vitdsl.errors import SpecError
from vitdsl.exporting.sizes import Side, Sizes, find_sizes

ALL = ("batch", "height", "width")
BY_DEFAULT = ["vit_tiny16", "t2t_vit_7", "levit_128s_nodistill", "linformer_vit_small_onekvhead", "twins_svt_small"]


def sizes_of(spec: vitdsl.Spec, *dynamic: str) -> Sizes:
    return find_sizes(vitdsl.build(spec, "meta"), dynamic)


def unfold(**more: int) -> dict[str, object]:
    return {"tokenizer": [{"unfold": {"kernel": 3, "stride": 2, "padding": 0, "fit": "exact", **more}}, {"linear": 8}]}


@pytest.mark.parametrize(("spec", "words"), [
    (spec_of(), "multiples of 16 from 32"),
    (spec_of(tokenizer=[{"conv": {"kernel": 3, "stride": 2, "dim": 16}}]), "any from 3"),
    (vitdsl.load({**spec_of(**unfold()).tree, "input": {"size": 33}}), "2·k + 1 from 5"),
])  # fmt: skip
def test_sides(spec, words):
    found = sizes_of(spec, "height", "width").described()
    assert found == {"batch": 1, "channels": 3, "height": words, "width": words}


def test_one_side_and_a_batch():
    found = sizes_of(spec_of(), "batch", "width")
    assert found.described() == {"batch": "any from 1", "channels": 3, "height": 32, "width": "multiples of 16 from 32"}
    assert found.shapes == [(2, 3, 32, 32), (1, 3, 32, 32), (3, 3, 32, 48)]
    assert found.dims.keys() == {0, 3}


def test_nothing_is_dynamic_unless_it_is_said():
    found = sizes_of(spec_of())
    assert (found.described(), found.dims) == ({"batch": 1, "channels": 3, "height": 32, "width": 32}, {})
    assert found.shapes == [(1, 3, 32, 32)]


def test_lengths_beyond():
    side = Side(32, 16)
    assert [side.beyond(64, factor) for factor in (1.01, 1.25, 2)] == [80, 80, 128]
    assert Side(64, 0).beyond(64, 3) == 64


LINEAR = {"block": [{"mixer": {"type": "lowrank", "rank": 3, "heads": 2}}]}


WINDOWS = {"tokenizer": {"type": "patch", "size": 8, "dim": 8}, "tokens": None,
           "block": [{"windows": 2, "mixer": {"type": "global", "heads": 2}}]}  # fmt: skip


@pytest.mark.parametrize(("stage", "path", "said"), [
    (LINEAR, "stages[0].block[0].mixer", "linear.weight` is (3, 5) for images of 32x32, and (3, 9) for"),
    ({"block": [{"mlp": {"over": "tokens"}}]}, "stages[0].block[0].mlp", "for images of 32x32"),
    (WINDOWS, "stages[0].block[0].mixer", "how many windows there are"),
    ({**WINDOWS, "block": [{**WINDOWS["block"][0], "windows": 4}]}, "stages[0].block[0].pre", "other operators run"),
    ({"block": [{"scale": {"value": "$(1 / height)"}}]}, "stages[0].block[0].scale.value",
     "computed from the grid's height"),
])  # fmt: skip
def test_what_ties_a_spec_to_a_size_is_named_at_its_place(stage, path, said):
    spec = spec_of(**stage) if stage.get("tokens", 0) == 0 else None
    spec = spec or vitdsl.load({**spec_of(**stage).tree, "head": {"pool": "mean"}})
    with pytest.raises(SpecError) as error:
        sizes_of(spec, "height")
    (problem,) = error.value.problems
    assert problem.path == path
    assert "the height of an exported program cannot be dynamic: " in problem.message
    assert said in problem.message
    assert "`--dynamic batch`" in problem.hint


@pytest.mark.parametrize("name", all_of_them(BY_DEFAULT, smallest()))
def test_a_shipped_spec_has_dynamic_sizes_or_a_place_that_has_none(name):
    """Where a model takes other sizes as it is, its program does, of the same multiples."""
    model: VisionModel = vitdsl.build(name, "meta")
    step = multiple(name, takes)
    if step is None:
        with pytest.raises(SpecError) as error:
            find_sizes(model, ALL)
        assert error.value.problems[0].mark is not None
        return
    found = find_sizes(model, ALL)
    assert {side.step for side in found.sides} == {step}
    assert all(least <= own for (least, _), own in zip(found.sides, model.image_size, strict=True))


@pytest.mark.full
def test_the_table_of_refusals_is_true():
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "out of date: python -m tests.exporting.refusals_table writes it"
