"""Models in pickles: the spec, the weights, and what is set besides; the classes are generated again."""

from __future__ import annotations

from collections.abc import Callable
from pickle import PicklingError
from typing import Any

from torch import Tensor

from vitdsl.compiler.base import CompiledModel
from vitdsl.compiler.renewal import Modes, modes_of, put_buffers, set_modes, unsaved_buffers
from vitdsl.spec import Spec


def reduce_model(model: CompiledModel) -> tuple[Any, ...]:
    """What a pickle holds of a model: the function that builds it again, and its arguments.

    Raises:
        PicklingError: there are other tensors than the spec's.
    """
    state = model.state_dict()
    expected = model.builder(model.spec, model.options, model.folded).state_dict()
    foreign = sorted(state.keys() ^ expected.keys())
    if foreign:
        raise PicklingError(
            f"a model is pickled as its spec, which does not say {', '.join(foreign[:3])}"
            f"{', …' if len(foreign) > 3 else ''}: pickle its `state_dict()` instead"
        )
    buffers, modes = unsaved_buffers(model), modes_of(model)
    return rebuild, (model.builder, model.spec, model.options, model.folded, state, buffers, modes)


def rebuild(
    builder: Callable[..., Any],
    spec: Spec,
    options: dict[str, Any],
    folded: bool,
    state: dict[str, Tensor],
    buffers: dict[str, Tensor],
    modes: Modes,
) -> CompiledModel:
    """A model out of what its pickle holds."""
    model = builder(spec, options, folded)
    model.to_empty(device=next(iter(state.values())).device if state else "cpu")
    model.load_state_dict(state, assign=True)
    put_buffers(model, buffers)
    set_modes(model, modes)
    return model
