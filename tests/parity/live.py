"""Which models of which package each spec is compared with; `packages` builds and fills them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Live(NamedTuple):
    """A model that a package builds.

    Attributes:
        spec: ours.
        package: timm, torchvision, transformers or vit_pytorch.
        name: the package's name for it; of transformers, a class.
        layout: of its weights.
        options: what it is built with, where the package's defaults are not the authors'.
        eps: of norms whose paths match these patterns, where the package cannot be told the authors'.
    """

    spec: str
    package: str
    name: str
    layout: str
    options: Mapping[str, Any] = NOTHING
    eps: Mapping[str, float] = NOTHING

    def __str__(self) -> str:
        """What tests are called."""
        return f"{self.spec} {self.package}"


def timm(spec: str, name: str, **options: Any) -> Live:
    """timm's model of a name."""
    return Live(spec, "timm", name, "timm", options)


def torchvision(spec: str, name: str) -> Live:
    """torchvision's model of a name."""
    return Live(spec, "torchvision", name, "torchvision")


def crossvit(size: str, image: int = 224, small: int = 240) -> Live:
    """timm's takes the small patches' pixels and shrinks them; the authors' takes the large ones' and enlarges them."""
    name = f"crossvit_{size.removesuffix('_384')}_{small}"
    return timm(f"crossvit_{size}", name, img_size=image, img_scale=(small / image, 1.0))


def vit(spec: str, **options: Any) -> Live:
    """transformers' ViT, which DeiT is too without a distillation token; its eps is 1e-12 unless it is told."""
    return Live(spec, "transformers", "ViTForImageClassification", "huggingface", {"layer_norm_eps": 1e-6, **options})


def distilled(spec: str, **options: Any) -> Live:
    """transformers' DeiT with both heads."""
    name = "DeiTForImageClassificationWithTeacher"
    return Live(spec, "transformers", name, "huggingface", {"layer_norm_eps": 1e-6, **options})


def width(channels: int) -> dict[str, int]:
    """What transformers calls the width of a ViT with heads of 64."""
    return {
        "hidden_size": channels,
        "num_attention_heads": channels // 64,
        "intermediate_size": 4 * channels,
    }


def pvt(size: str, *depths: int) -> Live:
    """transformers' norms all have 1e-6; those of the authors' patches and of subsampled keys have torch's 1e-5."""
    eps = {r".*patch_embeddings\.\d\.layer_norm": 1e-5, r".*self\.layer_norm": 1e-5}
    return Live(f"pvt_{size}", "transformers", "PvtForImageClassification", "huggingface", {"depths": depths}, eps)


