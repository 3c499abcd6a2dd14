"""What users of timm ask a model, and what timm's own models answer."""

import pytest
import timm
import torch
from timm.models import group_parameters

import vitdsl
from tests.compiler.small import SMALL, photos, small, tensors_of
from vitdsl.compiler.taps import with_taps


@pytest.mark.parametrize("name", list(SMALL))
def test_head_of_features_is_the_model(name):
    model = small(name).double()
    images = photos(model).double()
    with torch.no_grad():
        features = model.forward_features(images)
        assert torch.equal(model.forward_head(features), model(images))
    assert sum(x.shape[1 if x.ndim == 4 else 2] for x in tensors_of(features)) == model.num_features


def test_what_training_returns_of_stages_is_no_business_of_the_head():
    stages = [{"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "stream": "a"}, {"stream": "b", "from": "a"}]
    head = {"pool": "mean", "training": ["logits", "a"]}
    model = vitdsl.build({"input": {"size": 8}, "classes": 3, "stages": stages, "head": head}).double().train()
    images = photos(model).double()
    assert list(model(images)) == ["logits", "a"]
    assert torch.equal(model.forward_head(model.forward_features(images)), model.eval()(images))


@pytest.mark.parametrize("name", [*SMALL, "lvvit_s"])
def test_head_of_features_is_the_model_in_training(name):
    spec = vitdsl.load(name, {**SMALL.get(name, {"input.size": 64}), "classes": 20})
    model = vitdsl.build(spec).double().train()
    images = photos(model).double()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.0  # else the second pass would see other statistics
    with torch.no_grad():
        torch.manual_seed(1)
        wanted = model(images)
        torch.manual_seed(1)
        found = model.forward_head(model.forward_features(images))
    assert isinstance(found, dict) == isinstance(wanted, dict)
    for mine, their in zip(tensors_of(found), tensors_of(wanted), strict=True):
        assert torch.equal(mine, their)


@pytest.mark.parametrize("name", list(SMALL))
def test_classifiers_of_pre_logits_are_logits(name):
    model = small(name).double()
    entering = []
    found = model.get_classifier()
    classifiers = found if isinstance(found, dict) else {"logits": found}
    for classifier in classifiers.values():
        classifier.register_forward_pre_hook(lambda module, inputs: entering.append(inputs[0]))
    with torch.no_grad():
        features = model.forward_features(photos(model).double())
        model.forward_head(features)
        given = model.forward_head(features, pre_logits=True)
    assert isinstance(given, dict) == (len(classifiers) > 1)
    for value, wanted in zip(tensors_of(given), entering, strict=True):
        assert torch.equal(value.flatten().sort().values, wanted.flatten().sort().values), "or as a map"
    assert model.num_classes == 20


@pytest.mark.parametrize("name", list(SMALL))
def test_intermediates_are_what_blocks_give(name):
    """Whatever a tap between blocks sees on a grid is the map of a block."""
    model = small(name).double()
    images = photos(model).double()
    tapped, chains = with_taps(model)
    ends = [tap for chain in chains for tap in chain if tap.ends_block and tap.feature.grid is not None]
    values = {}
    for tap in ends:
        tapped.get_submodule(tap.path).register_forward_hook(
            lambda module, inputs, output, path=tap.path: values.update({path: output})
        )
    paths = [info["module"] for info in model.block_info]
    with torch.no_grad():
        tapped(images)
        features, maps = model.forward_intermediates(images, paths)
        for mine, wanted in zip(tensors_of(features), tensors_of(model.forward_features(images)), strict=True):
            assert torch.equal(mine, wanted)
        levels = model.forward_intermediates(images, intermediates_only=True)
        rows = model.forward_intermediates(images, paths, output_fmt="NLC", intermediates_only=True)
        last = model.forward_intermediates(images, paths, output_fmt="NHWC", intermediates_only=True)
        pairs = model.forward_intermediates(images, paths, return_prefix_tokens=True, intermediates_only=True)
    for info, each, row, column, (same, prefix) in zip(model.block_info, maps, rows, last, pairs, strict=True):
        height = each.shape[2]
        assert info["num_chs"] == each.shape[1]
        assert info["reduction"] == round(images.shape[2] / height)
        assert model.get_submodule(info["module"]) is not None
        assert torch.equal(each.flatten(2).transpose(1, 2), row)
        assert torch.equal(each.permute(0, 2, 3, 1), column)
        assert torch.equal(each, same)
        assert prefix.shape[::2] == row.shape[::2]
    for tap in ends:
        seen = values[tap.path][:, len(tap.feature.tokens) :]
        assert any(x.shape == seen.shape and close(x, seen) for x in rows), tap.path
    for info, level in zip(model.feature_info, levels, strict=True):
        assert torch.equal(level, maps[paths.index(info["module"])])


def close(x, y):
    return bool(((x - y).abs() <= 1e-9 * (1 + y.abs())).all())


def test_which_intermediates():
    model = small("deit_tiny_distilled")
    images = photos(model)
    ran = []
    model.get_submodule("stages.0.block.1").register_forward_hook(lambda *_: ran.append(1))
    with torch.no_grad():
        first, second = model.forward_intermediates(images, intermediates_only=True)
        assert len(ran) == 1
        (only,) = model.forward_intermediates(images, [-2], intermediates_only=True, stop_early=True)
        assert len(ran) == 1, "blocks behind the last map do not run"
        (last,) = model.forward_intermediates(images, 1, intermediates_only=True)
        swapped = model.forward_intermediates(images, [1, 0], intermediates_only=True)
    assert torch.equal(only, first)
    assert torch.equal(last, second)
    assert torch.equal(swapped[0], second)
    assert torch.equal(swapped[1], first)
    for indices in ([2], [-3], [], 3):
        with pytest.raises(ValueError, match="has 2 of them"):
            model.forward_intermediates(images, indices)
    with pytest.raises(ValueError, match="must be NCHW or NHWC or NLC, but is 'NHCW'"):
        model.forward_intermediates(images, output_fmt="NHCW")
    with pytest.raises(ValueError, match="needs `intermediates_only`"):
        model.forward_intermediates(images, stop_early=True)
    swin = small("swin_tiny")
    with pytest.raises(ValueError, match="needs a last norm of 96 channels, but this model has one of 768"):
        swin.forward_intermediates(photos(swin), norm=True)


# ---------------------------------------------------------------- beside timm


def pair(ours, theirs):
    """A shipped model and timm's with the same weights, in float64."""
    torch.manual_seed(0)
    other = timm.create_model(theirs).double().eval()
    model = vitdsl.build(ours).double().eval()
    vitdsl.load_weights(model, other.state_dict(), layout="timm")
    return model, other


def test_a_plain_vit_answers_as_timm_does():
    model, other = pair("deit_tiny", "deit_tiny_patch16_224")
    images = torch.randn(2, 3, 224, 224, dtype=torch.float64)
    with torch.no_grad():
        features, pairs = model.forward_intermediates(images, [3, 7], norm=True, return_prefix_tokens=True)
        wanted, their_pairs = other.forward_intermediates(images, [3, 7], norm=True, return_prefix_tokens=True)
        (maps, prefixes), (theirs, their_prefixes) = zip(*pairs, strict=True), zip(*their_pairs, strict=True)
        assert model.num_prefix_tokens == other.num_prefix_tokens
        for mine, their in zip(prefixes, their_prefixes, strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(features, wanted, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(features, other.forward_features(images), rtol=1e-9, atol=1e-9)
        for mine, their in zip(maps, theirs, strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-9, atol=1e-9)
        pooled = model.forward_head(features, pre_logits=True)
        torch.testing.assert_close(pooled, other.forward_head(wanted, pre_logits=True), rtol=1e-9, atol=1e-9)
    assert [(info["num_chs"], info["reduction"]) for info in model.feature_info] == [
        (info["num_chs"], info["reduction"]) for info in other.feature_info
    ]
    assert model.num_features == other.num_features
    assert sizes(model, model.no_weight_decay()) == sizes(other, other.no_weight_decay())
    assert grouped(model) == grouped(other)
    assert grouped(model, coarse=True)[0] == grouped(other, coarse=True)[0]


def test_a_hierarchical_model_answers_as_timm_does():
    model, other = pair("swin_tiny", "swin_tiny_patch4_window7_224")
    images = torch.randn(2, 3, 224, 224, dtype=torch.float64)
    with torch.no_grad():
        features, maps = model.forward_intermediates(images)
        wanted, theirs = other.forward_intermediates(images)
        torch.testing.assert_close(features.permute(0, 2, 3, 1), wanted, rtol=1e-9, atol=1e-9)
        for mine, their in zip(maps, theirs, strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-9, atol=1e-9)
    assert [(info["num_chs"], info["reduction"]) for info in model.feature_info] == [
        (info["num_chs"], info["reduction"]) for info in other.feature_info
    ]
    tables = [name for name, _ in other.named_parameters() if "relative_position_bias_table" in name]
    assert sizes(model, model.no_weight_decay()) == sizes(other, tables)


def sizes(model, names):
    """Numbers of values of some parameters."""
    parameters = dict(model.named_parameters())
    return sorted(parameters[name].numel() for name in names if name in parameters)


def grouped(model, coarse=False):
    """Numbers of values of each of timm's groups, from the image to the logits."""
    groups = group_parameters(model, model.group_matcher(coarse), return_values=True)
    return [sum(parameter.numel() for parameter in groups[number]) for number in sorted(groups)]


# ---------------------------------------------------------------- heads and streams of other kinds


@pytest.mark.parametrize("tokenizer", [{"type": "merge"}, {"type": "patch", "size": 2, "dim": 12}])
def test_a_head_with_blocks_of_its_own(tokenizer):
    """What enters them is no map in the whole model, and is one where a caller gives it."""
    head = [{"repeat": 2, "mlp": {"ratio": 1}, "windows": 4}]
    spec = {"input": {"size": 16}, "classes": 0, "stages": [{"tokenizer": tokenizer, "norm": "layer"}], "head": head}
    model = vitdsl.build(spec).double().eval()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(model.forward_head(model.forward_features(images)), model(images))


@pytest.mark.parametrize("training", [False, True])
def test_features_are_a_dict_where_the_head_reads_two_values(training):
    """Which it is may not depend on whether the two happen to be one tensor."""
    blocks = {"stream": "a", "depth": 2, "block": {"mlp": {"ratio": 1}}, "tokenizer": {"type": "merge"}}
    stages = [blocks, {"stream": "a", "drop_path": {"rate": 0.2}, "body": [{"write": "kept"}]}]
    head = {"outputs": {"cls": [{"norm": {"type": "rms"}}], "aux": [{"from": "kept"}]}, "training": "same"}
    model = vitdsl.build({"input": {"size": 16}, "classes": 5, "stages": stages, "head": head}).train(training)
    images = torch.randn(2, 3, 16, 16)
    features = model.forward_features(images)
    assert list(features) == ["a", "kept"]
    assert model.forward_head(features).shape == model(images).shape


def test_residuals_of_a_model_without_blocks_never_drop():
    spec = {"input": {"size": 16}, "classes": 0, "stages": [{"tokenizer": {"type": "patch", "size": 2, "dim": 12}}]}
    for ends in ("open", "closed"):
        model = vitdsl.build({**spec, "drop_path": {"rate": 0.1, "ends": ends}, "head": [{"mlp": {"ratio": 2}}]})
        assert [m.rate for m in model.modules() if hasattr(m, "rate")] == [0.0]


def test_a_folded_model_too():
    folded = vitdsl.fold(small("levit_128s")).double()
    images = photos(folded).double()
    with torch.no_grad():
        assert torch.equal(folded.forward_head(folded.forward_features(images)), folded(images))
        folded.reset_classifier(3)
        assert folded(images).shape == (2, 3)
    assert folded.folded


def test_features_compile_whole():
    model = small("deit_tiny_distilled").double()
    images = photos(model).double()
    with torch.no_grad():
        wanted = model.forward_features(images)  # what is generated is not traced
        compiled = torch.compile(model.forward_features, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(images), wanted, rtol=1e-9, atol=1e-9)
