"""The printed graph is what bug reports quote: it is stable, to the letter, and no two graphs print alike."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import vitdsl
from tests.parts.test_contract import PRIMITIVES
from vitdsl.elaborate.scope import COMBINED
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Node
from vitdsl.graph.operators import Put, Sections, Take

SMALL = """
name: small
input: {size: 16}
classes: 5
define:
  half: {args: [channels], body: [{conv: {dim: $channels, kernel: 3, stride: 2, norm: batch}}]}
stages:
  - tokenizer: {use: half, channels: 8}
    tokens: [cls]
    depth: 2
    block: [{mixer: {type: global, heads: 2}}, {at: grid, mlp: {ratio: 2}}]
head: {norm: layer, pool: cls}
"""

PRINTED = """\
image %0 16x16·3
stages.0 (image %0 -> x %20 cls+8x8·8)
  %1 = tokenizer.0.conv(%0, dim=8, kernel=3x3, stride=2x2) -> 8x8·8  params 224  macs 13,824
  %2 = tokenizer.0.conv.norm batch(%1) -> 8x8·8  params 16
  %3 = tokens(dim=8, names=[cls]) -> cls·8  params 8
  %4 = join(%3, %2) -> cls+8x8·8
  block.0 x2 (x %5 = %4 -> x %20 cls+8x8·8)
    %6 = 0.pre layer(%5) -> cls+8x8·8  params 16
    %7 = 0.mixer.qkv linear(%6, dim=24) -> cls+8x8·24  params 216  macs 12,480
    %8 = sections(%7, start=0, stop=8) -> cls+8x8·8
    %9 = sections(%7, start=8, stop=16) -> cls+8x8·8
    %10 = sections(%7, start=16, stop=24) -> cls+8x8·8
    %11 = 0.mixer.attend(%8, %9, %10, heads=2, scale=0.5) -> cls+8x8·8  macs 67,600
    %12 = 0.mixer.out linear(%11, dim=8) -> cls+8x8·8  params 72  macs 4,160
    %13 = combine(%5, %12) -> cls+8x8·8
    %14 = take(%13, start=1, stop=65) -> 8x8·8
    %15 = 1.pre layer(%14) -> 8x8·8  params 16
    %16 = 1.mlp.fc1 linear(%15, dim=16) -> 8x8·16  params 144  macs 8,192
    %17 = 1.mlp.activation gelu(%16) -> 8x8·16
    %18 = 1.mlp.fc2 linear(%17, dim=8) -> 8x8·8  params 136  macs 8,192
    %19 = combine(%14, %18) -> 8x8·8
    %20 = put(%13, %19, start=1, stop=65) -> cls+8x8·8
head (x %20 -> @logits %23 cls·5)
  %21 = norm layer(%20) -> cls+8x8·8  params 16
  %22 = take(%21, start=0, stop=1) -> cls·8
  %23 = classifier linear(%22, dim=5) -> cls·5  params 45  macs 40
evaluation logits·1 %23 cls·5
params 1,509 trainable 1,509 macs 215,112
"""


def test_the_printed_graph() -> None:
    assert str(vitdsl.load(SMALL).graph()).splitlines() == PRINTED.splitlines()


def shown(name: str) -> str:
    """A graph whose last value joins what flows with one of two streams of one width."""
    items = [{"write": "a"}, {"mlp": {}}, {"write": "b"}, {"mlp": {}}, {"parallel": [[], [{"from": name}]]}]
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "body": items}
    return str(vitdsl.load({"name": "s", "input": {"size": 8}, "stages": [stage]}).graph())


def test_values_of_one_width_are_told_apart() -> None:
    assert shown("a") != shown("b")


def single(op: Any, features: tuple[Feature, ...]) -> str:
    """A graph of one operator."""
    frame = Frame()
    frame.features = [*features, op.infer(*features)]
    frame.inputs = {f"in{number}": number for number in range(len(features))}
    frame.steps = [Node("op", op, tuple(range(len(features))), len(features), op.cost(*features))]
    return str(Graph(frame, {"out": len(features)}, {"out": 1.0}, None, None))


GRID = Feature(4, (2, 2))
STRUCTURAL = [
    *((COMBINED[how], (GRID, GRID)) for how in COMBINED),
    *((Sections(start=start, stop=start + 2), (GRID,)) for start in (0, 1, 2)),
    *((Take(start=start, stop=start + 1, feature=Feature(4, count=1)), (GRID,)) for start in (0, 1)),
    *((Put(start=start, stop=start + 1, feature=GRID), (GRID, Feature(4, count=1))) for start in (0, 1)),
]


@pytest.mark.parametrize("name", [*PRIMITIVES, "structural"])
def test_operators_that_differ_print_differently(name: str) -> None:
    """Fields that are nodes of their own, a norm and an activation, are printed by those."""
    if name == "structural":
        ops = STRUCTURAL
    else:
        cls = PRIMITIVES[name]
        ops = [(cls.read(fields, None), features) for fields, features in cls.examples()]
    for (one, its), (other, others) in itertools.combinations(ops, 2):
        hidden = dict.fromkeys(one.followers)
        alike = one.replace(**hidden) == other.replace(**hidden) and its == others
        assert (single(one, its) == single(other, others)) == alike


def frames_of(frame: Frame) -> dict[int, Frame]:
    """All frames, each once."""
    found = {id(frame): frame}
    for step in frame.steps:
        if isinstance(step, Call):
            for inner in step.frames:
                found |= frames_of(inner)
    return found


@pytest.mark.parametrize("name", ["deit_tiny_distilled", "crossvit_tiny", "ceit_tiny", "refiner_vit_s"])
def test_a_node_that_reads_another_value_prints_differently(name: str) -> None:
    graph = vitdsl.load(name).graph()
    before, changed = str(graph), 0
    for frame in frames_of(graph.frame).values():
        for index, step in enumerate(frame.steps):
            if not isinstance(step, Node) or not step.inputs:
                continue
            number = step.inputs[0]
            others = [n for n in range(step.output) if n != number and frame.features[n] == frame.features[number]]
            if others:
                frame.steps[index] = step._replace(inputs=(others[-1], *step.inputs[1:]))
                assert str(graph) != before
                frame.steps[index] = step
                changed += 1
    assert changed > 10
    assert str(graph) == before


def test_each_number_is_defined_once_and_in_order() -> None:
    lines = str(vitdsl.load("crossvit_tiny").graph()).splitlines()
    made = [int(line.split()[0][1:]) for line in lines if line.lstrip().startswith("%")]
    assert made == sorted(set(made))


def test_rates_of_blocks_are_printed() -> None:
    printed = str(vitdsl.load("deit_tiny", {"drop_path": 0.22, "stages[0].depth": 3}).graph()).splitlines()
    assert "drop_path stages.0.block.0 to 2: 0, 0.11, 0.22" in printed
