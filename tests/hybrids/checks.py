"""What must hold of an accepted spec: its graph, its module, its dump and its expanded form say the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import vitdsl
from tests.parts.test_contract import STATISTICS, UNSEEN
from vitdsl.compiler.lower import WITHOUT_MODULE
from vitdsl.compiler.model import VisionModel
from vitdsl.elaborate.expand import expanded
from vitdsl.graph.ir import Frame, Node
from vitdsl.spec import Spec
from vitdsl.syntax.printer import dump_tree

Nodes = list[tuple[str, Node, Frame]]
BATCH = 3
LIMIT = 1e-9


def check_text(spec: Spec) -> tuple[Spec, Spec]:
    """`dump` says the same, and so does the expanded spec, if it can be written; gives both, loaded."""
    again = check_dump(spec)
    try:
        written_out = vitdsl.load(dump_tree(expanded(spec)))
    except vitdsl.SpecError as error:
        why = str(error)
    else:
        why = ""
    if why:
        assert "reads the feature that enters it" in why, why
        return again, again
    assert written_out.analyze().cost == spec.analyze().cost, "the expanded spec has other costs"
    assert paths(written_out) == paths(spec), "the expanded spec has other paths"
    assert written_out.analyze().unreached == spec.analyze().unreached
    return again, written_out


def check_dump(spec: Spec) -> Spec:
    """`dump` says the same; gives it, loaded."""
    dumped = spec.dump()
    again = vitdsl.load(dumped)
    assert again.dump() == dumped, "dump is not idempotent"
    assert again.hash == spec.hash
    assert str(again.graph()) == str(spec.graph()), "the dump has another graph"
    return again


def paths(spec: Spec) -> list[tuple[str, str]]:
    """Module path and type of every node with a module."""
    return [(node.path, node.type) for node in spec.analyze().nodes() if node.path]


def check_built(spec: Spec, again: Spec, written_out: Spec) -> None:
    """The module is what the graph says."""
    nodes: Nodes = [entry for entry in spec.graph().frame.nodes() if entry[1].path]
    model = filled(vitdsl.build(spec))
    check_parameters(model, nodes)
    image = torch.randn(BATCH, *shape_of(spec), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = check_shapes(model, spec, nodes, image)
    copies = [copied(model, other) for other in (again, written_out)]
    for copy in copies:
        close(copy(image), expected)
    first, *others = image.split(1)
    close(check_multiply_adds(copies[0], spec, nodes, first), expected[:1])
    close(torch.cat([copies[1](one) for one in others]), expected[1:])
    check_gradients(model, spec, image)


def copied(model: VisionModel, spec: Spec) -> VisionModel:
    """Another spec of the same model, with its weights."""
    made = vitdsl.build(spec).double().eval().requires_grad_(False)
    assert list(made.state_dict()) == list(model.state_dict())
    made.load_state_dict(model.state_dict())
    return made


def shape_of(spec: Spec) -> tuple[int, int, int]:
    """Channels, height and width of the image."""
    return (spec.model.input.channels, *spec.model.input.size)


def close(found: Tensor, expected: Tensor) -> None:
    """Equal within the rule."""
    assert found.shape == expected.shape
    scale = max(1.0, expected.abs().max().item())
    assert (found - expected).abs().max().item() <= LIMIT * scale


def filled(model: VisionModel) -> VisionModel:
    """Float64, evaluation mode, and nothing at a value that hides a mistake."""
    model = model.double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype) * 0.2
                tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return model


def check_parameters(model: nn.Module, nodes: Nodes) -> None:
    """Parameters and fixed tables, by module path."""
    said: dict[str, int] = {}
    for path, node, _ in nodes:
        if not node.shared:
            said[path] = said.get(path, 0) + node.cost.params
    found: dict[str, int] = defaultdict(int)
    for key, tensor in model.state_dict().items():
        if key.rpartition(".")[2] not in STATISTICS:
            found[owner(key, said)] += tensor.numel()
    assert {path: count for path, count in said.items() if count} == dict(found)


def owner(key: str, paths: Container[str]) -> str:
    """The innermost of these paths that a key stands at or below."""
    while key and key not in paths:
        key = key.rpartition(".")[0]
    return key


def check_multiply_adds(model: VisionModel, spec: Spec, nodes: Nodes, image: Tensor) -> Tensor:
    """What torch counts for one image; gives what the model makes of it."""
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):  # a fused kernel is not counted
        output = model(image)
    hidden = 0
    for path, node, frame in nodes:
        unseen = UNSEEN.get(type(model.get_submodule(path)).__name__) if node.cost.macs else None
        hidden += unseen(node.op, *(frame.features[number] for number in node.inputs)) * node.times if unseen else 0
    assert counter.get_total_flops() == 2 * (spec.analyze().macs - hidden)
    return output


def check_shapes(model: VisionModel, spec: Spec, nodes: Nodes, image: Tensor) -> Tensor:
    """What every module gives, and the model; gives the model's output."""
    seen: dict[str, list[Tensor]] = defaultdict(list)
    modules = {path: model.get_submodule(path) for path, node, _ in nodes if type(node.op) not in WITHOUT_MODULE}
    hooks = [
        module.register_forward_hook(lambda module, args, y, path=path: seen[path].append(y))
        for path, module in modules.items()
    ]  # fmt: skip
    with torch.no_grad():
        output = model(image)
    for hook in hooks:
        hook.remove()
    for path, node, frame in nodes:
        if path in modules and seen[path]:
            feature, found = frame.features[node.output], seen[path].pop(0)
            batch = 1 if not node.inputs else BATCH * node.times
            if node.op.type == "window_mask":
                continue
            assert found.numel() == batch * feature.size, f"{path}: {tuple(found.shape)} for {feature}"
            assert feature.dim in (found.shape[1], found.shape[-1]), f"{path}: {tuple(found.shape)} for {feature}"
    returned(spec, output)
    return output


def returned(spec: Spec, output: Tensor) -> None:
    """The shape that evaluation returns."""
    graph = spec.graph()
    feature = graph.frame.features[graph.outputs[next(iter(graph.evaluation))]]
    if feature.num_tokens == 1 and feature.grid is None:
        assert output.shape == (BATCH, feature.dim)
    elif feature.grid is not None and not feature.tokens and graph.layout != "tokens":
        assert output.shape == (BATCH, feature.dim, *feature.grid)
    else:
        assert output.shape == (BATCH, feature.num_tokens, feature.dim)


def check_gradients(model: VisionModel, spec: Spec, image: Tensor) -> None:
    """Exactly what reaches a returned output has a gradient."""
    model.train()
    torch.manual_seed(0)
    loss: Any = 0
    given = model(image)
    returned_ones = list(given.values()) if isinstance(given, dict) else [given]
    if isinstance(given, dict):  # training may leave out what evaluation returns
        returned_ones.append(model.eval()(image))
    for tensor in returned_ones:
        assert tensor.isfinite().all(), "an output is not finite"
        loss = loss + (tensor * torch.randn_like(tensor)).sum()
    if not loss.requires_grad:
        assert len(spec.analyze().unreached) == len(
            {node.path for node in spec.analyze().nodes() if node.cost.trainable_params}
        )
        return
    loss.backward()
    unreached = spec.analyze().unreached
    known = {*unreached, *(node.path for node in spec.analyze().nodes())}
    for name, parameter in model.named_parameters():
        grad = parameter.grad
        if owner(name, known) in unreached:
            assert grad is None or not grad.any(), f"{name} is said to be unreached"
        else:
            assert grad is not None, f"{name} has no gradient"
            assert grad.isfinite().all(), f"the gradient of {name} is not finite"