def swin(size: str, depth: int, channels: int = 96) -> Live:
    """transformers' Swin."""
    options = {
        "depths": [2, 2, depth, 2],
        "embed_dim": channels,
        "num_heads": [channels * 2**stage // 32 for stage in range(4)],
    }
    return Live(f"swin_{size}", "transformers", "SwinForImageClassification", "huggingface", options)


def convnext(size: str, depth: int, channels: int = 96) -> Live:
    """transformers' ConvNeXt; the eps of its last norm is 1e-12 unless it is told."""
    options = {
        "depths": [3, 3, depth, 3],
        "hidden_sizes": [channels * 2**stage for stage in range(4)],
        "layer_norm_eps": 1e-6,
    }
    return Live(f"convnext_{size}", "transformers", "ConvNextForImageClassification", "huggingface", options)


def levit(
    size: str, widths: list[int], heads: list[int], key: int = 32, depths: tuple[int, ...] = (4, 4, 4)
) -> list[Live]:
    """transformers' LeViT, with both heads and with one."""
    options = {
        "hidden_sizes": widths,
        "num_attention_heads": heads,
        "key_dim": [key] * 3,
        "depths": list(depths),
        "drop_path_rate": 0,
    }
    name = "LevitForImageClassification"
    return [
        Live(f"levit_{size}", "transformers", f"{name}WithTeacher", "huggingface", options),
        Live(f"levit_{size}_nodistill", "transformers", name, "huggingface", options),
    ]


def cct(spec: str, name: str, kernel: int, convolutions: int, image: int, classes: int) -> Live:
    """vit-pytorch's CCT, whose keys are the authors'."""
    options = {
        "img_size": image,
        "n_conv_layers": convolutions,
        "kernel_size": kernel,
        "stride": max(1, kernel // 2 - 1),
        "padding": kernel // 2,
        "positional_embedding": "learnable",
        "num_classes": classes,
    }
    return Live(spec, "vit_pytorch", f"cct.{name}", "official", options)


LIVE = [
    *(timm(f"vit_{size}16", f"vit_{size}_patch16_224") for size in ("tiny", "small", "base", "large")),
    timm("vit_base32", "vit_base_patch32_224"),
    timm("vit_base16_384", "vit_base_patch16_384"),
    torchvision("vit_base16", "vit_b_16"),
    torchvision("vit_base32", "vit_b_32"),
    torchvision("vit_large16", "vit_l_16"),
    vit("vit_tiny16", **width(192)),
    vit("vit_small16", **width(384)),
    vit("vit_base16"),
    vit("vit_base32", patch_size=32),
    vit("vit_base16_384", image_size=384),
    vit("vit_large16", num_hidden_layers=24, **width(1024)),
    *(timm(f"deit_{size}", f"deit_{size}_patch16_224") for size in ("tiny", "small", "base")),
    *(timm(f"deit_{size}_distilled", f"deit_{size}_distilled_patch16_224") for size in ("tiny", "small", "base")),
    timm("deit_base_384", "deit_base_patch16_384"),
    timm("deit_base_distilled_384", "deit_base_distilled_patch16_384"),
    vit("deit_tiny", **width(192)),
    vit("deit_small", **width(384)),
    distilled("deit_tiny_distilled", **width(192)),
    distilled("deit_small_distilled", **width(384)),
    distilled("deit_base_distilled"),
    distilled("deit_base_distilled_384", image_size=384),
    *(timm(f"deit3_{size}", f"deit3_{size}_patch16_224") for size in ("small", "medium", "base")),
    *(timm(f"cait_{size}", f"cait_{size}_224") for size in ("xxs24", "xxs36", "s24")),
    *(timm(f"cait_{size}_384", f"cait_{size}_384") for size in ("xxs24", "xxs36", "xs24", "s24", "s36", "m36")),
    timm("cait_m48_448", "cait_m48_448"),
    *(timm(f"swin_{size}", f"swin_{size}_patch4_window7_224") for size in ("tiny", "small", "base")),
    *(torchvision(f"swin_{size}", f"swin_{size[0]}") for size in ("tiny", "small", "base")),
    swin("tiny", 6),
    swin("small", 18),
    swin("base", 18, 128),
    *(timm(f"convnext_{size}", f"convnext_{size}") for size in ("tiny", "small", "base", "large")),
    *(torchvision(f"convnext_{size}", f"convnext_{size}") for size in ("tiny", "small", "base", "large")),
    convnext("tiny", 9),
    convnext("small", 27),
    convnext("base", 27, 128),
    convnext("large", 27, 192),
    *(timm(f"resnet{depth}", f"resnet{depth}") for depth in (18, 34, 50, 101, 152)),
    *(torchvision(f"resnet{depth}", f"resnet{depth}") for depth in (18, 34, 50, 101, 152)),
    timm("mobilenet_v2", "mobilenetv2_100"),
    torchvision("mobilenet_v2", "mobilenet_v2"),
    *(timm(f"twins_pcpvt_{size}", f"twins_pcpvt_{size}") for size in ("small", "base", "large")),
    *(timm(f"twins_svt_{size}", f"twins_svt_{size}") for size in ("small", "base", "large")),
    *(timm(f"pit_{size}", f"pit_{size}_224") for size in ("ti", "xs", "s", "b")),
    *(timm(f"pit_{size}_distilled", f"pit_{size}_distilled_224") for size in ("ti", "xs", "s", "b")),
    *(timm(f"levit_{size}", f"levit_{size}") for size in ("128s", "128", "192", "256", "384")),
    *levit("128s", [128, 256, 384], [4, 6, 8], 16, (2, 3, 4)),
    *levit("128", [128, 256, 384], [4, 8, 12], 16),
    *levit("192", [192, 288, 384], [3, 5, 6]),
    *levit("256", [256, 384, 512], [4, 6, 8]),
    *levit("384", [384, 512, 768], [6, 9, 12]),
    pvt("tiny", 2, 2, 2, 2),
    pvt("small", 3, 4, 6, 3),
    pvt("medium", 3, 4, 18, 3),
    pvt("large", 3, 8, 27, 3),
    # timm's crossvit_18_240 takes no `img_scale`
    *map(crossvit, ("tiny", "small", "base", "9", "15", "9_dagger", "15_dagger", "18_dagger")),
    crossvit("15_dagger_384", 384, 408),
    crossvit("18_dagger_384", 384, 408),
    timm("tnt_small", "tnt_s_patch16_224"),
    timm("tnt_base", "tnt_b_patch16_224"),
    *(cct(f"cct_{layers}_3x2_32", f"cct_{layers}", 3, 2, 32, 10) for layers in (2, 4, 6, 7)),
    *(cct(f"cct_{layers}_3x1_32", f"cct_{layers}", 3, 1, 32, 10) for layers in (6, 7)),
    cct("cct_7_7x2_224", "cct_7", 7, 2, 224, 102),
    cct("cct_14_7x2_224", "cct_14", 7, 2, 224, 1000),
    cct("cct_14_7x2_384", "cct_14", 7, 2, 384, 1000),
]
"""Each spec with the models that packages have of it."""

DEFAULT = {
    "timm": (
        "vit_tiny16", "deit_tiny", "deit_tiny_distilled", "deit3_small", "cait_xxs24", "swin_tiny", "convnext_tiny",
        "resnet18", "mobilenet_v2", "twins_pcpvt_small", "twins_svt_small", "pit_ti", "pit_ti_distilled", "levit_128s",
        "crossvit_tiny", "tnt_small",
    ),
    "torchvision": ("vit_base32", "swin_tiny", "convnext_tiny", "resnet18", "mobilenet_v2"),
    "transformers": (
        "vit_tiny16", "deit_tiny", "deit_tiny_distilled", "swin_tiny", "convnext_tiny", "levit_128s",
        "levit_128s_nodistill", "pvt_tiny",
    ),
    "vit_pytorch": ("cct_2_3x2_32", "cct_7_3x1_32", "cct_7_7x2_224"),
}  # fmt: skip
"""The smallest of each table and package, which every run compares."""


def found(spec: str, package: str) -> Live:
    """The pair of a spec and a package."""
    (pair,) = (live for live in LIVE if (live.spec, live.package) == (spec, package))
    return pair
