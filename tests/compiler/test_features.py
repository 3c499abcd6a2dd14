"""Backbones: the maps of the whole model, from its weights, with nothing built that they do not need."""

import copy
import pickle

import pytest
import torch

import vitdsl
from tests.compiler.small import SMALL, photos, small
from tests.zoo.specs import smallest
from vitdsl.errors import CheckpointError, ImageError


def small_spec(name):
    return vitdsl.load(name, {**SMALL[name], "classes": 20})


def backbone_of(model, features):
    """A backbone with the weights of a model."""
    made = vitdsl.build(model.spec, features=features).to(next(model.parameters()).dtype)
    state = model.state_dict()
    made.load_state_dict({key: state[key] for key in made.state_dict()})
    return made.train(model.training)


@pytest.mark.parametrize("name", list(SMALL))
def test_maps_are_those_of_the_model(name):
    model = small(name).double()
    images, paths = photos(model).double(), [info["module"] for info in model.block_info]
    for features in ([-1], [paths[0]], paths):
        made = backbone_of(model, features)
        assert type(made).__mro__[1] is vitdsl.compiler.model.Backbone
        with torch.no_grad():
            found = made(images)
            wanted = model.forward_intermediates(images, features, intermediates_only=True)
        for mine, their, info in zip(found, wanted, made.feature_info, strict=True):
            torch.testing.assert_close(mine, their, rtol=1e-9, atol=1e-9)
            assert info in model.block_info
        assert "head" not in dict(made.named_children())


def check_gradients(name, spec):
    """As DistributedDataParallel asks for it with `find_unused_parameters=False`; on the meta device."""
    whole = vitdsl.build(spec, "meta")
    fixed = {path for path, parameter in whole.named_parameters() if not parameter.requires_grad}
    for features in (-1, 0, 1) if len(whole.feature_info) > 1 else (-1,):
        made = vitdsl.build(spec, "meta", features=[features]).train()
        (found,) = made(torch.empty(2, 3, *made.image_size, device="meta"))
        found.sum().backward()
        for path, parameter in made.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, f"{name} {features}: {path}"
            unread = not parameter.requires_grad and path not in fixed
            assert not unread or path.rpartition(".")[0].endswith(".tokens"), f"{name} {features}: {path}"


@pytest.mark.parametrize("name", list(SMALL))
def test_every_parameter_gets_a_gradient(name):
    check_gradients(name, small_spec(name))


@pytest.mark.full
@pytest.mark.parametrize("name", smallest())
def test_every_parameter_of_every_family_gets_a_gradient(name):
    check_gradients(name, vitdsl.load(name))


def test_a_token_that_no_map_reads_needs_no_gradient():
    spec = {
        "input": {"size": 8},
        "stages": [
            {
                "tokenizer": {"type": "patch", "size": 2, "dim": 8},
                "tokens": ["cls"],
                "depth": 2,
                "block": [{"at": "grid", "mlp": {}}, {"at": "cls", "mlp": {}}],
            }
        ],
        "head": {"pool": "cls"},
    }
    made = vitdsl.build(spec, features=1)
    assert [key for key, value in made.named_parameters() if not value.requires_grad] == ["stages.0.tokens.cls"]
    assert not [key for key in made.state_dict() if ".1.mlp" in key], "what works on `cls` alone is not built"


def test_copies_and_pickles():
    model = small("cvt13")
    made = backbone_of(model, [0, -1]).eval()
    images = photos(model)
    with torch.no_grad():
        wanted = made(images)
        for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), vitdsl.fold(made)):
            assert other.features == made.features
            for mine, their in zip(other(images), wanted, strict=True):
                assert (mine - their).abs().max() <= 1e-4 * their.abs().max()  # a folded norm is added in another order


def test_other_sizes():
    made = vitdsl.build(small_spec("cvt13"), features=3).eval()
    assert [tuple(x.shape[2:]) for x in made(torch.rand(1, 3, 96, 128))] == [(24, 32), (12, 16), (6, 8)]
    swin = vitdsl.build(small_spec("swin_tiny"), features=4).eval()
    with pytest.raises(ImageError, match=r"`model.set_input_size\(448, 224\)`"):
        swin(torch.rand(1, 3, 448, 224))
    swin.set_input_size(448, 224)
    assert [tuple(x.shape[2:]) for x in swin(torch.rand(1, 3, 448, 224))] == [(112, 56), (56, 28), (28, 14), (14, 7)]


def test_weights_of_the_whole_model():
    model = small("cvt13")
    made = vitdsl.build(model.spec, features=[1])
    report = vitdsl.load_weights(made, model.state_dict())
    state = made.state_dict()
    assert {*report.copied} == {*state}
    assert {*report.unused} == {*model.state_dict()} - {*state}
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in state.items())
    vitdsl.load_weights(made, state)
    with pytest.raises(CheckpointError, match="fit none of the layouts"):
        vitdsl.load_weights(made, {key: tensor for key, tensor in state.items() if "tokenizer" not in key})


def test_weights_of_others():
    spec = vitdsl.load("cvt13", {"input.size": 64})
    model = vitdsl.build(spec)
    theirs = vitdsl.convert(model.state_dict(), spec, to="official")
    made = vitdsl.build(spec, features=2)
    vitdsl.load_weights(made, theirs)
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in made.state_dict().items())


def test_compiles_and_exports():
    made = vitdsl.build(small_spec("swin_tiny"), features=[1, 3]).eval()
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        wanted = made(images)
        compiled = torch.compile(made, fullgraph=True, backend="eager")(images)
        exported = torch.export.export(made, (images,)).module()(images)
    for found in (compiled, exported):
        for mine, their in zip(found, wanted, strict=True):
            torch.testing.assert_close(mine, their, rtol=0, atol=0)


def test_what_only_whole_models_have():
    made = vitdsl.build(small_spec("cvt13"), "meta", features=1)
    for name in ("reset_classifier", "forward_features", "num_classes"):
        assert not hasattr(made, name)
    made.set_grad_checkpointing()
    assert made.no_weight_decay() == {"stages.2.tokens.cls"}
    assert made.group_matcher()["blocks"]


def test_drop_rates_stay():
    whole = vitdsl.build(small_spec("swin_tiny"), "meta")
    made = vitdsl.build(small_spec("swin_tiny"), "meta", features=[1])
    rates = {path: module.rate for path, module in whole.named_modules() if hasattr(module, "rate")}
    found = {path: module.rate for path, module in made.named_modules() if hasattr(module, "rate")}
    assert found
    assert found.items() <= rates.items()
