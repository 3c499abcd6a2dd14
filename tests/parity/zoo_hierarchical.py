"""What the hierarchical and hybrid specs are compared with: names of records, and models that packages build."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

RECORDS = {
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "convnext_tiny": "convnext_tiny",
    "resnet50": "tv_resnet50",
    "mobilenet_v2": "tv_mobilenet_v2",
    "pvt_tiny": "pvt_tiny",
    "twins_pcpvt_small": "pcpvt_small",
    "twins_svt_small": "alt_gvt_small",
    "pit_ti": "pit_ti",
    "pit_ti_distilled": "pit_ti_distilled",
    "levit_128s": "levit_128s",
    "levit_256_nodistill": "levit_256_nodistill",
    "crossvit_tiny": "crossvit_tiny_224",
    "crossvit_9_dagger": "crossvit_9_dagger_224",
    "cvt13": "cvt_13",
    "ceit_tiny": "ceit_tiny",
    "tnt_small": "tnt_s_patch16_224",
    "botnet50": "botnet50_gist",
    "botnet50_s1": "botnet50_s1_paper",
    "dwnet_tiny": "dwnet_tiny",
    "dynamic_dwnet_tiny": "dynamic_dwnet_tiny",
    "inhomogeneous_dwnet_tiny": "i_dynamic_dwnet_tiny",
    "dynamic_resnet18": "dy_resnet18_kaijieshi7",
    "vt_resnet18": "vt_resnet18_bocharnikov",
}
"""The record of each spec."""


class Live(NamedTuple):
    """A model that a package builds.

    Attributes:
        spec: ours.
        package: timm or torchvision; also the layout of its keys.
        name: the package's name for it.
        options: where its default image is another than the authors'.
    """

    spec: str
    package: str
    name: str
    options: Mapping[str, Any] = MappingProxyType({})


def crossvit(size: str, image: int = 224, small: int = 240) -> Live:
    """timm's takes the small patches' pixels and shrinks them; the authors' takes the large ones' and enlarges them."""
    options = {"img_size": image, "img_scale": (small / image, 1.0)}
    name = size.removesuffix("_384")
    return Live(f"crossvit_{size}", "timm", f"crossvit_{name}_{small}", options)


LIVE = [
    *(Live(f"swin_{size}", "timm", f"swin_{size}_patch4_window7_224") for size in ("tiny", "small", "base")),
    *(Live(f"swin_{size}", "torchvision", f"swin_{size[0]}") for size in ("tiny", "small", "base")),
    *(
        Live(f"convnext_{size}", package, f"convnext_{size}")
        for package in ("timm", "torchvision")
        for size in ("tiny", "small", "base", "large")
    ),
    *(
        Live(f"resnet{depth}", package, f"resnet{depth}")
        for package in ("timm", "torchvision")
        for depth in (18, 34, 50, 101, 152)
    ),
    Live("mobilenet_v2", "timm", "mobilenetv2_100"),
    Live("mobilenet_v2", "torchvision", "mobilenet_v2"),
    *(
        Live(f"twins_{kind}_{size}", "timm", f"twins_{kind}_{size}")
        for kind in ("pcpvt", "svt")
        for size in ("small", "base", "large")
    ),
    *(
        Live(f"pit_{size}{distilled}", "timm", f"pit_{size}{distilled}_224")
        for size in ("ti", "xs", "s", "b")
        for distilled in ("", "_distilled")
    ),
    *(Live(f"levit_{size}", "timm", f"levit_{size}") for size in ("128s", "128", "192", "256", "384")),
    # timm's crossvit_18_240 takes no `img_scale`
    *map(crossvit, ("tiny", "small", "base", "9", "15", "9_dagger", "15_dagger", "18_dagger")),
    crossvit("15_dagger_384", 384, 408),
    crossvit("18_dagger_384", 384, 408),
    Live("tnt_small", "timm", "tnt_s_patch16_224"),
    Live("tnt_base", "timm", "tnt_b_patch16_224"),
]
"""Each spec with the models that timm and torchvision have of it."""
