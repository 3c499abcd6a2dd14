"""The checks that a package runs on its own parts: ours pass, and each kind of fault is found."""

from typing import Any

import pytest
import torch

from vitdsl.features import Cost, Feature
from vitdsl.parts import registry
from vitdsl.parts.base import Form, Part
from vitdsl.parts.primitives.linear import Linear
from vitdsl.testing import check_part

GRID, TOKENS = Feature(12, (6, 4)), Feature(12, (6, 4), ("cls",))
FORMS: dict[str, tuple[dict[str, Any], Feature]] = {
    "class": ({"heads": 3}, TOKENS),
    "conv_stem": ({"channels": [6, 8], "stride": [2, 1], "norm": "batch"}, GRID),
    "depthwise": ({"heads": 3}, TOKENS),
    "ghost": ({}, TOKENS),
    "inverted": ({"norm": "batch"}, GRID),
    "leff": ({"norm": "batch"}, GRID),
    "lowrank": ({"rank": 5, "heads": 2}, TOKENS),
    "merge": ({}, GRID),
    "patch": ({"size": 2, "dim": 8}, GRID),
    "peg": ({}, TOKENS),
    "reattention": ({"heads": 3}, TOKENS),
    "refined": ({"heads": 3}, TOKENS),
    "soft_split": ({"kernel": 3, "stride": 2, "dim": 10}, GRID),
    "squeeze": ({"reduction": 4}, TOKENS),
    "subsampled": ({"stride": 2, "heads": 3, "norm": "layer"}, GRID),
    "talking_heads": ({"heads": 3}, TOKENS),
    "windowed": ({"windows": 2, "heads": 3}, GRID),
}


def part(name: str) -> type[Part]:
    cls = registry.part_class(name)
    assert cls is not None
    return cls


def test_every_form_is_tried() -> None:
    forms = {name for name, cls in registry.all_parts().items() if cls.expands}
    assert set(FORMS) == forms - {"cross"}, "`cross` needs a second stream, which a form alone has not"


@pytest.mark.parametrize("name", FORMS)
def test_forms_keep_what_they_promise(name: str) -> None:
    fields, feature = FORMS[name]
    check_part(part(name), [(fields, (feature,))])


def test_a_primitive_is_tried_on_its_examples() -> None:
    check_part(Linear)


class Loose(Linear):
    """A linear map with a fault to come."""


class WrongShape(Loose):
    """Says another width than the module has."""

    def infer(self, *inputs: Feature) -> Feature:
        return inputs[0]


class WrongParameters(Loose):
    """Forgets the parameters."""

    def cost(self, *inputs: Feature) -> Cost:
        return Cost(macs=super().cost(*inputs).macs)


class WrongMacs(Loose):
    """Forgets the multiply-adds."""

    def cost(self, *inputs: Feature) -> Cost:
        return super().cost(*inputs)._replace(macs=0)


class WrongValues(Loose):
    """Divides by zero."""

    def build(self, *inputs: Feature) -> torch.nn.Module:
        made = super().build(*inputs)
        made.register_forward_hook(lambda *given: given[-1] / 0)
        return made


class WrongKeeping(Loose):
    """Keeps a tensor that is neither a parameter nor a buffer."""

    def build(self, *inputs: Feature) -> torch.nn.Module:
        made = super().build(*inputs)
        made.table = torch.ones(3)
        return made


class NoExamples(Loose):
    """Says nothing to try."""

    @classmethod
    def examples(cls) -> list[Any]:
        return []


@pytest.mark.parametrize(("cls", "message"), [
    (WrongShape, "`infer` says"), (WrongParameters, "56 parameters, `cost` says 0"),
    (WrongMacs, "multiply-adds are counted, `cost` says 0"), (WrongValues, "not finite"),
    (WrongKeeping, "`table` is a tensor, but neither a parameter nor a buffer"), (NoExamples, "no examples"),
])  # fmt: skip
def test_faults_are_found(cls: type[Part], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_part(cls)


def test_the_example_is_named() -> None:
    with pytest.raises(AssertionError) as found:
        check_part(WrongMacs)
    assert found.value.__notes__ == ["example of WrongMacs: {'dim': 8}, cls+3x5·6"]


def test_what_cannot_be_seen_is_left_out() -> None:
    check_part(WrongMacs, [({"dim": 8}, (GRID,))], unseen=lambda op, x: -x.num_tokens * x.dim * 8)


def test_only_primitives_and_forms_are_parts_to_check() -> None:
    assert not issubclass(part("pool"), Form)
    with pytest.raises(AssertionError, match="neither a primitive nor a form"):
        check_part(part("pool"), [({}, (GRID,))])
