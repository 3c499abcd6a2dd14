"""Which linear maps mix tokens, which channels: by the items that they were written in, whatever these are called."""

import vitdsl
from vitdsl.graph.roles import activations_of, roles_of

TOKENS, CHANNELS, EMBED, HEAD = "mix_tokens", "mix_channels", "embed", "head"


def graph(stages, **more):
    return vitdsl.load({"input": {"size": 8}, "classes": 5, "stages": stages, **more}).graph()


def test_all_maps_of_a_mixer_mix_tokens():
    stage = {
        "tokenizer": {"type": "patch", "size": 2, "dim": 4, "norm": "layer"}, "tokens": ["cls"], "position": "learned",
        "depth": 2, "block": [{"mixer": {"type": "global", "heads": 2}}, "mlp"],
    }  # fmt: skip
    block = {"0.mixer.qkv": TOKENS, "0.mixer.out": TOKENS, "1.mlp.fc1": CHANNELS, "1.mlp.fc2": CHANNELS}
    found = graph([stage], head={"norm": "layer", "pool": "cls"})
    assert roles_of(found) == {
        "stages.0.tokenizer.0.conv": EMBED,
        **{f"stages.0.block.{index}.{path}": role for index in (0, 1) for path, role in block.items()},
        "head.classifier": HEAD,
    }
    assert activations_of(found) == ("stages.0.block.0.1.mlp.activation", "stages.0.block.1.1.mlp.activation")


def test_elsewhere_what_leaves_channels_apart_mixes_tokens():
    stage = {
        "tokenizer": [{"conv": {"dim": 4, "kernel": 3}}, {"conv": {"kernel": 3, "groups": "$dim"}}],
        "body": [
            {"conv": {"kernel": 3}},
            {"conv": {"kernel": 3, "groups": 2}},
            {"conv": {"kernel": 3, "groups": "$dim", "activation": "relu"}},
            {"conv": {"kernel": 3, "groups": "$dim", "kernels": {"by": "image"}}},
            {"conv": {"kernel": 3, "kernels": {"by": "image", "count": 2}}},
            {"linear": {"dim": 64, "over": "tokens"}},
            {"mlp": {"ratio": 0.5, "over": "tokens", "activation": "softmax"}},
            {"mlp": {"ratio": 2, "between": [{"conv": {"kernel": 3, "groups": "$dim"}}]}},
        ],
    }  # fmt: skip
    found = graph([stage], head={"pool": "mean"})
    assert list(roles_of(found).values()) == [
        EMBED, EMBED, CHANNELS, CHANNELS, TOKENS, TOKENS, CHANNELS, TOKENS, TOKENS, TOKENS, CHANNELS, TOKENS, CHANNELS,
        HEAD,
    ]  # fmt: skip
    assert activations_of(found) == ("stages.0.body.2.conv.activation", "stages.0.body.7.mlp.activation")


def test_names_are_no_roles():
    named = [
        {"name": "mixer", "mlp": {"ratio": 1}},
        {"name": "mlp", "mixer": {"type": "global", "heads": 1}},
        {"name": "head", "body": [{"linear": 4}]},
        {"residual": True, "body": [{"mixer": {"type": "global", "heads": 1}, "residual": False}]},
    ]
    stage = {"tokenizer": [{"conv": {"dim": 4, "kernel": 2, "stride": 2}}], "body": named}
    roles = roles_of(graph([stage], head={"pool": "mean"}))
    assert [(path, role) for path, role in roles.items() if ".body." in path] == [
        ("stages.0.body.mixer.mlp.fc1", CHANNELS), ("stages.0.body.mixer.mlp.fc2", CHANNELS),
        ("stages.0.body.mlp.mixer.qkv", TOKENS), ("stages.0.body.mlp.mixer.out", TOKENS),
        ("stages.0.body.head.0.linear", CHANNELS),
        ("stages.0.body.3.0.mixer.qkv", TOKENS), ("stages.0.body.3.0.mixer.out", TOKENS),
    ]  # fmt: skip


def test_a_repeated_body_inside_a_mixer_mixes_tokens():
    stage = {
        "tokenizer": [{"conv": {"dim": 4, "kernel": 2, "stride": 2}}],
        "body": [
            {"repeat": 2, "mlp": {"ratio": 1}},
            {"mixer": {"type": "global", "heads": 1, "projection": {"q": [{"repeat": 2, "linear": 4}]}}},
        ],
    }  # fmt: skip
    roles = roles_of(graph([stage], head={"pool": "mean"}))
    assert {role for path, role in roles.items() if path.startswith("stages.0.body.0")} == {CHANNELS}
    assert {role for path, role in roles.items() if path.startswith("stages.0.body.1")} == {TOKENS}


def test_one_define_has_the_role_of_each_place():
    used = [{"use": "twice"}]
    stage = {
        "tokenizer": [{"conv": {"dim": 4, "kernel": 2, "stride": 2}}],
        "body": [
            {"body": used, "pre": "layer", "drop_path": "none"},
            {"mixer": {"type": "global", "heads": 1, "projection": {"q": used}}, "pre": "layer"},
        ],
    }  # fmt: skip
    roles = roles_of(graph([stage], head={"pool": "mean"}, define={"twice": {"body": [{"repeat": 2, "linear": 4}]}}))
    assert {role for path, role in roles.items() if path.startswith("stages.0.body.0")} == {CHANNELS}
    assert {role for path, role in roles.items() if path.startswith("stages.0.body.1")} == {TOKENS}


def test_weights_that_act_twice_are_counted_once():
    item = {"mixer": {"type": "global", "heads": 1, "keys": "all"}, "at": "cls"}
    stage = {"tokenizer": {"type": "patch", "size": 2, "dim": 4}, "tokens": ["cls"], "body": [item]}
    found = graph([stage], head={"pool": "cls"})
    assert list(roles_of(found)) == [
        "stages.0.tokenizer.0.conv", "stages.0.body.0.mixer.q", "stages.0.body.0.mixer.kv", "stages.0.body.0.mixer.out",
        "head.classifier",
    ]  # fmt: skip
