"""What an analysis reads besides features: nothing that was analysed before is taken where a value of these differs."""

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest

import vitdsl
from vitdsl.elaborate.expand import expanded
from vitdsl.elaborate.memo import Trace, TraceTable
from vitdsl.elaborate.names import NameScope
from vitdsl.errors import SpecError
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call
from vitdsl.memo import forget
from vitdsl.resolve.files import shipped
from vitdsl.syntax import tree
from vitdsl.syntax.expressions import parse

SPACES = sorted(path.stem for path in shipped("spaces").glob("*.yaml") if not path.stem.startswith("autoformer"))
"""Every space, with one of the three sizes of AutoFormer's."""
SPACES = [*SPACES, "autoformer_small"]
WIDE = "{mlp: {hidden: $(r * dim)}}"
"""An item that reads the variable `r`, and a feature, so that it is late."""

SUM = "vars: {r: VALUE, s: OTHER}\n"
"""Variables whose sum is always the same."""
ADDED = "{mlp: {ratio: $(r + s + index)}}"


def spec(block: str = "[]", more: str = "", stage: str = "", head: str = "{pool: mean}", depth: int = 2) -> str:
    """A spec of one stage whose blocks are 64 wide, with `vars: {r: VALUE}` unless there are others."""
    variables = "" if "vars:" in more else "vars: {r: VALUE}\n"
    return (
        f"input: {{size: 32}}\nclasses: 10\ndrop_path: 0.1\n{variables}{more}\nstages:\n"
        f"  - {{tokenizer: {{type: patch, size: 8, dim: 64}}, depth: {depth}, block: {block}{stage}}}\nhead: {head}\n"
    )


def second(stage: str) -> str:
    """A spec with a second stage."""
    return spec().replace("head:", f"  - {stage}\nhead:", 1).replace("mean}}, depth", "mean}, tokens: [cls], depth")


