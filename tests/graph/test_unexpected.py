"""What `check` says of a graph that is right and that most readers of its spec would not expect."""

import pytest
import torch

import vitdsl
from vitdsl.graph.unexpected import unexpected
from vitdsl.validate.written import two_norms, words

PATCH = "tokenizer: {type: patch, size: 8, dim: 12}"
MIXER = "mixer: {type: global, heads: 3}"
HEAD = "head: {norm: layer, pool: mean}"


def spec(*stages: str, head: str = HEAD, more: str = "") -> vitdsl.Spec:
    text = "\n  - ".join(["stages:", *(f"{{{stage}}}" for stage in stages)])
    return vitdsl.load(f"input: {{size: 32}}\nclasses: 5\n{more}\n{text}\n{head}\n")


def found(given: vitdsl.Spec) -> list[tuple[str, str]]:
    """Path and message of each."""
    return [(problem.path, problem.message) for problem in unexpected(given.graph(), words(given.tree))]


def words_of(given: vitdsl.Spec) -> str:
    return " ".join(message for _, message in found(given))


# ---------------------------------------------------------------- places

BLIND = {
    "attention": f"{PATCH}, body: [{{{MIXER}}}, mlp]",
    "repeated": f"{PATCH}, depth: 2, block: [{{{MIXER}}}, mlp]",
    "with tokens": f"{PATCH}, tokens: [cls], body: [{{{MIXER}}}, {{at: cls, mlp: {{}}}}]",
    "over maps": f"{PATCH}, body: [{{mixer: {{type: talking_heads, heads: 3}}}}]",
    "performer": f"{PATCH}, body: [{{mixer: {{type: performer, heads: 3}}}}]",
    "depth-wise kernels": f"{PATCH}, body: [{{mixer: {{type: depthwise, heads: 3}}}}]",
    "batch norms": f"{PATCH}, body: [{{{MIXER}, pre: batch}}, {{norm: group}}]",
    "convolutions of single tokens": f"{PATCH}, body: [{{{MIXER}}}, {{conv: {{kernel: 1}}}}]",
}
SEEING = {
    "learned": f"{PATCH}, position: learned, body: [{{{MIXER}}}]",
    "sines": f"{PATCH}, position: sincos2d, body: [{{{MIXER}}}]",
    "a bias": f"{PATCH}, body: [{{mixer: {{type: global, heads: 3, position: relative_bias}}}}]",
    "on the keys": f"{PATCH}, body: [{{mixer: {{type: global, heads: 3, position: on_keys}}}}]",
    "a peg": f"{PATCH}, body: [{{{MIXER}}}, peg]",
    "padding": f"tokenizer: {{conv: {{dim: 12, kernel: 8, stride: 8, padding: 2}}}}, body: [{{{MIXER}}}]",
    "neighbours": f"tokenizer: {{type: soft_split, kernel: 16, stride: 8, padding: 0, dim: 12}}, body: [{{{MIXER}}}]",
    "windows": f"{PATCH}, body: [{{{MIXER}, windows: 2}}]",
    "an mlp over tokens": f"{PATCH}, body: [{{{MIXER}}}, {{mlp: {{over: tokens}}}}]",
    "the first token": f"{PATCH}, body: [{{{MIXER}}}, {{at: first, mlp: {{}}}}]",
    "keys of another rank": f"{PATCH}, body: [{{mixer: {{type: lowrank, heads: 3, rank: 4}}}}]",
    "convolved maps": f"{PATCH}, body: [{{mixer: {{type: refined, heads: 3}}}}]",
    "a stride": f"{PATCH}, body: [{{mixer: {{type: global, heads: 3, query: {{stride: 2}}}}, residual: false}}]",
}


def moved(images: torch.Tensor) -> torch.Tensor:
    """The same patches of 8×8 in another order."""
    patches = images.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3)
    order = torch.randperm(patches.shape[2], generator=torch.Generator().manual_seed(1))
    grid = patches[:, :, order].unflatten(2, (4, 4))
    return grid.transpose(3, 4).flatten(4, 5).flatten(2, 3)


@pytest.mark.parametrize(
    ("stage", "blind"), [(s, True) for s in BLIND.values()] + [(s, False) for s in SEEING.values()]
)
def test_without_places(stage: str, blind: bool) -> None:
    """It is said of a model just where the order of the patches makes no difference to it."""
    given = spec(stage)
    assert ("nothing in the model says where a token stands" in words_of(given)) == blind
    torch.manual_seed(0)
    model = vitdsl.build(given).double().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    assert torch.allclose(model(images), model(moved(images)), rtol=0, atol=1e-9) == blind


