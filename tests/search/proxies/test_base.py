"""The model as proxies see it: batch statistics, and outputs that are merged."""

import numpy as np
import torch
import torch.nn.functional as F

from tests.search.proxies.nets import FIRST, LAST, X, Y, by_hand, fill, near, net, pixels
from vitdsl.search.proxies import score


def test_batch_norms_take_the_statistics_of_the_batch():
    model = fill(net([{"norm": "batch"}]), stem=FIRST, head=LAST)
    norm = model.get_submodule("stages.0.body.0.norm")
    torch.nn.init.constant_(norm.running_mean, 5)
    first, last = torch.tensor(FIRST, requires_grad=True), torch.tensor(LAST, requires_grad=True)
    hidden = F.batch_norm(F.linear(torch.tensor(X), first), None, None, training=True, eps=norm.eps)
    loss = F.cross_entropy(F.linear(hidden, last), torch.tensor(Y))
    wanted = sum(float(gradient.norm()) for gradient in torch.autograd.grad(loss, (first, last)))
    assert score("grad_norm", model.eval(), pixels(X), torch.tensor(Y)) == near(wanted)
    assert float(norm.running_mean[0]) == 5


def test_outputs_are_merged_as_evaluation_merges_them():
    """Two heads of weight 1/2 are one head of their mean; what only training returns has no gradient."""
    outputs = {name: [{"pool": "mean"}, {"classifier": {"bias": False}}] for name in ("cls", "dist")}
    model = net(head={"outputs": outputs, "merge": "mean"})
    paths = ("head.outputs.cls.1.classifier", "head.outputs.dist.1.classifier")
    fill(model, stem=FIRST, **{path.replace(".", "__"): LAST + sign for path, sign in zip(paths, (1, -1), strict=True)})
    first, last = by_hand(X, Y)
    wanted = np.linalg.norm(first) + 2 * np.linalg.norm(last / 2)
    assert score("grad_norm", model.train(), pixels(X), torch.tensor(Y)) == near(wanted)
    fill(
        only := net(head={"outputs": outputs, "merge": {"cls": 1}}), stem=FIRST, head__outputs__cls__1__classifier=LAST
    )
    wanted = np.linalg.norm(first) + np.linalg.norm(last)
    assert score("grad_norm", only, pixels(X), torch.tensor(Y)) == near(wanted)
