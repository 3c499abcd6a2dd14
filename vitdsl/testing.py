"""What every part promises, as checks that a package can run on parts of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vitdsl.compiler.build import build
from vitdsl.compiler.renewal import put_buffers, unsaved_buffers
from vitdsl.elaborate.expand import expanded
from vitdsl.features import Feature
from vitdsl.parts.base import Form, Part, Primitive
from vitdsl.parts.registry import is_role
from vitdsl.spec import Spec, load
from vitdsl.syntax.printer import dump_tree
from vitdsl.validate import SpecReader

BATCH = 2
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers that are no parameters of a model."""
Example = tuple[Mapping[str, Any], tuple[Feature, ...]]
"""Fields of a part, and the features that enter it."""


def check_part(
    cls: type[Part], examples: Sequence[Example] | None = None, *, unseen: Callable[..., int] | None = None
) -> None:
    """Runs all checks on a part, over its examples.

    Args:
        cls: the class of a primitive or of a form.
        examples: fields and input features; by default what the class gives as `examples()`.
        unseen: multiply-adds that torch's FlopCounterMode cannot see, of a part and its features.

    Raises:
        AssertionError: with the example and what is wrong.
    """
    given = getattr(cls, "examples", list)() if examples is None else list(examples)
    hold(bool(given), f"{cls.__name__} has no examples")
    hold(cls.__doc__ is not None, f"{cls.__name__} has no docstring")
    for fields, features in given:
        try:
            if issubclass(cls, Primitive):
                check_primitive(make(cls, **fields), features, unseen)
            else:
                check_form(cls, fields, features)
        except Exception as error:
            error.add_note(f"example of {cls.__name__}: {dict(fields)}, {', '.join(map(str, features))}")
            raise


def check_primitive(op: Primitive, features: Sequence[Feature], unseen: Callable[..., int] | None = None) -> None:
    """All checks on one primitive and the features that enter it."""
    check_shape(op, features)
    check_parameters(op, features)
    check_macs(op, features, unseen)
    check_values(op, features)
    check_layouts(op, features)
    check_restored(op, features)


def make(cls: type[Part], **fields: Any) -> Any:
    """A part of this class, read as a spec without defaults reads it."""
    return cls.read(fields, SpecReader({}, {}))


def hold(condition: bool, message: str) -> None:
    """Raises AssertionError unless the condition holds, also under `python -O`."""
    if not condition:
        raise AssertionError(message)


# ---------------------------------------------------------------- primitives


def check_shape(op: Primitive, features: Sequence[Feature]) -> None:
    """The output of the module on the meta device has the shape that `infer` says."""
    found = run(op, built(op, features, "meta").eval(), features, "meta")
    entered = layouts(op, features)[0] if features else op.layout
    layout = entered if op.gives == "same" else op.gives
    expected = shape(op.infer(*features), layout, BATCH if features else 1)
    hold(tuple(found.shape) == expected, f"the module gives {tuple(found.shape)}, `infer` says {expected}")


def check_parameters(op: Primitive, features: Sequence[Feature]) -> None:
    """The module has as many values in its state, and as many that train, as `cost` says."""
    module = built(op, features, "meta")
    trainable = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    stored = {name: t.numel() for name, t in module.state_dict().items() if name.rpartition(".")[2] not in STATISTICS}
    cost, params = op.cost(*features), sum(stored.values())
    hold(params == cost.params, f"the module has {params} parameters, `cost` says {cost.params}")
    trained = sum(stored[name] for name in trainable)
    hold(trained == cost.trainable_params, f"{trained} parameters train, `cost` says {cost.trainable_params}")


def check_macs(op: Primitive, features: Sequence[Feature], unseen: Callable[..., int] | None = None) -> None:
    """FlopCounterMode counts the multiply-adds that `cost` says, but for those that it cannot see."""
    module = built(op, features, "meta").eval()
    counter = FlopCounterMode(display=False)
    with counter:
        run(op, module, features, "meta")
    macs = op.cost(*features).macs - (unseen(op, *features) if unseen else 0)
    found, batch = counter.get_total_flops(), BATCH if features else 1
    hold(found == 2 * macs * batch, f"{found / 2 / batch:g} multiply-adds are counted, `cost` says {macs}")


def check_values(op: Primitive, features: Sequence[Feature], modes: Sequence[bool] = (False, True)) -> None:
    """On the CPU, in evaluation and in training, values are finite and of the type that went in."""
    for training in modes:
        found = run(op, built(op, features, "cpu").train(training), features, "cpu")
        hold(bool(found.isfinite().all()), f"values are not finite (training: {training})")
        hold(found.dtype == torch.float64, f"float64 went in, {found.dtype} came out")


def check_layouts(op: Primitive, features: Sequence[Feature]) -> None:
    """A part that takes any layout treats tokens and maps alike."""
    if op.layout != "any":
        return
    (feature,) = features
    module = built(op, features, "cpu").eval()
    if any(p.requires_grad for p in module.parameters()):
        with torch.no_grad():
            for number, parameter in enumerate(module.parameters()):
                parameter.copy_(torch.linspace(0.5, 2 + number, parameter.numel()).view_as(parameter))
    x_bnc = values(feature, "tokens", "cpu")
    by_tokens, by_map = module(x_bnc), module(x_bnc.transpose(1, 2).unsqueeze(3))
    if op.gives == "same":
        by_map = by_map.flatten(2).transpose(1, 2)
    torch.testing.assert_close(by_map, by_tokens, rtol=0, atol=1e-12)