def test_places_that_nobody_mixes() -> None:
    assert found(spec(f"{PATCH}, body: [mlp]")) == []
    assert found(spec(f"{PATCH}, position: none, body: [{{{MIXER}}}]")) == []


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("tokens", "head", "unread"),
    [
        ("[cls]", HEAD, ["cls"]),
        ("[cls, dist]", "head: {norm: layer, pool: cls}", ["dist"]),
        ("[cls, dist]", "head: {norm: layer, pool: [cls, dist]}", []),
        ("[cls]", "head: {norm: layer, pool: {type: mean, over: all}}", []),
        ("[cls]", "head: [{norm: layer}, {pool: sequence}, classifier]", []),
        ("[cls]", "head: [{norm: layer}, classifier]", []),
        ("[register]", HEAD, []),
    ],
)
def test_class_tokens_that_nothing_takes(tokens: str, head: str, unread: list[str]) -> None:
    given = spec(f"{PATCH}, tokens: {tokens}, position: learned, body: [{{{MIXER}}}]", head=head)
    said = [f"the head does not read the token `{name}`, and no item takes it: only mixers see it" for name in unread]
    assert found(given) == [("stages.0.tokens", text) for text in said]


CONV = "{conv: {kernel: 3}}"


@pytest.mark.parametrize(
    ("items", "where"),
    [
        (f"{{parallel: [[], [{CONV}]]}}", "0.1.0.conv"),
        (f"{{parallel: [[{CONV}], [{CONV}]]}}", "0.0.0.conv"),
        (f"{{parallel: [[{CONV}], [{{{MIXER}}}]]}}", "0.0.0.conv"),
        (f"{{parallel: [[], [{CONV}]], merge: multiply}}", "0.1.0.conv"),
        ("{parallel: [[], [{pool: {kernel: 3, stride: 1}}]]}", "0.1.0.pool"),
        (f"{{residual: true, body: [{CONV}]}}", "0.0.conv"),
        (f"{{residual: true, layer_scale: 0.1, body: [{CONV}]}}", "0.0.conv"),
        (f"{{at: grid, parallel: [[], [{CONV}]]}}", None),
        (f"{{parallel: [[], [{CONV}]], merge: mean}}", None),
        (f"{{parallel: [[{{mlp: {{}}, residual: false}}], [{CONV}]]}}", None),
        (f"{{residual: true, body: [{CONV}, {{linear: 12}}]}}", None),
        ("{residual: true, conv: {kernel: 3}}", None),
        ("peg", None),
        ("{parallel: [[], []]}", None),
    ],
)
@pytest.mark.parametrize("extra", ["cls", "register"])
def test_tokens_that_are_added_to_themselves(items: str, where: str | None, extra: str) -> None:
    head = f"head: {{norm: layer, pool: {extra}}}"
    tokens = f"{PATCH}, tokens: [{extra}], position: learned"
    done = "multiplied by" if "multiply" in items else "added to"
    text = f"extra tokens ({extra}) are {done} themselves: what acts on the grid does not change them"
    expected = [] if where is None else [(f"stages.0.body.{where}", text)]
    assert found(spec(f"{tokens}, body: [{items}]", head=head)) == expected
    assert found(spec(f"{PATCH}, position: learned, body: [{items}]")) == []


# ---------------------------------------------------------------- norms and activations

LAST = "norms stand before the branches of this sum, but none between it and the classifier"


@pytest.mark.parametrize(
    ("stages", "head", "path"),
    [
        ([f"{PATCH}, position: learned, body: [{{{MIXER}}}, mlp]"], "head: {pool: mean}", "stages.0.body.1"),
        ([f"{PATCH}, position: learned, depth: 3, block: [{{{MIXER}}}]"], "head: {pool: mean}", "stages.0.block.0.0"),
        ([f"{PATCH}, body: [mlp, peg, {{dropout: 0.1}}]"], "head: [{pool: max}, classifier]", "stages.0.body.0"),
        ([f"{PATCH}, body: [mlp]", "body: []"], "head: {outputs: {a: [{pool: mean}, classifier]}}", "stages.0.body.0"),
        ([f"{PATCH}, tokens: [cls], body: [{{at: cls, mlp: {{}}}}]"], "head: {pool: cls}", "stages.0.body.0"),
        ([f"{PATCH}, body: [{{residual: true, pre: layer, body: [{{linear: 12}}]}}]"], "head: {pool: mean}",
         "stages.0.body.0"),
        ([f"{PATCH}, body: [mlp], norm: layer"], "head: {pool: mean}", None),
        ([f"{PATCH}, body: [mlp]"], HEAD, None),
        ([f"{PATCH}, body: [mlp]"], "head: [{pool: mean}, {norm: layer}, classifier]", None),
        ([f"{PATCH}, body: [mlp, {{linear: 12}}]"], "head: {pool: mean}", None),
        ([f"{PATCH}, body: [{{mlp: {{}}, pre: none, post: layer}}]"], "head: {pool: mean}", None),
        ([f"{PATCH}, body: [mlp]"], "head: {norm: none, pool: mean}", None),
        ([f"{PATCH}, body: [mlp]", "tokenizer: merge, body: []"], "head: {pool: mean}", None),
    ],
)  # fmt: skip
def test_a_sum_that_is_classified_without_a_norm(stages: list[str], head: str, path: str | None) -> None:
    assert found(spec(*stages, head=head)) == ([] if path is None else [(path, LAST)])


