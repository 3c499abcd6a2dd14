"""An expanded spec says the same: it loads, costs as much, has the same module paths, and computes the same."""

from contextlib import suppress
from random import Random
from typing import Any

import pytest
import torch

import vitdsl
from tests.hybrids.checks import close, filled, paths, shape_of
from vitdsl.cli.show import written_out
from vitdsl.elaborate.expand import expanded
from vitdsl.parts.registry import all_parts
from vitdsl.spec import Spec
from vitdsl.syntax.printer import dump_tree

SHIPPED = (
    "cait_xxs24", "ceit_tiny", "crossvit_tiny", "cvt13", "deit_tiny_distilled", "levit_128s", "refiner_vit_s", "swin_tiny",
    "t2t_vit_14", "tnt_small",
)  # fmt: skip
SMALL = ("ceit_tiny", "crossvit_tiny", "deit_tiny_distilled", "levit_128s")
"""Those whose outputs are compared too."""
FORMS = {
    "patch": ["patch: {type: patch, size: 4, dim: 8}", "patch: {type: patch, size: [2, 4], dim: 8, bias: false, norm: batch}"],
    "conv_stem": [
        "stem: {type: conv_stem, channels: [4, 8], norm: batch, activation: relu, last: plain}",
        "stem: {type: conv_stem, channels: [4, 8], stride: [2, 1], padding: [0, 2], pool: {type: max, kernel: 3, stride: 2}, last: norm}",
    ],
    "soft_split": ["s: {type: soft_split, kernel: 3, stride: 2, padding: 1, dim: 8}", "s: {type: soft_split, kernel: 3, stride: 2}"],
    "merge": ["m: {type: merge}", "m: {type: merge, dim: 8, norm: rms, bias: true}"],
    "windowed": ["mixer: {type: windowed, windows: 4, heads: 2}", "mixer: {type: windowed, windows: 3, shift: 1, fit: pad, position: relative_bias, heads: 1}"],
    "class": ["mixer: {type: class, heads: 2}", "{mixer: {type: class, heads: 2, keys: [self, all]}, layer_scale: 0.1}"],
    "cross": ["mixer: {type: cross, heads: 2, keys: image_of}", "mixer: {type: cross, keys: {from: image_of, pre: rms}, heads: 1}"],
    "subsampled": ["mixer: {type: subsampled, stride: 2, norm: layer, heads: 2}", "mixer: {type: subsampled, stride: 1, heads: 1}"],
    "lowrank": ["mixer: {type: lowrank, rank: 3, heads: 1}", "mixer: {type: lowrank, rank: $(height), share: true, heads: 2}"],
    "reattention": ["mixer: {type: reattention, heads: 4}", "mixer: {type: reattention, heads: 2, norm: layer, mix_bias: false, factor: 2.0, maps: {after: [{scale: 0.5}, norm]}}"],
    "talking_heads": ["mixer: {type: talking_heads, heads: 4}", "mixer: {type: talking_heads, heads: 2, mix_bias: false, projection: {k: [{norm: layer}]}}"],
    "refined": ["mixer: {type: refined, heads: 2}", "mixer: {type: refined, heads: 4, expand: 2, window: 1, factor: 0.5, norm: affine, maps: {after: [{scale: 0.5}]}}"],
    "depthwise": ["mixer: {type: depthwise, heads: 1}", "mixer: {type: depthwise, heads: 2, position: on_keys, out: none}"],
    "leff": ["mlp: {type: leff, norm: batch}", "mlp: {type: leff, hidden: 6, kernel: 5, activation: none, norm: {hidden: layer}}"],
    "ghost": ["mlp: {type: ghost}", "mlp: {type: ghost, ratio: 2, copies: 1, activation: relu}"],
    "inverted": ["mlp: {type: inverted, ratio: 2}", "{mlp: {type: inverted, stride: 2, norm: batch}, residual: false}"],
    "peg": ["peg", "peg: {kernel: 5, bias: false}"],
    "squeeze": ["squeeze: 4", "{squeeze: {reduction: 2, bias: true, activation: gelu, gate: hardswish}, pre: layer}"],
}  # fmt: skip
INDEXED = """
input: {{size: 8}}
classes: 0
vars: {{own: $(index + 1), next: $(own + 1)}}
define:
  inner: {{args: [ratio], body: [{{repeat: 2, mlp: {{ratio: $ratio, hidden: $(4 + index)}}}}, {{mlp: {{ratio: $ratio}}}}]}}
  outer: {{args: [item], body: [{{repeat: 3, body: [$item]}}]}}
stages: [{{tokenizer: {{type: patch, size: 4, dim: 8}}, depth: 3, block: {block}}}]
head: []
"""
TOKENIZERS = ("patch", "conv_stem", "soft_split", "merge")
MODEL = """
input: {{size: 16}}
classes: 5
defaults: {defaults}
stages:
  - {{stream: image_of, from: image, tokenizer: {{type: patch, size: 4, dim: 8}}}}
  - {{stream: x, from: image, tokenizer: {tokenizer}, tokens: {tokens}, body: [{item}]}}
head: {{pool: {{type: mean, over: all}}}}
"""


