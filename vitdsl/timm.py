"""`import vitdsl.timm` registers the shipped specs with timm: `timm.create_model("vitdsl_cvt13", …)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch

from vitdsl.api import load_weights
from vitdsl.checkpoints.sources import LAYOUTS, fetch, source_of, sources
from vitdsl.compiler.build import build
from vitdsl.compiler.model import Backbone, VisionModel
from vitdsl.errors import CheckpointError, InputError, Problem, did_you_mean
from vitdsl.graph.views.pyramid import Features, image_maps, levels
from vitdsl.preprocess import statistics
from vitdsl.resolve.files import shipped
from vitdsl.spec import Spec, load

PREFIX = "vitdsl_"
OPTIONS = (
    "cache_dir", "device", "drop_path_rate", "features_only", "global_pool", "img_size", "in_chans", "num_classes",
    "out_indices", "pretrained_cfg", "pretrained_cfg_overlay",
)  # fmt: skip
"""What `timm.create_model` may say of a model of ours, beside `pretrained` and what timm does itself."""


def create(name: str, pretrained: bool = False, **given: Any) -> VisionModel | Backbone:
    """The model of a shipped spec, as `timm.create_model` makes it.

    Args:
        name: of the spec.
        pretrained: loads weights that are known of the spec, official ones if there are any; with
            `pretrained_cfg_overlay={"file": …}`, those of a file.
        given: others of timm's arguments, with timm's meaning: `OPTIONS`.

    Raises:
        InputError: an argument is none of `OPTIONS`, or the spec does not allow what it says.
        CheckpointError: the weights are not known, cannot be had, or do not fit.
    """
    for key in given.keys() - set(OPTIONS):
        hint = did_you_mean(key, OPTIONS) or f"there are {', '.join(OPTIONS)}; `vitdsl.load(…, set=…)` changes all else"
        raise InputError(Problem(f"`{PREFIX}{name}` has no argument `{key}`", hint=hint, code="E618"))
    original = load(name)
    spec = load(original, set=_edits(original, given))
    size = given.get("img_size")
    features = _features(spec, given, size)
    device = torch.device(given.get("device") or torch.get_default_device())
    whole = features is None
    model = build(spec, device, size=size) if whole else build(spec, device, size=size, features=features)
    if pretrained:
        _load(model, name, given)
    classes, pool = given.get("num_classes"), given.get("global_pool")
    if isinstance(model, VisionModel) and (pool is not None or classes not in (None, model.num_classes)):
        model.reset_classifier(model.num_classes if classes is None else classes, pool)
    config = data_config(original, model.image_size, spec.model.input.channels)
    described: Any = model
    described.pretrained_cfg = described.default_cfg = {**config, "architecture": PREFIX + name}
    return model


def data_config(spec: Spec, size: tuple[int, int], channels: int) -> dict[str, Any]:
    """What timm calls a model's data configuration: how a photo becomes an image, as the spec's `input` says.

    Args:
        spec: as it is shipped.
        size: of the image, (height, width).
        channels: of the image.
    """
    photo = spec.model.input
    mean, std = statistics(photo)
    return {
        "input_size": (channels, *size), "interpolation": photo.interpolation, "crop_pct": photo.crop,
        "crop_mode": "center", "mean": tuple(mean), "std": tuple(std), "num_classes": spec.model.classes,
    }  # fmt: skip


def _edits(spec: Spec, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the arguments change of a spec, by written path."""
    edits: dict[str, Any] = {}
    if given.get("in_chans") is not None:
        edits["input.channels"] = given["in_chans"]
    rate = given.get("drop_path_rate")
    if rate is not None:
        before = spec.model.drop_path
        if before is None or not rate:
            edits["drop_path"] = {"rate": rate, "schedule": "linear"} if rate else None
        else:
            own = before.rate
            most = max(own) if isinstance(own, list) else own
            grown = [rate * each / most for each in own] if isinstance(own, list) and most else rate
            edits["drop_path.rate"] = grown
    return edits


def _features(spec: Spec, given: Mapping[str, Any], size: Any) -> Features | None:
    """The maps of a backbone; None: a whole model is wanted."""
    if not given.get("features_only"):
        if given.get("out_indices") is not None:
            raise InputError(
                Problem("`out_indices` says which maps a backbone gives", hint="`features_only=True`", code="E618")
            )
        return None
    wanted = given.get("out_indices")
    if wanted is not None:
        return wanted if isinstance(wanted, int) else list(wanted)
    return max(1, len(levels(image_maps(spec.graph(size)))))


def _load(model: VisionModel | Backbone, name: str, given: Mapping[str, Any]) -> None:
    """Fills a model with weights that are published, or with those of a file."""
    channels = None
    if given.get("in_chans") is not None:
        channels = "mean" if given["in_chans"] == 1 else "repeat"  # as timm does
    file = None
    for key in ("pretrained_cfg", "pretrained_cfg_overlay"):
        config = given.get(key)
        if isinstance(config, Mapping):
            file = config.get("file") or file
    if file is not None:
        load_weights(model, Path(file), channels=channels)
        return
    known = [source.layout for source in sources() if source.spec == name]
    layout = next((layout for layout in LAYOUTS if layout in known), None)
    if layout is None:
        hint = 'weights of your own: `pretrained_cfg_overlay={"file": …}`, or `vitdsl.load_weights`'
        raise CheckpointError("", [Problem(f"nobody states where weights of `{name}` are", hint=hint, code="E709")])
    path, _ = fetch(source_of(name, layout), given.get("cache_dir"))
    load_weights(model, path, layout, channels=channels)


def _entry(name: str) -> Callable[..., VisionModel | Backbone]:
    """The function that timm calls for a spec, which has the name that timm knows it by."""

    def make(pretrained: bool = False, **given: Any) -> VisionModel | Backbone:
        return create(name, pretrained, **given)

    make.__name__ = make.__qualname__ = PREFIX + name
    make.__doc__ = f"The shipped spec `{name}`."
    return make


def _register(names: Sequence[str]) -> None:
    for name in names:
        timm.models.register_model(_entry(name))


_register(sorted(path.stem for path in shipped().glob("*.yaml")))