WAYS = {
    "a field": spec(f"[{WIDE}]"),
    "a field of a part in a part": spec(
        "[{mixer: {type: global, heads: 2, projection: {conv: {kernel: $(2 * r + dim // 64)}}}}]"
    ),
    "a body in a part": spec("[{mixer: {type: global, heads: 2, maps: {after: [{scale: {value: $(r / dim)}}]}}}]"),
    "pre": spec("[{pre: {type: layer, eps: $(r / dim)}, mlp: {}}]"),
    "post": spec(f"[{{post: [{WIDE}], mlp: {{}}}}]"),
    "layer scale": spec("[{layer_scale: $(r / dim), mlp: {}}]"),
    "residual": spec("[{residual: {output: $(r / dim)}, mlp: {}}]"),
    "shortcut": spec(f"[{{residual: {{shortcut: [{WIDE}]}}, mlp: {{}}}}]"),
    "drop path": spec("[{drop_path: {rate: $(r / dim)}, mlp: {}}]"),
    "windows": spec("[{windows: {size: $(r * dim // 64)}, mixer: {type: global, heads: 2}}]"),
    "repeat": spec("[{repeat: $(r * dim // 64), mlp: {}}]"),
    "a repeated item": spec(f"[{{repeat: 2, {WIDE[1:]}]"),
    "a repeated body": spec(f"[{{repeat: 2, body: [{WIDE}]}}]"),
    "a branch": spec(f"[{{residual: true, parallel: [[{{linear: {{}}}}], [{{post: [{WIDE}], linear: {{}}}}]]}}]"),
    "a stream": spec(
        "[{write: one}, {mlp: {}}, {write: two}, {from: $streams.$index}]", "vars: {streams: [one, NAMED]}"
    ),
    "an argument": spec("[{use: wide, by: $(r * dim)}]", "define: {wide: {args: [by], body: [{mlp: {hidden: $by}}]}}"),
    "an optional argument": spec(
        "[{use: wide}]", "define: {wide: {optional: {by: $(r * dim)}, body: [{mlp: {hidden: $by}}]}}"
    ),
    "an optional body": spec(
        "[{use: wide}]", f"define: {{wide: {{optional: {{mix: [{WIDE}]}}, body: [{{body: $mix}}]}}}}"
    ),
    "a body that is an argument": spec(
        f"[{{use: wide, mix: [{WIDE}]}}]", "define: {wide: {args: [mix], body: [{repeat: 2, body: $mix}]}}"
    ),
    "a part that is an argument": spec(
        "[{use: wide, mlp_of: {hidden: $(r * dim)}}]", "define: {wide: {args: [mlp_of], body: [{mlp: $mlp_of}]}}"
    ),
    "a define": spec("[{use: wide}]", f"define: {{wide: {{body: [{WIDE}]}}}}"),
    "a define in a repetition": spec("[{repeat: 2, body: [{use: wide}]}]", f"define: {{wide: {{body: [{WIDE}]}}}}"),
    "a define of a define": spec(
        "[{use: outer}]",
        f"define: {{wide: {{body: [{WIDE}]}}, outer: {{body: [{{repeat: 2, body: [{{use: wide}}]}}]}}}}",
    ),
    "a define in an argument": spec(
        "[{use: outer, mix: [{use: wide}]}]",
        f"define: {{wide: {{body: [{WIDE}]}}, outer: {{args: [mix], body: [{{repeat: 2, body: $mix}}]}}}}",
    ),
    "a define in a part": spec(
        "[{mlp: {}, post: [{use: wide}]}]", f"define: {{wide: {{body: [{WIDE}]}}}}"
    ),
    "beside an argument of its name": spec(
        f"[{{use: wide, r: 1}}, {WIDE}]", f"define: {{wide: {{args: [r], body: [{WIDE}]}}}}"
    ),
    "around an argument of its name": spec(
        "[{use: outer, r: 3}]",
        f"define: {{wide: {{body: [{WIDE}]}}, outer: {{args: [r], body: [{{repeat: 2, use: wide}}]}}}}",
    ),
    "around an argument of its name, by index": spec(
        "[{use: outer, r: 3}]",
        "define: {wide: {body: [{mlp: {ratio: $(r + index)}}]}, outer: {args: [r], body: [{repeat: 2, use: wide}]}}",
    ),
    "beside an argument that adds to it": spec(
        "[{use: wide, r: 1}]", f"{SUM}define: {{wide: {{args: [r], body: [{ADDED}]}}}}"
    ),
    "beside an argument that its default adds to it": spec(
        "[{use: wide, r: 1}]", f"{SUM}defaults: {ADDED}\ndefine: {{wide: {{args: [r], body: [{{mlp: {{}}}}]}}}}"
    ),
    "beside an argument that the default of another adds to it": spec(
        "[{use: wide, mix: [{mlp: {}}], r: 1}]",
        f"{SUM}defaults: {ADDED}\ndefine: {{wide: {{args: [mix, r], body: $mix}}}}",
    ),
    "defaults where there is nothing but a body of its own": second("{depth: 2, block: $bodies.$index}").replace(
        "vars: {r: VALUE}",
        "vars: {r: VALUE, bodies: [[{mlp: {}}], [{linear: {}}]]}\ndefaults: {mlp: {hidden: $(r * dim)}}",
    ),
    "defaults where the block is another's": spec(
        "$bodies.$index",
        "vars: {r: VALUE, bodies: [[{mlp: {}}], [{linear: {}}]]}\ndefaults: {mlp: {hidden: $(r * dim)}}",
    ),
    "defaults where the item is another's": spec(
        "[$bodies.$index]",
        "vars: {r: VALUE, bodies: [[{mlp: {}}], [{linear: {}}]]}\ndefaults: {mlp: {hidden: $(r * dim)}}",
    ),
    "where no feature hides it": second(
        "{from: none, stream: other, tokens: {count: 2, dim: 64}, body: [{mlp: {hidden: $(height * dim)}}]}"
    ).replace("vars: {r:", "vars: {height:"),
    "a variable that is late": spec("[{mlp: {hidden: $wide}}]", "vars: {r: VALUE, wide: $(r * dim)}"),
    "variables that are late in turn": spec(
        "[{repeat: 2, mlp: {hidden: $wider}}]", "vars: {r: VALUE, wide: $(r * dim), wider: $wide}"
    ),
    "defaults": spec("[{mlp: {}}]", "defaults: {mlp: {hidden: $(r * dim)}}"),
    "defaults of the wiring": spec("[{repeat: 2, mlp: {}}]", "defaults: {layer_scale: $(r / dim)}"),
    "defaults that use a define": spec(
        "[{mixer: {type: global, heads: 2}}]",
        "defaults: {mixer: {maps: {after: [{use: scaled}]}}}\ndefine: {scaled: {body: [{scale: {value: $(r / dim)}}]}}",
    ),
    "an element": spec("[{mlp: {hidden: \"$(sizes[index] * dim)\"}}]", "vars: {sizes: [1, VALUE]}"),
    "an element of the repetition around": spec(
        "[{repeat: 2, mlp: {hidden: \"$(sizes[index_1] * dim)\"}}]", "vars: {sizes: [1, VALUE]}"
    ),
    "an element in a body": spec("[{body: [{repeat: 2, mlp: {ratio: $sizes.$index}}]}]", "vars: {sizes: [1, VALUE]}"),
    "an element by both": spec(
        "[{repeat: 2, mlp: {ratio: $sizes.$index_1.$index}}]", "vars: {sizes: [[1, 1], [1, VALUE]]}"
    ),
    "a body of its own": spec("$bodies.$index", "vars: {bodies: [[{mlp: {}}], [{mlp: {ratio: VALUE}}]]}"),
    "an item of its own": spec("[{body: $bodies.$index}]", "vars: {bodies: [[{mlp: {}}], [{mlp: {ratio: VALUE}}]]}"),
    "a part of its own": spec("[{mlp: $parts.$index}]", "vars: {parts: [{ratio: 1}, {ratio: VALUE}]}"),
    "a body of its own that reads another": spec(
        "$bodies.$index", f"vars: {{r: VALUE, bodies: [[{{mlp: {{}}}}], [{WIDE}]]}}"
    ),
    "a tokenizer": second("{tokenizer: {type: patch, size: 2, dim: $(r * dim)}, body: []}"),
    "a tokenizer's body": second(f"{{tokenizer: [{WIDE}, {{conv: {{dim: 64, kernel: 2, stride: 2}}}}], body: []}}"),
    "a position": second("{position: [{peg: {kernel: $(2 * r + dim // 64)}}], body: []}"),
    "a stage's norm": second("{body: [], norm: {type: layer, eps: $(r / dim)}}"),
    "a stage's body": second(f"{{body: [{WIDE}]}}"),
    "a stage's depth": second("{use: many, n: 1}").replace(
        "stages:", "define: {many: {args: [n], stage: {depth: $(r * n), block: [{mlp: {}}]}}}\nstages:"
    ),
    "a stage's tokens": second("{use: more, n: 1}").replace(
        "stages:", "define: {more: {args: [n], stage: {tokens: {count: $(r * n)}, body: []}}}\nstages:"
    ),
    "an argument of a stage": second("{use: more, mix: [" + WIDE + "]}").replace(
        "stages:", "define: {more: {args: [mix], stage: {depth: 2, block: [{body: $mix}]}}}\nstages:"
    ),
    "the head": spec(head=f"[{WIDE}, {{pool: mean}}, {{classifier: {{}}}}]"),
    "the head's norm": spec(head="{norm: {type: layer, eps: $(r / dim)}, pool: mean}"),
    "an output": spec(head=f"{{outputs: {{logits: [{WIDE}, {{pool: mean}}, {{classifier: {{}}}}]}}}}"),
}  # fmt: skip