def written(name: str, text: str, defaults: str) -> Spec:
    """A small model around a form."""
    stem = "{type: patch, size: 4, dim: 8}"
    if name in TOKENIZERS:
        stem, text = text.partition(": ")[2], "linear"
    elif ":" in text and not text.startswith("{"):
        text = f"{{{text}}}"
    tokens = "[cls]" if name == "class" else "null"
    return vitdsl.load(MODEL.format(defaults=defaults, tokenizer=stem, tokens=tokens, item=text))


def same(spec: Spec, computed: bool = True) -> None:
    """Holds a spec to what it is when expanded."""
    other = vitdsl.load(dump_tree(expanded(spec)))
    assert other.analyze().cost == spec.analyze().cost
    assert paths(other) == paths(spec)
    again = expanded(other)
    assert dump_tree(again) == dump_tree({key: value for key, value in expanded(spec).items() if key in again})
    if not computed:
        return
    model = filled(vitdsl.build(spec))
    built = vitdsl.build(other).double().eval()
    assert list(built.state_dict()) == list(model.state_dict())
    built.load_state_dict(model.state_dict())
    image = torch.randn(2, *shape_of(spec), generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        close(built(image), model(image))


def test_every_form_is_here():
    assert set(FORMS) == {
        name for name, cls in all_parts().items() if cls.expands and cls.__module__.startswith("vitdsl.")
    }


@pytest.mark.parametrize(
    "defaults",
    [
        "{}",
        "{norm: {type: layer, eps: 1e-5}, mixer: {qkv_bias: false}, mlp: {activation: relu}, linear: {bias: false}, residual: {input: 0.5}}",
    ],
    ids=["plain", "defaults"],
)
@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in FORMS.items() for text in texts])
def test_forms_expanded(name: str, text: str, defaults: str):
    same(written(name, text, defaults))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_expanded(name: str):
    same(vitdsl.load(name), computed=name in SMALL)


@pytest.mark.parametrize("dead", ["depth: 0, block: [ITEM]", "body: [{repeat: 0, body: [ITEM]}, {mlp: {}}]"])
def test_what_never_runs_is_left_out(dead: str):
    text = (
        f"stages: [{{{dead.replace('ITEM', '{use: wide, ratio: [0]}')}}}]\nhead: {{pool: mean}}\ninput: {{size: 4}}\n"
    )
    same(vitdsl.load(text + "define: {wide: {args: [ratio], body: [{mlp: {ratio: $ratio}}]}}\n"))


