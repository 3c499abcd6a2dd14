"""Attention maps are those by which mixers weigh values, in every shipped spec, and the model stays as it is."""

import pytest
import torch
from torch import nn

import vitdsl
from tests.compiler.seen_maps import at_small_size, check_maps, images_for, mixings
from tests.compiler.small import photos, small
from tests.hybrids.models import drawn
from tests.hybrids.test_hybrids import LARGEST
from tests.zoo.specs import all_of_them, smallest
from vitdsl.errors import ImageError
from vitdsl.graph.views.attention import find_mixers
from vitdsl.layers.attention import weigh_values
from vitdsl.syntax.printer import dump_tree

ATTENTION = {"mixer": {"type": "global", "heads": 2}}
MLP = {"mlp": {"ratio": 2}}
TOKENIZER = {"type": "patch", "size": 4, "dim": 16}


def built(*body, size=16, **stage):
    stages = [{"tokenizer": TOKENIZER, **stage, "body": list(body)}]
    spec = vitdsl.load({"input": {"size": size}, "classes": 3, "stages": stages, "head": {"pool": "mean"}})
    torch.manual_seed(0)
    return vitdsl.build(spec).double().eval()


# ---------------------------------------------------------------- what maps are


@pytest.mark.parametrize("name", all_of_them(smallest()))
def test_maps_are_those_that_mixers_weigh_by(name):
    model = at_small_size(name)
    images = images_for(model, 1)
    if all(mixer.without_map for mixer in find_mixers(model.lowered)):
        with pytest.raises(vitdsl.AttentionError, match="no attention map"):
            vitdsl.attention_maps(model, images)
        return
    before = {path: (module, [*module._forward_hooks]) for path, module in model.named_modules()}
    tensors = {key: (tensor.data_ptr(), tensor._version) for key, tensor in model.state_dict().items()}
    with torch.no_grad():
        output = model(images)
    assert check_maps(model, images) > 0
    with torch.no_grad():
        assert torch.equal(model(images), output)
    assert {path: (module, [*module._forward_hooks]) for path, module in model.named_modules()} == before
    assert {key: (tensor.data_ptr(), tensor._version) for key, tensor in model.state_dict().items()} == tensors


BODIES = {
    "keys at every second position": [
        {"mixer": {"type": "global", "heads": 2, "bank": [{"conv": {"kernel": 2, "stride": 2, "groups": 16}}]}},
    ],
    "queries at every second position": [
        {"mixer": {"type": "global", "heads": 2, "query": {"stride": [2, 1]}}, "residual": False},
    ],
    "maps worked on and carried": [
        {"mixer": {"type": "global", "heads": 2, "maps": {"before": ["norm"], "after": ["norm", {"write": "kept"}]}}},
        {"mixer": {"type": "global", "heads": 2, "maps": {"from": "kept", "after": [{"scale": 0.5}]}}},
    ],
    "carried into repetitions": [
        {"mixer": {"type": "global", "heads": 2, "maps": {"after": [{"write": "kept"}]}}},
        {"repeat": 2, "body": [{"mixer": {"type": "global", "heads": 2, "maps": {"from": "kept"}}}, MLP]},
    ],
    "repetitions in repetitions": [{"repeat": 2, "body": [{"repeat": 2, "body": [ATTENTION]}, MLP]}],
    "repetitions in windows": [{"windows": 2, "body": [{"repeat": 2, "body": [ATTENTION, MLP]}]}],
    "side by side": [{"parallel": [[{**ATTENTION, "residual": False}], [{**ATTENTION, "residual": False}]]}],
    "relu": [{"mixer": {"type": "global", "heads": 2, "activation": "relu", "normalize": "tokens"}}],
    "other widths": [
        {"mixer": {"type": "global", "heads": 3, "head_dim": 5, "value_dim": 2}},
        {"mixer": {"type": "global", "heads": 2, "position": "relative_bias", "dim": 8}, "residual": False},
    ],
}


@pytest.mark.parametrize("name", BODIES)
def test_maps_of_bodies(name):
    model = built(*BODIES[name])
    check_maps(model, images_for(model))


