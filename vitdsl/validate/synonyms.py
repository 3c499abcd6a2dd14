"""Synonyms: other names for roles, types and keys of this language. `validate/hints.py` makes hints of them."""

from __future__ import annotations

_ATTENTION = "mixer: {type: global, heads: …}"
_WINDOWS = "mixer: {type: windowed, windows: …, heads: …}"
ITEMS = {
    **dict.fromkeys(
        (
            "attention",
            "attn",
            "self_attention",
            "self_attn",
            "mhsa",
            "msa",
            "mha",
            "multihead_attention",
            "multi_head_attention",
            "multi_head_self_attention",
            "scaled_dot_product_attention",
        ),
        _ATTENTION,
    ),
    **dict.fromkeys(("window_attention", "windowed_attention", "local_attention", "w_msa", "sw_msa"), _WINDOWS),
    **dict.fromkeys(("cross_attention", "cross_attn"), "mixer: {type: cross, keys: …, heads: …}"),
    **dict.fromkeys(("class_attention", "class_attn"), "mixer: {type: class, heads: …}"),
    **dict.fromkeys(("feed_forward", "feedforward", "ffn", "perceptron"), "mlp: {ratio: …}"),
    **dict.fromkeys(("dense", "fc", "fully_connected", "proj"), "linear: {dim: …}"),
    **dict.fromkeys(("conv2d", "convolution"), "conv: {kernel: …, dim: …}"),
    **dict.fromkeys(("depthwise_conv", "dwconv", "dw_conv"), "conv: {kernel: …, groups: $dim}"),
    **dict.fromkeys(("layernorm", "layer_norm", "ln"), "norm: layer"),
    **dict.fromkeys(("batchnorm", "batch_norm", "batchnorm2d", "bn"), "norm: batch"),
    **dict.fromkeys(("groupnorm", "group_norm", "gn"), "norm: {type: group, groups: …}"),
    **dict.fromkeys(("rmsnorm", "rms_norm"), "norm: rms"),
    **dict.fromkeys(("avg_pool", "avgpool", "average_pool", "global_pool", "gap"), "pool: mean"),
    **dict.fromkeys(("squeeze_excite", "squeeze_excitation", "squeeze_and_excitation", "se"), "squeeze"),
    **dict.fromkeys(("cpe", "conditional_position"), "peg"),
    **dict.fromkeys(("skip", "identity", "noop"), "body: []"),
    **dict.fromkeys(("upsample", "interpolate"), "resize: {scale: …}"),
    **dict.fromkeys(("droppath", "stochastic_depth"), "drop_path: 0.1"),
}
"""Roles and keys of items."""
TYPES = {
    "mixer": {
        **dict.fromkeys(
            ("attention", "attn", "self_attention", "self_attn", "self", "full", "mhsa", "msa", "mha", "vanilla",
             "multihead_attention", "multi_head_attention", "multi_head_self_attention", "multihead", "softmax"),
            "global",
        ),
        **dict.fromkeys(("window", "windows", "local", "window_attention", "shifted_window", "w_msa"), "windowed"),
        **dict.fromkeys(("cross_attention", "cross_attn"), "cross"),
        **dict.fromkeys(("class_attention", "class_attn", "cls"), "class"),
        **dict.fromkeys(("linformer", "low_rank"), "lowrank"),
        **dict.fromkeys(("spatial_reduction", "sra", "pvt"), "subsampled"),
        **dict.fromkeys(("re_attention", "deepvit"), "reattention"),
    },
    "mlp": dict.fromkeys(("ffn", "feed_forward", "feedforward", "perceptron"), "mlp"),
    "norm": {
        **dict.fromkeys(("layernorm", "layer_norm", "ln"), "layer"),
        **dict.fromkeys(("batchnorm", "batch_norm", "batchnorm2d", "bn"), "batch"),
        **dict.fromkeys(("groupnorm", "group_norm", "gn"), "group"),
        **dict.fromkeys(("rmsnorm", "rms_norm"), "rms"),
    },
    "activation": {
        "swish": "silu", "hard_swish": "hardswish", "hswish": "hardswish", "h_swish": "hardswish",
        "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "quickgelu": "quick_gelu",
    },
    "tokenizer": {
        **dict.fromkeys(("patch_embed", "patch_embedding", "patchify", "embed"), "patch"),
        **dict.fromkeys(("patch_merging", "merging", "downsample"), "merge"),
        **dict.fromkeys(("stem", "convolutional_stem"), "conv_stem"),
        **dict.fromkeys(("t2t", "tokens_to_token", "unfold"), "soft_split"),
    },
    "position": {
        **dict.fromkeys(("absolute", "pos_embed", "embedding", "ape", "learnable"), "learned"),
        **dict.fromkeys(("sine", "sinusoidal", "fixed"), "sinusoid"),
        **dict.fromkeys(("sincos", "sin_cos"), "sincos2d"),
    },
    "bias": {
        **dict.fromkeys(("relative", "rel_pos_bias", "relative_position_bias", "rpb", "swin"), "relative_bias"),
        **dict.fromkeys(("attention_bias", "attention_biases", "levit"), "offset_bias"),
    },
}  # fmt: skip
"""Types, by family."""
KEYS = {
    **dict.fromkeys(("num_heads", "n_heads", "nhead", "heads_count"), "heads"),
    **dict.fromkeys(("dim_head", "head_width", "d_head", "d_k"), "head_dim"),
    **dict.fromkeys(("embed_dim", "d_model", "width", "out_channels", "out_dim", "filters", "out_features"), "dim"),
    **dict.fromkeys(("hidden_dim", "hidden_features", "dim_feedforward", "intermediate_size"), "hidden"),
    **dict.fromkeys(("expansion", "expand_ratio", "mlp_ratio"), "ratio"),
    **dict.fromkeys(("kernel_size", "ksize"), "kernel"),
    **dict.fromkeys(("act", "act_layer", "nonlinearity"), "activation"),
    **dict.fromkeys(("norm_layer", "normalization"), "norm"),
    **dict.fromkeys(("epsilon",), "eps"),
    **dict.fromkeys(("p", "prob", "drop", "drop_rate", "attn_drop"), "dropout"),
    **dict.fromkeys(("num_layers", "n_layers", "layers", "num_blocks", "repeats"), "depth"),
    **dict.fromkeys(("num_classes", "n_classes", "nb_classes"), "classes"),
    **dict.fromkeys(("drop_path_rate", "stochastic_depth"), "drop_path"),
    **dict.fromkeys(("patch_embed", "stem", "embedding"), "tokenizer"),
    **dict.fromkeys(("pos_embed", "positional_encoding", "position_embedding"), "position"),
    **dict.fromkeys(("img_size", "image_size"), "input"),
    **dict.fromkeys(("global_pool",), "pool"),
}
"""Keys of mappings; a synonym gives a hint only in mappings that have the key it leads to."""