@pytest.mark.parametrize(
    "block",
    [
        "{use: inner, ratio: $(index + 1)}",
        "{use: outer, item: {mlp: {ratio: $(index + 1)}}}",
        "{use: outer, item: {repeat: 2, mlp: {ratio: $(index + 1)}}}",
        "[{use: inner, ratio: $(2 * index + 1)}, {use: outer, item: {mlp: {ratio: $(index + 2)}}}]",
        "{use: inner, ratio: $own}",
        "{use: inner, ratio: $(2 * next)}",
        "{use: outer, item: {mlp: {ratio: $(next - 1)}}}",
        "{use: outer, item: {repeat: 2, mlp: {ratio: $next, hidden: $(8 * own)}}}",
    ],
)
def test_an_index_in_an_argument_is_that_of_where_it_is_written(block):
    spec = vitdsl.load(INDEXED.format(block=block))
    other = vitdsl.load(dump_tree(expanded(spec)))
    assert paths(other) == paths(spec)
    shapes = [
        {name: tuple(p.shape) for name, p in vitdsl.build(each, device="meta").named_parameters()}
        for each in (spec, other)
    ]
    assert shapes[0] == shapes[1]
    hidden = {shape for name, shape in shapes[0].items() if name.endswith("fc1.weight")}
    assert len(hidden) > 1, "repetitions differ"


def test_an_index_that_has_no_name_is_refused():
    spec = vitdsl.load(INDEXED.format(block="{repeat: 2, use: outer, item: {mlp: {ratio: $(index_1 + 1)}}}"))
    assert spec.analyze().params > 0
    with pytest.raises(vitdsl.SpecError, match="the index of the third repetition from here, which has no name"):
        expanded(spec)


def test_a_define_that_is_nothing_is_an_empty_body():
    spec = vitdsl.load(
        INDEXED.format(block="[{use: nothing}, linear]").replace("define:", "define:\n  nothing: {body: none}")
    )
    other = vitdsl.load(dump_tree(expanded(spec)))
    assert (paths(other), other.analyze().cost) == (paths(spec), spec.analyze().cost)


@pytest.mark.parametrize("tokenizer", [
    "{type: conv_stem, channels: [6, 8], kernel: $(dim * 3)}", "{type: soft_split, kernel: 3, stride: 2, dim: $height}",
])  # fmt: skip
def test_a_late_value_that_would_read_another_feature_is_refused(tokenizer):
    spec = vitdsl.load(f"input: {{size: 16}}\nclasses: 0\nhead: []\nstages: [{{tokenizer: {tokenizer}}}]\n")
    assert spec.analyze().params > 0
    with pytest.raises(vitdsl.SpecError, match="reads the feature that enters it, and would read another one inside"):
        expanded(spec)


LATER = """
name: later
input: {size: 16}
classes: 5
stages:
  - tokenizer: {type: patch, size: 4, dim: 16}
    depth: 2
    block: [BLOCK]
head: {pool: mean}
define:
  halved: {args: [half], body: [{linear: {dim: $half}}, {linear: {dim: $(half * 2)}}]}
"""


@pytest.mark.parametrize("block", [
    "{use: halved, half: $(dim // 2)}",
    "{use: halved, half: $(height * 4)}, {use: halved, half: $(dim // 4)}, {linear: 16}",
    "{mlp: {hidden: $(dim * 3), between: [{linear: 8}, {linear: $(dim * 2)}]}}",
])  # fmt: skip
def test_numbers_that_are_read_where_a_define_is_used_are_written_where_they_are_needed(block: str) -> None:
    spec = vitdsl.load(LATER.replace("BLOCK", block))
    assert str(vitdsl.load(written_out(spec)).graph()) == str(spec.graph())


def number(rng: Random, inside: bool) -> Any:
    """A number, mostly late: of the feature, of the repetition, of a variable, and inside of a define an argument."""
    own = ["$a", "$(a * 2)", "$(a + dim)"] if inside else []
    return rng.choice([8, "$dim", "$(dim // 2 + 1)", "$(height * 4)", "$(1 + index)", "$v", *own])


