"""A small search that several tests read."""

SPACE = """
  stages:
    - tokenizer: {type: patch, size: 8, dim: 16}
      depth: {choose: [1, 2, 3]}
      block: [{mixer: {type: global, heads: {choose: [2, 3, 4]}}}, {mlp: {ratio: 2}}]
  head: {pool: mean}
  input: {size: 32}
  classes: 10
"""

GOOD = f"""name: small
space:{SPACE}
constraints: {{params: {{max: 6M, min: 1k}}, macs: {{max: 1.3G}}}}
objectives: {{macs: minimize, params: maximize}}
sampler: {{type: evolution, population: 8, sample: 3}}
budget: {{trials: 10}}
"""
