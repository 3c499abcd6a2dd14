"""What is timed and in which order, and what is made of the times."""

import time
from types import SimpleNamespace

import torch

from vitdsl import timing
from vitdsl.timing import geometric_mean, quartiles, ratio, time_in_turn, time_runs


def test_every_timed_run_is_timed_and_no_other():
    calls = []
    lengths = iter([0.05, 0.05, 0.002, 0.02, 0.002])
    times = time_runs(lambda: (calls.append(1), time.sleep(next(lengths))), 2, 3, "cpu")
    assert len(calls) == 5
    assert [0.002 <= times[0] < 0.02, 0.02 <= times[1] < 0.05, 0.002 <= times[2] < 0.02] == [True] * 3


def test_runs_take_turns():
    """Each is warmed up, and begins every other round."""
    calls = []
    times = time_in_turn([lambda: calls.append("a"), lambda: calls.append("b")], 0)
    assert [len(each) for each in times] == [timing.LEAST_ROUNDS] * 2
    assert "".join(calls) == "ab" + "baab" * 3 + "ba"


def test_rounds_go_on_for_so_long(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    times = time_in_turn([lambda: time.sleep(0.001)], 10)
    assert len(times[0]) == timing.LEAST_ROUNDS + 9
    assert min(times[0]) >= 0.001


def test_what_is_made_of_times():
    assert quartiles([1, 2, 3, 4, 5, 6, 7]) == (2, 4, 6)
    assert quartiles([1, 2, 3, 4, 5, 6, 7]).spread == 1
    assert str(ratio([(2, 1), (4, 2), (6, 3)])) == "2.00 [2.00, 2.00]"
    assert geometric_mean([1, 4]) == 2


def test_a_step_leaves_no_gradients():
    model = torch.nn.Linear(2, 2)
    timing.step(model, torch.ones(1, 2))
    timing.infer(model, torch.ones(1, 2))
    assert model.weight.grad is None