def check_restored(op: Primitive, features: Sequence[Feature]) -> None:
    """A module made without values, given the state and the buffers of another, computes the same.

    So models are unpickled and folded: what a module keeps must be a parameter, a buffer, or no tensor.
    """
    module, other = built(op, features, "cpu").eval(), built(op, features, "meta").eval()
    other.to_empty(device="cpu")
    other.load_state_dict(module.state_dict(), assign=True)
    put_buffers(other, unsaved_buffers(module))
    loose = [
        f"{path}.{name}".lstrip(".")
        for path, part in other.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, Tensor)
    ]
    hold(
        not loose,
        f"`{next(iter(loose), None)}` is a tensor, but neither a parameter nor a buffer: `register_buffer` it",
    )
    torch.manual_seed(0)
    expected = run(op, module, features, "cpu")
    torch.manual_seed(0)
    hold(torch.equal(run(op, other, features, "cpu"), expected), "restored from its state and buffers it differs")


def layouts(op: Primitive, features: Sequence[Feature]) -> list[str]:
    """`tokens` or `map` for each input; a feature with a grid alone may be either."""
    found = []
    extras = getattr(op, "extras", ())
    for place, feature in enumerate(features):
        if place >= len(features) - len(extras):
            found.append(extras[place - len(features) + len(extras)])
        elif place == 0 and getattr(op, "maps_first", False):
            found.append("map")
        elif op.layout == "any":
            found.append("map" if feature.grid and not feature.tokens else "tokens")
        else:
            found.append(op.layout)
    return found


def shape(feature: Feature, layout: str, batch: int = BATCH) -> tuple[int, ...]:
    """The shape of a feature in a layout: (B, N, C), (B, C, H, W), or (1, C, H, W) for what is added to logits."""
    if layout in ("map", "bias"):
        hold(feature.grid is not None, f"{feature} has no grid, and cannot be a map")
        assert feature.grid is not None
        return (1 if layout == "bias" else batch, feature.dim, *feature.grid)
    return (batch, feature.num_tokens, feature.dim)


def values(feature: Feature, layout: str, device: str) -> Tensor:
    """Random values of a feature, the same ones each time."""
    if layout == "mask":
        assert feature.grid is not None
        mask = torch.ones(BATCH, *feature.grid, dtype=torch.bool, device=device)
        mask[1, :, 1] = False
        return mask
    generator = torch.Generator().manual_seed(11)
    return torch.randn(shape(feature, layout), generator=generator, dtype=torch.float64).to(device)


def run(op: Primitive, module: nn.Module, features: Sequence[Feature], device: str) -> Tensor:
    """The module's output for random inputs."""
    places = layouts(op, features)
    tensors = [values(x, layout, device) for x, layout in zip(features, places, strict=True)]
    extras: tuple[str, ...] = getattr(op, "extras", ())
    plain = len(tensors) - len(extras)
    return module(*tensors[:plain], **dict(zip(extras, tensors[plain:], strict=True)))


def built(op: Primitive, features: Sequence[Feature], device: str) -> nn.Module:
    """The part's module, in float64."""
    with torch.device(device):
        return op.build(*features).double()


# ---------------------------------------------------------------- forms


def check_form(cls: type[Part], fields: Mapping[str, Any], features: Sequence[Feature]) -> None:
    """A form in a small spec: it builds as inferred, and its expansion is a spec of the same cost and output.

    Args:
        cls: the form; its family is a role, `tokenizer` or `position`.
        fields: of the form.
        features: the one feature that enters: a grid, perhaps with extra tokens.
    """
    hold(issubclass(cls, Form), f"{cls.__name__} is neither a primitive nor a form")
    (feature,) = features
    spec = spec_of(cls, fields, feature)
    found, graph = spec.analyze(), spec.graph()
    other = load(dump_tree(expanded(spec)))
    (given,), (theirs,) = graph.outputs.values(), other.graph().outputs.values()
    output, again = graph.frame.features[given], other.graph().frame.features[theirs]
    hold(output == again, f"the form gives {output}, its expansion {again}")
    hold(found.cost == other.analyze().cost, f"the form costs {found.cost}, its expansion {other.analyze().cost}")
    module = build(spec).eval()
    assert feature.grid is not None
    with torch.inference_mode():
        y = module(torch.randn(BATCH, feature.dim, *feature.grid))
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:  # on meta: torch before 2.15 counts no fused attention on the CPU
        build(spec, device="meta").eval()(torch.empty(BATCH, feature.dim, *feature.grid, device="meta"))
    expected = (BATCH, output.num_tokens, output.dim) if output.num_tokens > 1 else (BATCH, output.dim)
    hold(tuple(y.shape) == expected, f"the module gives {tuple(y.shape)}, the graph says {output}")
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    hold(trained == found.trainable_params, f"{trained} parameters train, the graph says {found.trainable_params}")
    macs = counter.get_total_flops() // 2 // BATCH
    hold(macs == found.macs, f"{macs} multiply-adds are counted, the graph says {found.macs}")


def spec_of(cls: type[Part], fields: Mapping[str, Any], feature: Feature) -> Spec:
    """A spec that is a form alone, on images that are the feature."""
    hold(feature.grid is not None, f"a form is tried on a grid, but the feature is {feature}")
    part = {"type": cls.fields["type"].default, **fields}
    stage: dict[str, Any] = {"body": [{cls.family: part}]} if is_role(cls.family) else {cls.family: part}
    if feature.tokens:
        stage["tokens"] = list(feature.tokens)
    grid = list(feature.grid or ())
    head = {"body": [], "layout": "tokens"}
    return load({"input": {"size": grid, "channels": feature.dim}, "classes": 0, "stages": [stage], "head": head})


__all__ = ["check_form", "check_part", "check_primitive"]
