"""What the hierarchical and hybrid specs are compared with."""

from __future__ import annotations

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