def said(graph: Graph) -> list[Any]:
    """All that a graph says: as printed, and every operator with its fields and its place on the schedule."""
    nodes = [(path, repr(node.op), node.cost, node.times, node.drop_point) for path, node, _ in graph.frame.nodes()]
    return [str(graph), nodes, graph.frame.cost]


def analysed(source: str, value: int) -> list[Any]:
    written = (
        source.replace("VALUE", str(value)).replace("OTHER", str(3 - value)).replace("NAMED", ("one", "two")[value - 1])
    )
    return said(vitdsl.load(written).graph())


@pytest.mark.parametrize("way", WAYS)
def test_what_was_analysed_with_another_value_is_not_taken(way: str) -> None:
    source = WAYS[way]
    fresh = {}
    for value in (1, 2):
        forget()
        fresh[value] = analysed(source, value)
    assert fresh[1] != fresh[2]  # else nothing could be mistaken
    forget()
    for value in (1, 2, 1):
        assert analysed(source, value) == fresh[value]


def test_what_a_default_reads_depends_on_the_define_that_it_uses() -> None:
    found = {}
    for order in (("r 1", "s 1", "s 2"), ("s 2",), ("s 1",)):
        forget()
        for case in order:
            name, value = case.split()
            more = f"vars: {{{name}: {value}}}\ndefine: {{scaled: {{body: [{{scale: {{value: $({name} / dim)}}}}]}}}}\n"
            more += "defaults: {mixer: {maps: {after: [{use: scaled}]}}}"
            graph = vitdsl.load(spec("[{mixer: {type: global, heads: 2}}]", more)).graph()
            assert found.setdefault(case, said(graph)) == said(graph)
    assert found["s 1"] != found["s 2"]


