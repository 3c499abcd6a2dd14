"""What is timed, where, and that the candidate stays as it was."""

import time

import pytest
import torch

from tests.search.evaluation.small import SPEC
from vitdsl.errors import SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation
from vitdsl.search.evaluation.latency import time_runs
from vitdsl.spec import load

# ---------------------------------------------------------------- latency


def test_every_timed_run_is_timed_and_no_other():
    calls = []
    lengths = iter([0.05, 0.05, 0.002, 0.02, 0.002])
    times = time_runs(lambda: (calls.append(1), time.sleep(next(lengths))), 2, 3, "cpu")
    assert len(calls) == 5
    assert [0.002 <= times[0] < 0.02, 0.02 <= times[1] < 0.05, 0.002 <= times[2] < 0.02] == [True] * 3


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
