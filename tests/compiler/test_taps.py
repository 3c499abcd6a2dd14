"""Models with taps: they compute the same, and their taps see what blocks give."""

import pytest
import torch

import vitdsl
from tests.compiler.small import SMALL, photos, small
from tests.graph.views.bodies import BODIES, STEM, spec_of
from vitdsl.compiler.taps import with_taps


def values_of(model, images):
    """The output of the model with taps, and the value of each tap by path, chains one after another."""
    made, chains = with_taps(model)
    values = {}
    for tap in (tap for chain in chains for tap in chain):
        made.get_submodule(tap.path).register_forward_hook(
            lambda module, inputs, output, path=tap.path: values.update({path: output})
        )
    with torch.no_grad():
        return made(images), values, chains


@pytest.mark.parametrize("name", list(SMALL))
def test_computes_the_same_with_the_same_weights(name):
    model = small(name).double()
    images = photos(model).double()
    output, values, chains = values_of(model, images)
    with torch.no_grad():
        torch.testing.assert_close(output, model(images), rtol=1e-9, atol=1e-9)
    for tap in (tap for chain in chains for tap in chain):
        assert values[tap.path].shape == (len(images), tap.feature.num_tokens, tap.feature.dim)
    made, _ = with_taps(model)
    assert {key: value.shape for key, value in made.state_dict().items()} == {
        key: value.shape for key, value in model.state_dict().items()
    }
    mine = {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert not mine & {tensor.data_ptr() for tensor in made.state_dict().values()}


def test_a_folded_model():
    model = small("levit_128s").double()
    for module in model.modules():
        if "running_mean" in module._buffers:
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.running_mean)
    folded = vitdsl.fold(model)
    output, _, chains = values_of(folded, photos(model).double())
    with torch.no_grad():
        torch.testing.assert_close(output, model(photos(model).double()), rtol=1e-9, atol=1e-9)
    assert [len(chain) for chain in chains] == [6]


def test_taps_are_what_blocks_give():
    model = small("deit_tiny_distilled").double()
    given = []
    for index in (0, 1):
        model.get_submodule(f"stages.0.block.{index}").register_forward_hook(
            lambda module, inputs, output: given.extend([inputs[0], output])
        )
    with torch.no_grad():
        model(photos(model).double())
    _, values, chains = values_of(model, photos(model).double())
    assert [[tap.ends_block for tap in chain] for chain in chains] == [[False, True, True]]
    for value, wanted in zip(values.values(), (given[0], given[1], given[3]), strict=True):
        assert torch.equal(value, wanted)


def test_windows_are_closed():
    model = small("swin_tiny").double()
    wanted = []
    model.get_submodule("stages.3.norm").register_forward_pre_hook(lambda module, inputs: wanted.append(inputs[0]))
    with torch.no_grad():
        model(photos(model).double())
    _, values, chains = values_of(model, photos(model).double())
    assert [len(chain) for chain in chains] == [3, 2, 3, 2]
    assert chains[0][1].feature.grid == (56, 56)
    entering, first, second = (values[tap.path] for tap in chains[0])
    assert entering.shape == first.shape == second.shape == (2, 56 * 56, 96)
    last = wanted[0].flatten(2).transpose(1, 2) if wanted[0].ndim == 4 else wanted[0]
    torch.testing.assert_close(values[chains[3][1].path], last, rtol=1e-9, atol=1e-9)


def test_windows_that_a_block_ends_in_are_closed():
    windowed = {"repeat": 2, "windows": 2, "mixer": {"type": "global", "heads": 1}, "residual": False, "pre": "none"}
    spec = {"input": {"size": 8}, "classes": 3, "stages": [{**STEM, "body": [windowed]}], "head": {"pool": "mean"}}
    torch.manual_seed(0)
    model = vitdsl.build(vitdsl.load(spec)).double().eval()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    output, values, chains = values_of(model, images)
    with torch.no_grad():
        torch.testing.assert_close(output, model(images), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(values[chains[0][2].path].mean(1), pooled(model, images), rtol=1e-9, atol=1e-9)
    assert [tuple(value.shape) for value in values.values()] == [(2, 16, 4)] * 3


def pooled(model, images):
    """What enters the classifier."""
    found = []
    model.get_submodule("head.classifier").register_forward_pre_hook(lambda module, inputs: found.append(inputs[0]))
    model(images)
    return found[0].flatten(1)


@pytest.mark.parametrize(("body", "ends"), BODIES)
def test_bodies_compute_the_same(body, ends):
    torch.manual_seed(0)
    model = vitdsl.build(spec_of(body)).double().eval()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    output, values, _ = values_of(model, images)
    assert len(values) == (1 + ends if ends else 0)
    with torch.no_grad():
        torch.testing.assert_close(output, model(images), rtol=1e-9, atol=1e-9)