# ---------------------------------------------------------------- repetitions

OWN = {
    "an item": ("body: [{repeat: 3, mlp: {ratio: $(index + 1)}}]", "", [1, 2, 3]),
    "an item in a block": ("depth: 2, block: [{repeat: 2, mlp: {ratio: $(index + 1)}}]", "", [1, 2, 1, 2]),
    "how often": ("depth: 3, block: [{repeat: $index, mlp: {ratio: 2}}]", "", [2, 2, 2]),
    "beside a feature": (
        "depth: 2, block: [{repeat: 2, body: [{mlp: {ratio: $(index_1 + dim // 64)}}]}]", "", [1, 1, 2, 2]
    ),
    "beside a variable": (
        "depth: 2, block: [{repeat: 2, mlp: {ratio: $(index_1 + r)}}]", "vars: {r: 1}", [1, 1, 2, 2]
    ),
    "of both": ("depth: 2, block: [{repeat: 2, mlp: {ratio: $(2 * index_1 + index + 1)}}]", "", [1, 2, 3, 4]),
    "two up": ("depth: 2, block: [{repeat: 2, body: [{repeat: 1, mlp: {ratio: $(index_1 + 1)}}]}]", "", [1, 2, 1, 2]),
    "an argument": ("depth: 2, block: [{use: a, mix: [{mlp: {ratio: $(index + 1)}}]}]", "many", [1, 1, 2, 2]),
    "an argument with a variable": (
        "depth: 2, block: [{use: a, mix: [{mlp: {ratio: $(index + r)}}]}]", "many, vars: {r: 1}", [1, 1, 2, 2]
    ),
    "an argument that repeats": (
        "depth: 1, block: [{use: a, mix: [{repeat: 2, mlp: {ratio: $(index + 1)}}]}]", "many", [1, 2, 1, 2]
    ),
    "an argument of a repetition": (
        "depth: 2, block: [{use: once, mix: [{repeat: 2, mlp: {ratio: $(index_1 + 1)}}]}]", "once", [1, 1, 2, 2]
    ),
    "an argument in a repetition": (
        "depth: 2, block: [{use: a, mix: [{mlp: {ratio: $(index_1 + dim // 64)}}]}]", "many", [1, 1, 2, 2]
    ),
    "an argument in two repetitions": (
        "depth: 1, block: [{use: two, mix: [{mlp: {ratio: $(index_1 + dim // 64)}}]}]",
        "define: {two: {args: [mix], body: [{repeat: 2, body: [{repeat: 2, body: $mix}]}]}}", [1, 1, 2, 2],
    ),
    "what may be repeated": (
        "depth: 2, block: [{use: maybe}]",
        "define: {maybe: {optional: {n: null}, body: [{repeat: $n, mlp: {ratio: $(index + 1)}}]}}", [1, 2],
    ),
    "a define": ("depth: 2, block: [{use: own}]", "define: {own: {body: [{mlp: {ratio: $(index + 1)}}]}}", [1, 2]),
    "a define of a repetition": (
        "depth: 2, block: [{use: own}]", "define: {own: {body: [{repeat: 2, mlp: {ratio: $(index_1 + dim // 64)}}]}}",
        [1, 1, 2, 2],
    ),
    "a define in a part": (
        "depth: 2, block: [{linear: {}, post: [{use: own}]}]",
        "define: {own: {body: [{mlp: {ratio: $(index + 1)}}]}}", [1, 2],
    ),
    "a define that is in an argument": (
        "depth: 2, block: [{use: once, mix: [{use: own}]}]",
        "define: {once: {args: [mix], body: [{body: $mix}]}, own: {body: [{mlp: {ratio: $(index + 1)}}]}}", [1, 2],
    ),
    "a variable that is late": ("depth: 2, block: [{mlp: {ratio: $own}}]", "vars: {own: $(index + 1)}", [1, 2]),
    "such a variable in an expression": (
        "depth: 2, block: [{mlp: {ratio: $(own * 2)}}]", "vars: {own: $(index + 1)}", [2, 4]
    ),
    "a variable made of such a one": (
        "depth: 2, block: [{mlp: {ratio: $(twice + 1)}}]", "vars: {twice: $(own * 2), own: $(index + 1)}", [3, 5]
    ),
    "a late element in an expression": (
        "depth: 2, block: [{mlp: {ratio: $(own + 1)}}]", "vars: {own: $all.$index, all: [4, 2]}", [5, 3]
    ),
    "a late element in an argument": (
        "depth: 2, block: [{use: a, mix: [{mlp: {ratio: $(own + 1)}}]}]",
        "many, vars: {own: $all.b.$index, all: {b: [4, 2]}}", [5, 5, 3, 3],
    ),
    "an element that is late, in an expression": (
        "depth: 2, block: [{mlp: {ratio: '$(all[1] * 2)'}}]", "vars: {all: [1, $(index + 1)]}", [2, 4]
    ),
    "such a variable in an argument": (
        "depth: 2, block: [{use: a, mix: [{mlp: {ratio: $(own * 2)}}]}]", "many, vars: {own: $(index + 1)}",
        [2, 2, 4, 4],
    ),
    "an argument that reads a feature too": (
        "depth: 2, block: [{use: a, mix: [{mlp: {hidden: $(dim * (index + 1))}}]}]", "many", [1, 1, 2, 2]
    ),
    "such a variable in a define": (
        "depth: 2, block: [{use: inner}]",
        "define: {inner: {body: [{repeat: 2, mlp: {ratio: $(own * 2)}}]}}\nvars: {own: $(index + 1)}", [2, 4, 2, 4],
    ),
    "a body": (
        "depth: 2, block: $bodies.$index", "vars: {bodies: [[{mlp: {ratio: 1}}], [{mlp: {ratio: 2}}]]}", [1, 2]
    ),
}  # fmt: skip
"""What is in the stage, and before it; and the ratio of each mlp in turn."""
MANY = "define: {a: {args: [mix], body: [{repeat: 2, body: $mix}]}}"
ONCE = "define: {once: {args: [mix], body: [{body: $mix}]}}"