def test_maps_of_tokens_and_streams():
    model = built(
        {"write": "before"}, {"at": "cls", "mixer": {"type": "global", "heads": 2, "keys": "all"}},
        {"mixer": {"type": "global", "heads": 2, "keys": ["self", "before.grid"]}}, tokens=["cls", "dist"],
    )  # fmt: skip
    check_maps(model, images_for(model))
    first, second = vitdsl.attention_maps(model, images_for(model)).maps
    assert (str(first.queries), str(first.keys)) == ("cls·16", "cls+dist+4x4·16")
    assert (first.query_grid, first.key_grid) == (None, (4, 4))
    assert first.key_places().tolist() == [-1, -1, *range(16)]
    assert (str(second.queries), second.keys.count) == ("cls+dist+4x4·16", 34)


def test_folded_models_have_the_same_maps():
    model = small("levit_128s").double()
    images = photos(model).double()
    for module in model.modules():
        if "running_mean" in module._buffers:
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.running_mean)
    plain, folded = (vitdsl.attention_maps(each, images).maps for each in (model, vitdsl.fold(model)))
    for one, other in zip(plain, folded, strict=True):
        torch.testing.assert_close(one.weights, other.weights, rtol=0, atol=1e-10)
        assert one[:1] + one[2:] == other[:1] + other[2:]


def test_maps_of_images_of_another_size():
    model = small("cvt13").double()
    larger = vitdsl.build(model.spec, size=(96, 64)).double().eval()
    larger.load_state_dict(model.state_dict())
    images = images_for(larger)
    check_maps(model, images)
    wanted, found = (vitdsl.attention_maps(each, images).maps for each in (larger, model))
    for one, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(one.weights, other.weights, rtol=0, atol=1e-10)
        assert one[:1] + one[2:] == other[:1] + other[2:]
    with pytest.raises(ImageError, match="was fed"):
        vitdsl.attention_maps(model, images[:, :2])


def test_gradients_reach_the_weights():
    model = built(ATTENTION)
    (found,) = vitdsl.attention_maps(model, images_for(model)).maps
    found.weights[..., 0].sum().backward()
    assert model.stages[0].body.get_submodule("0.mixer.qkv").weight.grad.abs().sum() > 0


# ---------------------------------------------------------------- training


def test_while_training_maps_have_the_dropout_that_they_act_with():
    kinds = ("global", "talking_heads", "global")
    model = built(*({"mixer": {"type": kind, "heads": 2, "dropout": 0.5}} for kind in kinds)).train()
    entered: dict[str, torch.Tensor] = {}
    for path, module in model.named_modules():
        if path.endswith((".qkv", ".out")):
            module.register_forward_hook(
                lambda module, inputs, output, path=path: entered.update({path: output if "qkv" in path else inputs[0]})
            )
    first, second, _ = vitdsl.attention_maps(model, images_for(model)).maps  # nothing weighs by the last one's
    for each in (first, second):
        values = entered[f"{each.path}.qkv"].chunk(3, -1)[2]
        mixed = entered[f"{each.path}.out"]
        torch.testing.assert_close(weigh_values(each.weights, values), mixed, rtol=0, atol=1e-10)
    assert 0.3 < (first.weights == 0).double().mean() < 0.7
    first, *_ = vitdsl.attention_maps(model.eval(), images_for(model)).maps
    assert not (first.weights == 0).any()


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_statistics_stay(training):
    model = small("levit_128s").train(training)
    buffers = {name: (buffer, buffer.clone()) for name, buffer in model.named_buffers()}
    vitdsl.attention_maps(model, photos(model))
    assert all(module.training == training for module in model.modules())
    for name, buffer in model.named_buffers():
        assert buffer is buffers[name][0]
        assert torch.equal(buffer, buffers[name][1])


# ---------------------------------------------------------------- windows