@pytest.mark.parametrize(
    ("tokenizer", "linear"),
    [
        ("{type: conv_stem, channels: [4, 8, 12]}", [1, 2]),
        ("{type: conv_stem, channels: [4, 8, 12], norm: batch}", [1, 2]),
        ("{type: conv_stem, channels: [4, 8, 12], norm: batch, activation: relu}", []),
        ("{type: conv_stem, channels: [4, 8, 12], activation: none}", []),
        ("[{conv: {dim: 4, kernel: 3, activation: relu}}, {conv: {dim: 12, kernel: 3}}, {conv: {dim: 8}}]", []),
        ("[{conv: {kernel: 3, groups: 3}}, {conv: {dim: 12, kernel: 3, stride: 2}}]", []),
        ("[{conv: {dim: 8, kernel: 3}}, {norm: layer}, {conv: {dim: 12, kernel: 3, stride: 2}}]", []),
    ],
)
def test_convolutions_that_are_one(tokenizer: str, linear: list[int]) -> None:
    text = "no activation stands between this convolution and the one before it: both are one linear map"
    given = spec(f"tokenizer: {tokenizer}, body: [mlp]")
    assert found(given) == [(f"stages.0.tokenizer.{number}.conv", text) for number in linear]


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("stage", "runs"),
    [
        (f"depth: 2, block: [{{windows: 2, {MIXER}}}, mlp]", 2),
        ("body: [{repeat: 3, mixer: {type: windowed, windows: 2, heads: 3}}, {mlp: {}}]", 3),
        (f"body: [{{windows: 2, {MIXER}}}]", 0),
        (f"depth: 2, block: [{{windows: {{size: 2, shift: 0}}, {MIXER}}}]", 0),
        (f"depth: 2, block: [{{windows: {{size: 2, shift: $index}}, {MIXER}}}]", 0),
        (f"depth: 2, block: [{{windows: $(2 + 2 * index), {MIXER}}}]", 0),
        (f"depth: 2, block: [{{windows: [$(1 + index), 2], {MIXER}}}]", 0),
        (f"depth: 2, block: [{{windows: 2, {MIXER}}}, peg]", 0),
        (f"depth: 2, block: [{{windows: 2, {MIXER}}}, {{{MIXER}}}]", 0),
        (f"depth: 2, block: [{{windows: 8, {MIXER}}}]", 0),
        ("depth: 2, block: [{windows: 2, conv: {kernel: 3}}]", 0),
    ],
)
def test_windows_that_nothing_crosses(stage: str, runs: int) -> None:
    text = f"all {runs} items in windows of this stage have the same windows, and nothing passes their borders"
    messages = [message for _, message in found(spec(f"{PATCH}, position: learned, {stage}"))]
    assert messages == ([text] if runs else [])


# ---------------------------------------------------------------- two norms


@pytest.mark.parametrize(
    ("items", "more", "count"),
    [
        (f"{{{MIXER}, post: layer}}, {{mlp: {{}}, post: {{type: batch, init: 0}}}}", "", 2),
        ("{mlp: {}, post: [{norm: layer}]}", "", 1),
        ("mlp, {mlp: {}}", "defaults: {post: layer}", 1),
        ("{mlp: {}, post: [{squeeze: 4}]}, {mlp: {}, post: squeeze}", "", 0),
        ("{mlp: {}, post: layer, pre: none}, {mlp: {}, post: layer, pre: layer}", "", 0),
        ("{mlp: {}, post: layer}", "defaults: {pre: layer}", 0),
        ("{mlp: {}, post: layer, residual: false}", "", 0),
        ("{conv: {kernel: 3}, post: layer, residual: true}", "", 0),
    ],
)
def test_a_norm_beside_the_default_one(items: str, more: str, count: int) -> None:
    given = spec(f"{PATCH}, position: learned, body: [{items}]", more=more)
    problems = list(two_norms(given.tree))
    assert len(problems) == count
    assert all(problem.mark is not None and problem.path.startswith("stages[0].body[") for problem in problems)


def test_a_long_chain_of_sums_is_looked_through() -> None:
    """Tokens pass more than a thousand sums in one frame: more than a recursion may be deep."""
    body = ", ".join(["{activation: relu, residual: true}"] * 1200)
    assert "are added to themselves" not in words_of(spec(f"{PATCH}, tokens: [cls], body: [{body}]"))