@pytest.mark.parametrize("way", OWN)
def test_each_repetition_reads_its_own_index(way: str) -> None:
    stage, more, ratios = OWN[way]
    more = more.replace("many", MANY).replace(", vars", "\nvars")
    more = ONCE if more == "once" else more
    source = f"input: {{size: 32}}\n{more}\nstages: [{{tokenizer: {{type: patch, size: 8, dim: 64}}, {stage}}}]\n"
    graph = vitdsl.load(source + "head: {pool: mean}\n").graph()
    widths = [f.features[node.output].dim for path, node, f in graph.frame.nodes() if path.endswith("mlp.fc1")]
    assert widths == [64 * ratio for ratio in ratios]


def test_a_late_text_in_an_argument_is_no_number() -> None:
    block = "[{use: f, mix: [{mlp: {hidden: $(own + dim)}}]}]"
    more = "vars: {own: a.$index}\ndefine: {f: {args: [mix], body: [{body: $mix}]}}"
    with pytest.raises(SpecError, match=r"'\+' takes numbers, not 'a\.0'"):
        vitdsl.load(spec(block, more)).graph()


def test_an_argument_reads_the_variables_of_where_it_is_written() -> None:
    block = "[{use: wide, by: 7, mix: [{mlp: {hidden: $(by * dim)}}, {mlp: {hidden: $(late * by)}}]}]"
    more = (
        "vars: {by: 2, late: $(dim // 2)}\n"
        "define: {wide: {args: [mix, by], body: [{body: $mix}, {mlp: {hidden: $(by * dim)}}]}}"
    )
    graph = vitdsl.load(spec(block, more, depth=1)).graph()
    widths = [f.features[node.output].dim for path, node, f in graph.frame.nodes() if path.endswith("mlp.fc1")]
    assert widths == [2 * 64, 32 * 2, 7 * 64]


def test_a_default_reads_no_argument_of_the_define_around() -> None:
    more = """
vars: {r: 2}
define:
  inner: {optional: {by: $(r * dim)}, body: [{mlp: {hidden: $by}}]}
  outer: {args: [r], body: [{use: inner}, {mlp: {hidden: $(r * dim)}}]}
"""
    drawn = vitdsl.load(spec("[{use: outer, r: 3}]", more, depth=1))
    for graph in (drawn.graph(), vitdsl.load(expanded(drawn)).graph()):
        widths = [f.features[node.output].dim for path, node, f in graph.frame.nodes() if path.endswith("mlp.fc1")]
        assert widths == [2 * 64, 3 * 64]