PLAIN = {"heads": 1, "type": "global", "value": "none", "out": "none"}
"""Its output is its map times what enters, or times its bank."""
WINDOWED = {
    "shifted": {"windows": {"size": 2, "shift": 1}, "mixer": PLAIN},
    "filled up": {"windows": {"size": 3, "fit": "pad"}, "mixer": PLAIN},
    "shifted and filled up": {"windows": {"size": [3, 2], "shift": [1, 1], "fit": "pad"}, "mixer": PLAIN},
    "in windows": {"windows": [4, 2], "body": [
        {"windows": {"size": [2, 1], "shift": [1, 0]}, "mixer": PLAIN, "residual": False, "pre": "none"}]},
    "fewer queries": {"windows": 4, "mixer": {**PLAIN, "query": {"stride": 2}}},
    "changed, in windows": {"windows": 4, "body": [
        {"pool": {"type": "mean", "kernel": 2, "stride": 2}},
        {"windows": [1, 2], "mixer": PLAIN, "residual": False, "pre": "none"}]},
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWED)
def test_windows_lie_where_they_say(name):
    """One map of the whole grid, put together by the places, gives what the model gives."""
    item = {"residual": False, "pre": "none", **WINDOWED[name]}
    stage = {"tokenizer": {"type": "patch", "size": 1, "dim": 4}, "body": [item]}
    spec = vitdsl.load({"input": {"size": 8}, "classes": 0, "stages": [stage], "head": {}})
    torch.manual_seed(0)
    model = vitdsl.build(spec).double().eval()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        (found,) = vitdsl.attention_maps(model, images).maps
        output, seen = mixings(model, images)
        tokens = model.get_submodule("stages.0.tokenizer.0.conv")(images) if name != "changed, in windows" else None
    weights = found.weights[:, :, 0]
    queries, keys = found.query_places(), found.key_places()
    count_q, count_k = (grid[0] * grid[1] for grid in (found.query_grid, found.key_grid))
    whole = weights.new_zeros(2, count_q, count_k)
    values = weights.new_zeros(2, count_k, 4)
    by_window = seen[found.path][0].unflatten(0, (2, -1))
    for window, (asks, asked) in enumerate(zip(queries, keys, strict=True)):
        rows, columns = asks >= 0, asked >= 0
        whole[:, asks[rows][:, None], asked[columns]] = weights[:, window][:, rows][:, :, columns]
        values[:, asked[columns]] = by_window[:, window][:, columns]
    if tokens is not None:
        torch.testing.assert_close(values, tokens.flatten(2).transpose(1, 2), rtol=0, atol=1e-10)
    torch.testing.assert_close(whole @ values, output.flatten(2).transpose(1, 2), rtol=0, atol=1e-10)


# ---------------------------------------------------------------- choosing


@pytest.fixture(scope="module")
def mixed():
    """Two maps, and three things that have none."""
    return built(
        ATTENTION, {"mixer": {"type": "performer", "heads": 2}},
        {"repeat": 2, "mixer": {"type": "depthwise", "heads": 2}},
        {"name": "last", "body": [{"conv": {"kernel": 3, "kernels": {"by": "position"}}, "residual": True}, ATTENTION]},
    )  # fmt: skip


def paths(model, blocks=None):
    return [each.path for each in vitdsl.attention_maps(model, images_for(model), blocks).maps]


def test_all_are_given_and_what_has_none_is_named(mixed):
    found = vitdsl.attention_maps(mixed, images_for(mixed))
    assert [each.path for each in found.maps] == ["stages.0.body.0.mixer", "stages.0.body.last.1.mixer"]
    assert [(path, why.split(",")[0]) for path, why in found.left_out.items()] == [
        ("stages.0.body.1.mixer", "it is a performer"),
        ("stages.0.body.2.0.mixer", "its kernel is depth-wise"),
        ("stages.0.body.2.1.mixer", "its kernel is depth-wise"),
        ("stages.0.body.last.0.conv", "it is a dynamic convolution"),
    ]


@pytest.mark.parametrize(("blocks", "chosen"), [
    (0, [0]), (-1, [1]), ([1, 0], [1, 0]), ([0, -2], [0]), ("stages.0.body.0", [0]),
    ("stages.0.body.last.1.mixer", [1]), ([-1, "stages.0.body.0.mixer"], [1, 0]),
])  # fmt: skip
def test_blocks_are_numbers_and_paths(mixed, blocks, chosen):
    both = paths(mixed)
    assert paths(mixed, blocks) == [both[number] for number in chosen]
    assert vitdsl.attention_maps(mixed, images_for(mixed), blocks).left_out == {}


