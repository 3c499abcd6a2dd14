"""Small spaces that several tests ask."""

TINY = """
name: tiny
vars: {width: {choose: [16, 24]}, n: {range: [1, 2]}}
input: {size: 32}
classes: 10
stages:
  - tokenizer: {type: patch, size: 8, dim: $width}
    depth: {range: [1, 3]}
    block:
      - mixer: {type: global, heads: {choose: [2, 4], each: true}}
      - mlp: {ratio: {choose: [1, 2, 3], each: true}}
  - depth: $(2 * n)
    block:
      - mixer:
          choose:
            near: {type: windowed, windows: {choose: [2, 4]}, heads: 4}
            far: {type: global, heads: {choose: [1, 2, 4]}}
            carried: {type: lowrank, rank: 4, heads: 2}
      - mlp: {ratio: {choose: [1, 2], when: "$('stages[0].depth' > 2 and n < 2)", else: 3}}
head: {pool: mean}
"""


def body(block: str, more: str = "") -> str:
    """A space of one stage."""
    return f"{more}\nstages: [{{tokenizer: {{type: patch, size: 16, dim: 16}}, {block}}}]\nhead: {{pool: mean}}\n"