RATES = {
    "an item": ("[{mlp: {}, DROP}]", ""),
    "an item in a body": ("[{body: [{mlp: {}, DROP}]}]", ""),
    "a repeated body": ("[{repeat: 1, body: [{repeat: 1, body: []}, {mlp: {}}], DROP}]", ""),
    "a define": ("[{use: own}]", "define: {own: {body: [{mlp: {}, DROP}]}}"),
    "an argument": ("[{use: own, mix: [{mlp: {}, DROP}]}]", "define: {own: {args: [mix], body: [{body: $mix}]}}"),
    "as an argument": (
        "[{use: own, drop: {rates: [0.1, 0.3]}}]",
        "define: {own: {args: [drop], body: [{mlp: {}, drop_path: $drop}]}}",
    ),
    "defaults": ("[{mlp: {}}]", "defaults: {DROP}"),
}


@pytest.mark.parametrize("way", RATES)
def test_each_repetition_has_its_own_drop_rate(way: str) -> None:
    block, more = RATES[way]
    graph = vitdsl.load(spec(block, more).replace("DROP", "drop_path: {rates: [0.1, 0.3]}")).graph()
    rates = [node.drop_point.rate for _, node, _ in graph.frame.nodes() if node.drop_point is not None]
    assert rates == ([0.1, 0.1] if way == "a repeated body" else [0.1, 0.3])


def test_a_stage_that_a_define_gives_reads_its_arguments_in_each_repetition() -> None:
    windows = {}
    for index in (None, 0, 1):
        shift = "$(3 * (index % 2))" if index is None else 3 * index
        spec = vitdsl.load("hybrid", set={
            **HYBRID, "define.shifted.body[0].windows.shift": shift, "stages[0].mix": [{"use": "shifted"}]
        })  # fmt: skip
        found = [node.op.shift for _, node, _ in spec.graph().frame.nodes() if node.op.type == "open_windows"]  # type: ignore[attr-defined]
        windows[index] = found
    assert windows[0] == [(0, 0)] * 4
    assert windows[1] == [(3, 3)] * 4
    assert windows[None] == [(0, 0), (3, 3)] * 2


HYBRID = {
    "vars.layout": "isotropic", "vars.channels": 64, "vars.wide": 192,
    "stages[0].tokenizer": {"type": "patch", "size": 16, "dim": 192},
    "stages[0].position": "none", "stages[0].layers": 4, "stages[0].feed_forward": {"ratio": 2},
    "stages[1]": {}, "stages[2]": {}, "stages[3]": {},
}  # fmt: skip


def test_repetitions_that_read_the_same_are_one_frame() -> None:
    first, second = [
        {"heads": [3, 4, 3, 4, 4], "wide": [1, 1, 1, 2, 1]},
        {"heads": [4, 3, 4, 3, 3], "wide": [1, 2, 2, 1, 1]},
    ]
    found = [_blocks(vitdsl.load(EACH, set={f"vars.{key}": value for key, value in values.items()}).graph())
             for values in (first, second)]  # fmt: skip
    kinds = [list(zip(values["heads"], values["wide"], strict=True)) for values in (first, second)]
    frames = {}
    for blocks, of in zip(found, kinds, strict=True):
        for frame, kind in zip(blocks, of, strict=True):
            assert frames.setdefault(kind, frame) is frame
    assert len({id(frame) for frame in frames.values()}) == len(frames) == 4


EACH = """
vars: {heads: [1, 1, 1, 1, 1], wide: [1, 1, 1, 1, 1]}
stages:
  - tokenizer: {type: patch, size: 32, dim: 96}
    depth: 5
    block: [{mixer: {type: global, heads: $heads.$index, head_dim: 32}}, {mlp: {ratio: $wide.$index}}]
head: {pool: mean}
"""


def _blocks(graph: Graph) -> list[Any]:
    """The frames of the repetitions of the first stage."""
    (stage,) = [step for step in graph.frame.steps if isinstance(step, Call) and step.path == "stages.0"]
    (blocks,) = [step for step in stage.frames[0].steps if isinstance(step, Call)]
    return list(blocks.frames)


