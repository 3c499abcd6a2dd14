"""What the mixers of a model really do, as hooks see it, beside the maps that are said to be theirs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import vitdsl
from vitdsl.compiler.model import VisionModel
from vitdsl.layers.attention import Attend, Gather, weigh_values

SIZES = (32, 64, 96, 112, 128, 160, 192, 224)


def at_small_size(name: str) -> VisionModel:
    """A shipped model for the smallest images that its spec admits, in evaluation mode, in float64."""
    spec = vitdsl.load(name)
    torch.manual_seed(0)
    return vitdsl.build(spec, size=next((size for size in SIZES if admits(spec, size)), None)).double().eval()


def admits(spec: vitdsl.Spec, size: int) -> bool:
    try:
        spec.graph(size)
    except vitdsl.SpecError:
        return False
    return True


def images_for(model: VisionModel, batch: int = 2) -> Tensor:
    shape = (batch, model.lowered.frame.features[0].dim, *model.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def mixings(model: VisionModel, images: Tensor) -> tuple[Any, dict[str, tuple[Tensor, Tensor]]]:
    """The output of a model, and by path of each mixer with a map the values that it weighed and what came of them."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    hooks = []
    for path, module in model.named_modules():
        if isinstance(module, (Attend, Gather)):
            place = 2 if isinstance(module, Attend) else 1

            def note(module: Any, inputs: Any, output: Tensor, path: str = path, place: int = place) -> None:
                seen[path.rpartition(".")[0]] = (inputs[place], output)

            hooks.append(module.register_forward_hook(note))
    with torch.no_grad():
        output = model(images)
    for hook in hooks:
        hook.remove()
    return output, seen


def check_maps(model: VisionModel, images: Tensor) -> int:
    """Holds every map of a model against what its mixers do; gives the number of maps."""
    with torch.no_grad():
        found = vitdsl.attention_maps(model, images)
    _, seen = mixings(model, images)
    assert {each.path for each in found.maps} == seen.keys()
    for each in found.maps:
        values, mixed = seen[each.path]
        weights = each.weights.flatten(0, 1) if each.windows else each.weights
        assert len(each.weights) == len(images)
        assert weights.shape[2:] == (each.queries.num_tokens, each.keys.num_tokens)
        assert mixed.shape[1:] == (each.queries.num_tokens, values.shape[2])
        torch.testing.assert_close(weigh_values(weights, values), mixed, rtol=0, atol=1e-10)
        if each.softmax:
            torch.testing.assert_close(weights.sum(3), torch.ones_like(weights[..., 0]), rtol=0, atol=1e-10)
            assert weights.min() >= 0
        check_places(each)
    return len(found.maps)


def check_places(found: Any) -> None:
    """Each position of a grid is where one token is; extra tokens and fillings are nowhere."""
    for places, x, grid in (
        (found.query_places(), found.queries, found.query_grid),
        (found.key_places(), found.keys, found.key_grid),
    ):
        assert places.shape == (*found.weights.shape[1 : 2 if found.windows else 1], x.num_tokens)
        there = places[places >= 0]
        assert sorted(there.tolist()) == [*range(grid[0] * grid[1] if grid else 0)]
