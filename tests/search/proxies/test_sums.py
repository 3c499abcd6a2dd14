"""snip, grad_norm, synflow and dss against gradients computed by hand."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from tests.search.proxies.nets import FIRST, LAST, X, Y, by_hand, fill, linear, near, net, pixels
from vitdsl.search.proxies import score


def test_snip():
    first, last = by_hand(X, Y)
    wanted = np.abs(first * FIRST).sum() + np.abs(last * LAST).sum()
    assert score("snip", linear(), pixels(X), torch.tensor(Y)) == near(wanted)


def test_grad_norm():
    wanted = sum(np.linalg.norm(gradient) for gradient in by_hand(X, Y))
    assert score("grad_norm", linear(), pixels(X), torch.tensor(Y)) == near(wanted)


def test_synflow_of_linear_layers_is_their_number_times_the_flow():
    flow = (np.abs(LAST) @ np.abs(FIRST) @ np.ones(3)).sum()
    assert score("synflow", linear(), pixels(X)) == near(2 * flow)


def test_synflow_bypasses_no_norm():
    # what stands before a layer norm is invariant to its scale but for `eps`: its terms cancel, their sizes do not
    model = fill(net([{"norm": "layer"}]), stem=FIRST, head=LAST)
    first = torch.tensor(np.abs(FIRST), requires_grad=True)
    last = torch.tensor(np.abs(LAST), requires_grad=True)
    out = F.linear(F.layer_norm(first.sum(1), (4,), eps=model.get_submodule("stages.0.body.0.norm").eps), last).sum()
    found = torch.autograd.grad(out, (first, last))
    terms = [gradient * weight.detach() for gradient, weight in zip(found, (first, last), strict=True)]
    assert abs(float(terms[0].sum())) < 1e-4
    wanted = sum(float(term.abs().sum()) for term in terms)
    assert score("synflow", model, pixels(X)) == near(wanted)


def test_dss_of_linear_layers_that_mix_channels_is_their_saliency():
    assert score("dss", linear(), pixels(X)) == near(score("synflow", linear(), pixels(X)))


def test_dss_of_a_depthwise_kernel_is_a_product_of_nuclear_norms():
    # the kernels of one pixel are a column, so its nuclear norm is its length
    kernel = np.array([1.0, -2.0, 0.5, 3.0])
    body = [{"conv": {"kernel": 1, "groups": "$dim", "bias": False}}]
    model = fill(net(body), stem=FIRST, head=LAST, stages__0__body__0__conv=kernel)
    entering, leaving = np.abs(FIRST).sum(1), np.abs(LAST).sum(0)
    flow = (entering * np.abs(kernel) * leaving).sum()
    diversity = np.linalg.norm(entering * leaving) * np.linalg.norm(kernel)
    assert score("dss", model, pixels(X)) == near(2 * flow + diversity)


def test_dss_of_attention():
    """One token attends to itself: softmax is 1, values and output are linear, queries and keys have no gradient."""
    mixer = {"type": "global", "heads": 1, "qkv_bias": False, "out": {"bias": False}}
    model = net([{"mixer": mixer, "residual": False, "pre": "none"}], dim=2, channels=2)
    stem, head = np.array([[1.0, 2.0], [0.5, 1.0]]), np.array([[1.0, 0.0], [0.5, 2.0]])
    qkv = np.array([[1.0, 2.0], [3.0, 1.0], [2.0, 0.5], [1.0, 1.0], [1.0, 0.5], [0.25, 2.0]])
    out = np.array([[2.0, 1.0], [0.5, 1.5]])
    fill(model, stem=stem, head=head, stages__0__body__0__mixer__qkv=qkv, stages__0__body__0__mixer__out=out)
    x = stem.sum(1)
    value, back = qkv[4:] @ x, head.sum(0)
    flow = (head @ out @ value).sum()
    out_gradient = np.outer(back, value)
    qkv_gradient = np.concatenate([np.zeros((4, 2)), np.outer(out.T @ back, x)])
    wanted = 2 * flow + nuclear(out) * nuclear(out_gradient) + nuclear(qkv) * nuclear(qkv_gradient)
    assert score("dss", model, pixels(X[:, :2])) == near(wanted)


def nuclear(matrix):
    return np.linalg.svd(matrix, compute_uv=False).sum()


def test_nuclear_norms_of_known_matrices():
    from vitdsl.search.proxies.sums import nuclear as ours

    assert ours(torch.diag(torch.tensor([3.0, -4.0]))) == near(7)
    assert ours(torch.ones(2, 2, 2, 2, dtype=torch.float64)) == near(4)  # a kernel is its (2, 8) matrix of ones
    assert math.isnan(ours(torch.tensor([[math.inf, 1.0]])))


def test_norms_and_biases_have_no_term():
    plain = score("grad_norm", linear(), pixels(X), torch.tensor(Y))
    head = {"pool": "mean", "bias": True}
    biased = fill(net(head=head), stem=FIRST, head=LAST)
    torch.nn.init.zeros_(biased.get_submodule("head.classifier").bias)
    assert score("grad_norm", biased, pixels(X), torch.tensor(Y)) == near(plain)
