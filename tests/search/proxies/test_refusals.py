"""What a proxy cannot judge is refused, with the reason: never a number that means nothing."""

import math
import re

import pytest
import torch

import vitdsl
from tests.search.proxies.nets import fill, net, pixels
from vitdsl.errors import SpecError
from vitdsl.search.proxies import PROXIES, ProxyError, measures_of, score

X = pixels([[1, -2, 0.5], [0, 1, 3], [-1, 0.5, 2], [2, 2, -1]])
Y = torch.tensor([0, 1, 1, 0])


def relu(**weights):
    return fill(net([{"activation": "relu"}]), **weights)


def refused(text, name, model, *batch):
    with pytest.raises(ProxyError, match=re.escape(text)) as caught:
        score(name, model, *batch)
    assert isinstance(caught.value, SpecError)


@pytest.mark.parametrize("name", sorted(PROXIES.keys() - {"params", "macs", "naswot", "swap"}))
def test_a_weight_that_is_no_number(name):
    model = net([{"conv": {"kernel": 1}}, {"activation": "relu"}])
    torch.nn.init.constant_(model.get_submodule("stages.0.tokenizer.0.conv").weight, math.nan)
    with pytest.raises(ProxyError, match=rf"the proxy `{name}.*` of `model` is nan"):
        score(name, model, X, Y)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["naswot", "swap"])
def test_codes_of_what_is_no_number(name, value):
    text = "what enters an activation of `model` is no number, so its images have no codes"
    refused(text, name, relu(stem=[value] * 12), X)


@pytest.mark.parametrize("name", ["snip", "synflow", "dss"])
def test_a_head_of_zeros(name):
    refused(f"the proxy `{name}` of `model` is 0: no gradient reaches a weight", name, relu(head=[0] * 8), X, Y)


def test_a_model_that_gives_the_same_for_every_image():
    zero = relu(stem=[0] * 12)
    refused("the proxy `grad_norm` of `model` is 0: no gradient reaches a weight", "grad_norm", zero, X, Y)
    refused("`zico` has nothing to compare: no gradient varies from batch to batch", "zico", zero, X, Y)
    refused("the proxy `jacob_cov` of `model` is nan", "jacob_cov", zero, X, Y)
    refused("the proxy `naswot` of `model` is -inf", "naswot", zero, X, Y)
    refused("the proxy `az_nas.expressivity` of `model` is nan", "az_nas", zero, X, Y)


def test_values_past_float64():
    model = net([{"conv": {"kernel": 1, "bias": False}}]).double()
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 1e150)
    refused("the proxy `synflow` of `model` is inf", "synflow", model, X)
    refused("values grow past float64 where a deep model has no norms", "dss", model, X)


def test_a_model_without_activations():
    refused("`model` has no activation, so its images have no codes", "naswot", net(), X)


def test_a_model_without_blocks():
    refused("`az_nas` looks at blocks, but `model` has none", "az_nas", net(), X)


def test_labels():
    model = relu()
    refused("a loss needs labels, but there are none", "snip", model, X)
    refused("`zico` needs labels, but there are none", "zico", model, X)
    refused("labels go from 0 to 2, but the model has 2 classes", "snip", model, X, Y * 2)
    refused("labels go from -1 to 0, but the model has 2 classes", "snip", model, X, -Y)
    refused("labels are integers (4,), but these are torch.float32 (4)", "snip", model, X, Y.float())
    refused("labels are integers (4,), but these are torch.int64 (3)", "snip", model, X, Y[:3])


def test_batches():
    model = relu()
    refused("at least two images (3, 1, 1) are needed, but the batch is (1, 3, 1, 1)", "naswot", model, X[:1])
    tall = X.repeat(1, 1, 2, 1)
    refused("at least two images (3, 1, 1) are needed, but the batch is (4, 3, 2, 1)", "naswot", model, tall)
    refused("`zico` needs at least 4 images, but the batch has 3", "zico", model, X[:3], Y[:3])


def test_a_model_without_logits():
    model = net(head=[{"linear": 2}])
    refused("a loss needs logits (B, classes), but the model gives (B, 2, 1, 1)", "snip", model, X, Y)


def test_a_model_without_weights():
    refused("proxies need weights, but this model is on the meta device", "snip", vitdsl.build("vit_tiny16", "meta"), X)


def test_an_unknown_proxy():
    refused("there is no proxy `synflo`", "synflo", net(), X)
    with pytest.raises(ProxyError, match="did you mean 'synflow'"):
        score("synflo", net(), X)


def test_measures_have_names():
    assert measures_of("dss") == ("dss",)
    assert measures_of("az_nas") == ("az_nas.expressivity", "az_nas.trainability", "az_nas.complexity")
