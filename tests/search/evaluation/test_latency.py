"""What is timed, where, and that the candidate stays as it was."""

import pytest
import torch

from tests.search.evaluation.small import SPEC
from vitdsl.errors import SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation
from vitdsl.spec import load


def test_latency_leaves_the_candidate_as_it_was():
    candidate = Candidate(load(SPEC))
    candidate.model.train()
    before = torch.get_num_threads()
    found = read_evaluation({"type": "latency", "threads": 1, "repeats": 5, "name": "latency_cpu"}).measure(candidate)
    assert 0 < found["latency_cpu_q1"] <= found["latency_cpu"] <= found["latency_cpu_q3"] < 1
    assert len(found) == 3
    assert candidate.model.training
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("device", "said"), [("cuda:99", "this machine has no `cuda:99`"), ("gpu", "`gpu` is no device")]
)
def test_devices_that_are_not_there(device, said):
    for kind in ("latency", "memory"):
        with pytest.raises(SpecError, match=said):
            read_evaluation({"type": kind, "device": device}).measure(Candidate(load(SPEC)))
