"""Linformer with one head of keys and values, whose whole model no record has: the mixer against the package's."""

from __future__ import annotations

import torch

import vitdsl
from tests.parity import fingerprint

MIXER = "stages.0.body.0.mixer"
ROWS = {
    "stages.0.tokenizer.0.conv.weight": "stem.weight",
    f"{MIXER}.q.weight": "attn.to_q.weight",
    f"{MIXER}.projection.k.0.linear.weight": "attn.proj_k",
    f"{MIXER}.projection.v.0.linear.weight": "attn.proj_v",
    f"{MIXER}.projection.k.1.linear.weight": "attn.to_k.weight",
    f"{MIXER}.projection.v.1.linear.weight": "attn.to_v.weight",
    f"{MIXER}.out.weight": "attn.to_out.weight",
    f"{MIXER}.out.bias": "attn.to_out.bias",
}
SPEC = """
input: {size: [8, 10]}
classes: 0
define:
  one_head:
    body:
      - {linear: {dim: 16, over: tokens, bias: false}}
      - {linear: {dim: 8, bias: false}}
      - {parallel: [[], [], [], []], merge: concat}
stages:
  - tokenizer: [{conv: {dim: 32, kernel: 1, bias: false}}]
    body:
      - mixer:
          type: global
          heads: 4
          qkv_bias: false
          key: none
          value: none
          projection: {k: [{use: one_head}], v: [{use: one_head}]}
        residual: false
head: {layout: tokens, body: []}
"""


def test_one_head_of_keys_and_values() -> None:
    record = fingerprint.load("op_linformer_onekvhead")
    theirs = fingerprint.filled_state_dict(record["state"])
    model = vitdsl.build(SPEC).double().eval()
    turned = {"attn.proj_k", "attn.proj_v"}
    model.load_state_dict({ours: theirs[key].T if key in turned else theirs[key] for ours, key in ROWS.items()})
    with torch.no_grad():
        found = model(torch.from_numpy(fingerprint.image(2, 3, 8, 10)))
    (recorded,) = record["outputs"].values()
    fingerprint.assert_agrees(found, recorded)