def an_item(rng: Random, depth: int, inside: bool) -> Any:
    """An item; `depth` is how many defines it may use, one inside of the other."""
    kind = rng.choice(
        ["linear", "scale", "mlp", "body", *(["use"] * 3 if depth else []), *(["argument"] if inside else [])]
    )
    if kind == "argument":
        return "$b"
    if kind == "body":
        return {"repeat": 2, "body": [an_item(rng, depth, inside)]}
    if kind == "use":
        given = {"o": number(rng, inside)} if rng.random() < 0.5 else {}
        return {"use": f"d{depth - 1}", "a": number(rng, inside), "b": an_item(rng, 0, inside), **given}
    field = {"linear": "dim", "scale": "value", "mlp": "hidden"}[kind]
    return {kind: {field: number(rng, inside)}}


def with_uses(seed: int) -> dict[str, Any]:
    """A file of defines that use one another, whose arguments read features."""
    rng = Random(seed)
    defines = {
        f"d{depth}": {
            "args": ["a", "b"], "optional": {"o": rng.choice(["$dim", "$(a + 1)"])},
            "body": [*(an_item(rng, depth, True) for _ in range(rng.randint(1, 3))), {"linear": {"dim": "$o"}}],
        }
        for depth in range(3)
    }  # fmt: skip
    block = [an_item(rng, 3, False) for _ in range(2)]
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "depth": 2, "block": block}
    variables = {"v": rng.choice([6, "$(dim + 2)"])}
    return {"input": {"size": 8}, "classes": 0, "head": [], "vars": variables, "define": defines, "stages": [stage]}


def test_an_expanded_spec_has_the_same_graph_or_is_refused() -> None:
    written, graphs = 0, 0
    for seed in range(60):
        with suppress(vitdsl.SpecError):
            spec = vitdsl.load(with_uses(seed))
            graph = str(spec.graph())
            graphs += 1
            assert str(vitdsl.load(written_out(spec)).graph()) == graph, seed
            written += 1
    assert written > graphs // 2 > 10


@pytest.mark.parametrize("use", [
    "{use: once, s: $(1 / dim), i: 1}", "{use: once, s: $(1 / dim), i: $(index + 1)}", "{use: twice}", "{use: own}",
    "{use: thrice, i: $(index + 2)}",
])  # fmt: skip
def test_numbers_that_cost_nothing_and_those_of_inner_uses_are_written_too(use: str) -> None:
    defines = """
  once: {args: [s, i], body: [{linear: 8}, {scale: {value: $s}}, {mlp: {hidden: $(8 * i)}}, {linear: 16}]}
  twice: {body: [{linear: 32}, {use: once, s: $(1 / dim), i: 1}]}
  thrice: {args: [i], body: [{linear: 24}, {use: once, s: $(dim * 2), i: $i}, {use: twice}]}
  own: {optional: {s: $(dim * 2)}, body: [{linear: 8}, {scale: {value: $s}}, {linear: 16}]}
"""
    spec = vitdsl.load(LATER.replace("BLOCK", use) + defines)
    assert str(vitdsl.load(written_out(spec)).graph()) == str(spec.graph())


def test_a_number_that_a_stage_reads_where_it_is_used_is_written() -> None:
    spec = vitdsl.load(
        "input: {size: 16}\nclasses: 0\nhead: []\nstages: [{use: narrow, side: $(height * 2)}]\n"
        "define: {narrow: {args: [side], stage: {tokenizer: {type: patch, size: 4, dim: 8}, body: [{linear: $side}]}}}\n"
    )
    other = vitdsl.load(written_out(spec))
    assert str(other.graph()) == str(spec.graph())
    assert other.graph().frame.features[-1].dim == 32


@pytest.mark.parametrize("norm", ["group", "batch", "layer", "rms"])
def test_a_form_with_parts_of_its_own_is_written_a_level_at_a_time(norm: str) -> None:
    """What a form passes on is written as a file has it, also where a number of it was read from the feature."""
    merge = {"tokenizer": {"type": "merge", "dim": "$(dim + 1)", "kernel": 2, "norm": norm}}
    spec = vitdsl.load({"input": {"size": 16}, "classes": 0, "stages": [merge], "head": {"pool": "mean"}})
    assert str(vitdsl.load(written_out(spec)).graph()) == str(spec.graph())