def test_alternatives_of_each_repetition_may_be_bodies_and_parts() -> None:
    bodies = "{choose: {a: [{mlp: {ratio: 1}}], b: [{mlp: {ratio: {choose: [2, 3], each: true}}}]}, each: true}"
    parts = "[{mixer: {choose: {a: {type: global, heads: 2}, b: {type: windowed, windows: 2, heads: 4}}, each: true}}]"
    for block in (bodies, f"[{{body: {bodies}}}]", parts):
        space = vitdsl.Space(spec(block, depth=3))
        found = set()
        for seed in range(8):
            drawn = space.sample(seed)
            model = vitdsl.build(drawn, device="meta")
            assert sum(p.numel() for p in model.parameters()) == drawn.analyze().trainable_params
            assert vitdsl.load(drawn.dump()).analyze().cost == drawn.analyze().cost
            found.add(str(drawn.graph()))
        assert len(found) > 3


# ---------------------------------------------------------------- traces


def nowhere(name: str) -> None:
    """There is no stream."""


def around(**values: Any) -> NameScope:
    """What late values see around a frame."""
    return NameScope(values, values)


def late(text: str) -> Any:
    return parse(text)


def kept(table: TraceTable, names: NameScope, index: int | None = None) -> Any:
    return table.find("key", Trace(names, nowhere, index))


def made(read: Callable[[NameScope], Any], names: NameScope, index: int | None = None) -> TraceTable:
    """A table with one entry, whose frame read something."""
    trace, table = Trace(names, nowhere, index), TraceTable()
    read(NameScope.inside(trace))
    table.keep_trace("key", trace, "kept")
    return table


@pytest.mark.parametrize(("value", "others"), [
    (1, [True, 1.0, "1", 2, None, [1]]), (True, [1, 1.0, False]), (1.0, [1, True]), ("a", ["b", ["a"]]),
    (None, [0, False, "None"]), ([1, 2], [[1, True], [1, 2.0], [2, 1], {"1": 2}, (1, 2, 3)]),
    ({"a": 1}, [{"a": True}, {}]), ([parse("$a")], [["$a"], [parse("$b")], []]),
])  # fmt: skip
def test_answers_are_equal_only_where_values_of_one_type_are(value: Any, others: list[Any]) -> None:
    for read in (lambda names: names.name("r", 0), lambda names: names.evaluate(late("$r"))):
        table = made(read, around(r=value))
        assert kept(table, around(r=copy.copy(value))) == "kept"
        assert [other for other in [*others, ...] if kept(table, around(r=other)) is not None] == []
        assert kept(table, around()) is None


def test_a_late_value_is_one_question() -> None:
    table = made(lambda names: names.evaluate(late("$(index % 2 + r)")), around(r=1), 2)
    assert kept(table, around(r=1), 4) == "kept"
    assert kept(table, around(r=0), 3) == "kept"
    assert kept(table, around(r=1), 3) is None
    assert kept(table, around(r=late("$dim")), 4) is None  # what it is may depend on where it is used


def test_beside_a_feature_each_name_counts() -> None:
    table = made(lambda names: names.at(Feature(64)).evaluate(late("$(dim + r + s)")), around(r=1, s=2))
    assert kept(table, around(r=1, s=2)) == "kept"
    assert kept(table, around(r=2, s=1)) is None


def test_a_feature_alone_asks_nothing() -> None:
    trace = Trace(around(r=1), nowhere)
    NameScope.inside(trace).at(Feature(64, (2, 2))).evaluate(late("$(dim * height)"))
    assert not trace.answers
    NameScope.inside(trace).at(Feature(64, (2, 2))).evaluate(late("$(dim * r)"))
    assert len(trace.answers) == 1


def test_a_variable_that_features_hide_counts_only_where_there_is_no_grid() -> None:
    here, value = around(height=3), late("$(dim * height)")
    on_grid, listed = Trace(here, nowhere), Trace(here, nowhere)
    assert NameScope.inside(on_grid).at(Feature(2, (5, 5))).evaluate(value) == 10
    assert NameScope.inside(listed).at(Feature(2, count=5)).evaluate(value) == 6
    assert (len(on_grid.answers), len(listed.answers)) == (0, 1)


def test_a_frame_notes_what_the_frames_inside_it_ask_but_not_what_it_answers_itself() -> None:
    outer = Trace(around(r=1, s=2, sizes=[1, 2]), nowhere)
    inner = Trace(NameScope.inside(outer), nowhere, 0)
    names = NameScope.inside(inner)
    names.evaluate(late("$(r + s)"))
    names.evaluate(late("$sizes.$index"))
    assert inner.varies
    assert [question.of.text for question in outer.answers] == ["$(r + s)", "$sizes"]
    assert not outer.varies


