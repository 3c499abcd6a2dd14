"""A candidate's weights hang on its seed alone."""

import torch

from tests.search.evaluation.small import SPEC
from vitdsl.search.candidate import Candidate
from vitdsl.spec import load

# ---------------------------------------------------------------- candidates


def test_weights_hang_on_the_seed_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = Candidate(load(SPEC)), Candidate(load(SPEC)), Candidate(load(SPEC), seed=1)
    states = [candidate.model.state_dict() for candidate in (first, again, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])
    assert torch.equal(torch.rand(3), wanted)
    assert first.model is first.model
    assert first.build() is not first.build()
    assert first.costs.params == sum(p.numel() for p in first.model.parameters())