@pytest.mark.parametrize(("blocks", "message"), [
    (2, "there is no attention map 2: this model has 2 mixers with a map [E606]\n  hint: numbers go from -2 to 1"),
    (-3, "there is no attention map -3"),
    ("stages.0.body.1", "`stages.0.body.1.mixer` has no attention map: it is a performer"),
    ("stages.0.body.2", "`stages.0.body.2.0.mixer` (and 1 more) has no attention map: its kernel is depth-wise"),
    ("stages.0.body.last", "`stages.0.body.last.0.conv` has no attention map: it is a dynamic convolution"),
    ("stages.0.body.0.mixr", "`stages.0.body.0.mixr` is no mixer, and holds none [E606]\n  hint: did you mean 'stages"),
    ("head", "`head` is no mixer, and holds none [E606]\n  hint: the first mixer is `stages.0.body.0.mixer`, the"),
    ("a\x1b[31m", "`a\\x1b[31m` is no mixer"),
    ([], "no mixer was asked for"),
])  # fmt: skip
def test_what_cannot_be_had_is_refused(mixed, blocks, message):
    with pytest.raises(vitdsl.AttentionError) as caught:
        vitdsl.attention_maps(mixed, images_for(mixed), blocks)
    assert str(caught.value).startswith(message)


# ---------------------------------------------------------------- what a caller changed


def test_replaced_layers_take_part():
    model = built(ATTENTION)
    mixer = model.get_submodule("stages.0.body.0.mixer")
    mixer.qkv = nn.Sequential(mixer.qkv, nn.Tanh())
    check_maps(model, images_for(model))


def test_what_the_maps_would_pass_by_is_refused():
    images = images_for(built(ATTENTION))
    model = built({"repeat": 2, "body": [ATTENTION, MLP]}, ATTENTION)
    hook = model.get_submodule("stages.0.body.0.1").register_forward_hook(lambda *_: None)
    with pytest.raises(vitdsl.AttentionError, match=r"`stages\.0\.body\.0\.1` has hooks"):
        vitdsl.attention_maps(model, images)
    assert len(vitdsl.attention_maps(model, images, [0, -1]).maps) == 2
    hook.remove()
    model.set_submodule("stages.0.body.0.0", nn.Identity())
    with pytest.raises(vitdsl.AttentionError, match=r"`stages\.0\.body\.0\.0` was replaced by `Identity`"):
        vitdsl.attention_maps(model, images)
    model = built(ATTENTION)
    hook = model.get_submodule("stages.0.body.0.mixer.attend").register_forward_pre_hook(lambda *_: None)
    with pytest.raises(vitdsl.AttentionError, match=r"mixer\.attend` has hooks"):
        vitdsl.attention_maps(model, images)
    hook.remove()
    model.set_submodule("stages.0.body.0.mixer.attend", nn.Identity())
    with pytest.raises(vitdsl.AttentionError, match=r"mixer\.attend` was replaced"):
        vitdsl.attention_maps(model, images)
    with pytest.raises(TypeError, match="a model that vitdsl built"):
        vitdsl.attention_maps(nn.Identity(), images)  # type: ignore[arg-type]


# ---------------------------------------------------------------- hybrids


def check_hybrids(numbers):
    """Holds the maps of hybrids that are drawn by number; gives how many maps these were."""
    count = 0
    for number in numbers:
        try:
            spec = vitdsl.load(dump_tree(drawn(number)))
            mapped = any(not mixer.without_map for mixer in find_mixers(spec.graph()))
        except vitdsl.SpecError:
            continue
        if mapped and spec.analyze().activation_bytes <= LARGEST:
            torch.manual_seed(number)
            model = vitdsl.build(spec).double().eval()
            count += check_maps(model, images_for(model))
    return count


def test_maps_of_hybrids():
    assert check_hybrids(range(30)) > 30


@pytest.mark.full
def test_maps_of_many_hybrids(one_thread):
    assert check_hybrids(range(30, 400)) > 400