def test_the_second_index_is_the_index_around() -> None:
    outer = Trace(around(), nowhere, 3)
    inner = Trace(NameScope.inside(outer), nowhere, 0)
    assert NameScope.inside(inner).evaluate(late("$(index_1 * 2)")) == 6
    assert (inner.varies, outer.varies) == (False, True)


def test_arguments_of_a_use_in_a_frame_are_not_asked_of_its_surroundings() -> None:
    trace = Trace(NameScope({"r": 1, "by": 5}, {"by": 5}), nowhere)
    used = NameScope.inside(trace).used({"by": 7, "mix": [late("$by")]})
    inside = NameScope.inside(Trace(used, nowhere, 0))
    for names in (used, inside):
        assert names.evaluate(late("$(by + 1)")) == 8
        assert names.evaluate(late("$mix.0")).text == "$by"
        assert not trace.answers


def test_the_body_of_a_define_sees_the_variable_that_an_argument_around_hides() -> None:
    hidden = NameScope({"r": 1, "index": 0}, {"r": 5, "index": 0})
    table = made(lambda names: names.used({}).evaluate(late("$(r * 2)")), hidden)
    assert kept(table, NameScope({"r": 2, "index": 0}, {"r": 5, "index": 0})) == "kept"
    assert kept(table, NameScope({"r": 5, "index": 0}, {"r": 1, "index": 0})) is None

    def inside(names: NameScope) -> Any:
        return NameScope.inside(Trace(names.used({}), nowhere, 0)).evaluate(late("$(r * 2)"))

    table = made(inside, hidden)
    assert kept(table, NameScope({"r": 2, "index": 0}, {"r": 5, "index": 0})) == "kept"
    assert kept(table, NameScope({"r": 5, "index": 0}, {"r": 1, "index": 0})) is None


def test_an_argument_is_what_is_left_once_known_names_are_put_in() -> None:
    raw = tree.kept([{"mlp": {"ratio": late("$(index % 2 + r)")}}, {"linear": {"dim": late("$(dim * 2)")}}])
    table = made(lambda names: names.argument(raw), around(r=1), 0)
    assert kept(table, around(r=1), 2) == "kept"
    assert kept(table, around(r=2), 0) is None
    assert kept(table, around(r=1, dim=3), 0) is None


def test_streams_count_also_where_they_are_not_there() -> None:
    streams = {"x": Feature(64)}
    trace, table = Trace(around(), streams.get), TraceTable()
    assert (trace.stream("x"), trace.stream("y")) == (Feature(64), None)
    table.keep_trace("key", trace, "kept")
    for other, found in (({"x": Feature(64), "z": Feature(1)}, "kept"), ({"x": Feature(32)}, None), ({}, None),
                         ({"x": Feature(64), "y": Feature(64)}, None)):  # fmt: skip
        assert table.find("key", Trace(around(), other.get)) == found


def test_a_table_is_emptied_when_it_is_full() -> None:
    table = TraceTable(limit=4)
    for number in range(20):
        trace = Trace(around(r=number), nowhere)
        NameScope.inside(trace).evaluate(late("$r"))
        table.keep_trace(number, trace, "kept")
        assert len(table) <= 4
    assert table.find(19, Trace(around(r=19), nowhere)) == "kept"


# ---------------------------------------------------------------- spaces


def told(drawn: vitdsl.Spec) -> Any:
    """What an analysis says, or the error that it gives."""
    try:
        return said(drawn.graph())
    except SpecError as error:
        return str(error)


@pytest.mark.parametrize("name", SPACES)
def test_candidates_are_analysed_as_if_each_were_the_first(name: str) -> None:
    """Most are one step from the one before, so that nearly all is there already."""
    space, rng = vitdsl.Space(name), random.Random(5)
    forget()
    drawn = [space.sample(rng)]
    for _ in range(59):
        drawn.append(space.mutate(drawn[-1], rng) if rng.random() < 0.8 else space.sample(rng))
    warm = [told(candidate) for candidate in drawn]
    for candidate, found in zip(drawn, warm, strict=True):
        forget()
        assert told(space.replay(candidate.decisions or {})) == found, candidate.decisions
