"""Evaluations: what they measure, that they leave the candidate as it was, and how they are found."""

import math
import time
from importlib.metadata import EntryPoint
from typing import Literal

import pytest
import torch
from torch import nn

from vitdsl.errors import Refusal, SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import Evaluation, evaluation_class, read_evaluation, registry
from vitdsl.search.evaluation.latency import time_runs
from vitdsl.search.evaluation.measuring import LiveBytes, peak_bytes
from vitdsl.search.proxies import score
from vitdsl.spec import load

SPEC = """
input: {size: 8, channels: 1, mean: [0.5], std: [0.5]}
classes: 10
stages:
  - tokenizer: {type: patch, size: 2, dim: 16}
    depth: 2
    block: [{mixer: {type: global, heads: 2}}, {mlp: {ratio: 2}}]
    norm: layer
head: {pool: mean}
"""


class Doubled(Evaluation):
    """An evaluation of another package."""

    type: Literal["doubled"] = "doubled"

    def names(self):
        return ("doubled",)

    def measure(self, candidate):
        return {"doubled": 2.0 * candidate.costs.params}


def steps(candidate, by=1):
    return candidate.costs.params + by


def several(candidate):
    return {"one": 1, "two": torch.tensor(2.0)}


def wordy(candidate):
    return "much"


@pytest.fixture
def _installed(monkeypatch):
    """Another package with an evaluation and three functions."""
    found = {
        name: EntryPoint(name, f"{__name__}:{target}", registry.ENTRY_POINTS)
        for name, target in (("doubled", "Doubled"), ("steps", "steps"), ("several", "several"), ("wordy", "wordy"))
    }
    monkeypatch.setattr(registry, "installed", lambda: found)
    evaluation_class.cache_clear()
    yield
    evaluation_class.cache_clear()


def refusals(raw):
    with pytest.raises(Refusal) as caught:
        read_evaluation(raw)
    return caught.value.items


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


# ---------------------------------------------------------------- found by name


def test_all_types_are_found_by_their_file():
    assert set(registry.files()) == {"function", "latency", "memory", "proxies", "train"}
    for name in registry.files():
        cls = evaluation_class(name)
        assert cls is not None
        assert cls.fields["type"].default == name


@pytest.mark.usefixtures("_installed")
def test_an_evaluation_of_another_package():
    made = read_evaluation("doubled")
    candidate = Candidate(load(SPEC))
    assert made.measure(candidate) == {"doubled": 2.0 * candidate.costs.params}
    assert refusals({"type": "doubled", "by": 2}) == [(("by",), "unknown key `by`", "known: type")]


@pytest.mark.usefixtures("_installed")
def test_what_is_no_evaluation():
    assert refusals("trian") == [((), "there is no evaluation `trian`", "did you mean 'train'?")]
    assert refusals({"type": "memroy"}) == [(("type",), "there is no evaluation `memroy`", "did you mean 'memory'?")]
    assert refusals({"type": "steps"})[0][2] == "`steps` is a function: write {type: function, function: steps}"
    (_, said, hint) = refusals([1])[0]
    assert said == "an evaluation is a name, or a mapping with `type`, but this is [1]"
    assert hint == "known: doubled, function, latency, memory, proxies, train"


# ---------------------------------------------------------------- functions


@pytest.mark.usefixtures("_installed")
def test_a_function_of_another_package():
    candidate = Candidate(load(SPEC))
    made = read_evaluation({"type": "function", "function": "steps", "options": {"by": 3}})
    assert made.names() == ("steps",)
    assert made.measure(candidate) == {"steps": candidate.costs.params + 3.0}
    made = read_evaluation({"type": "function", "function": "several", "gives": ["two", "one"]})
    assert made.measure(candidate) == {"two": 2.0, "one": 1.0}


@pytest.mark.usefixtures("_installed")
def test_functions_that_cannot_be_called():
    (at, said, hint) = refusals({"type": "function", "function": "os.system"})[0]
    assert at == ("function",)
    assert said == "no installed package offers `os.system` in the entry point group `vitdsl.evaluations`"
    assert hint == "known: doubled, several, steps, wordy"
    assert refusals({"type": "function", "function": "doubled"})[0][2] == "write {type: doubled}"
    assert refusals({"type": "function", "function": "steps", "options": 3})[0][1] == (
        "`options` must be a mapping, but is 3"
    )


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("fields", "said"),
    [({"function": "several"}, "must give several, but gave a mapping with one, two"),
     ({"function": "several", "gives": ["one"]}, "must give one, but gave a mapping with one, two"),
     ({"function": "steps", "gives": ["a", "b"]}, "must give a, b, but gave "),
     ({"function": "wordy"}, "`wordy` of `wordy` must be a number, but is 'much'")],
)  # fmt: skip
def test_functions_that_give_something_else(fields, said):
    with pytest.raises(SpecError, match=said):
        read_evaluation({"type": "function", **fields}).measure(Candidate(load(SPEC)))


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


# ---------------------------------------------------------------- memory


def test_live_bytes_are_counted_by_hand():
    x = torch.zeros(1000)
    counter = LiveBytes([x, x[:10]])
    assert counter.now == 4000
    with counter:
        y = x + 1
        z = y.view(10, 100)
        assert counter.now == 8000
        del y
        assert counter.now == 8000  # `z` is the same memory
        w = z.double()
        assert counter.now == 16000
        del z, w
        x += 1
    assert counter.now == 4000
    assert counter.peak == 16000


def test_peak_of_two_layers():
    model = nn.Sequential(nn.Linear(100, 300, bias=False), nn.ReLU(), nn.Linear(300, 10, bias=False))
    images = torch.zeros(4, 100)
    weights, entering = 4 * (30_000 + 3_000), 4 * 400
    # both sides of the ReLU live while it runs
    assert peak_bytes(model, images, training=False) == weights + entering + 2 * 4 * 1200
    assert not model.training
    # the ReLU's output is kept for the backward pass; the large matrix's gradient comes last, beside its factors
    trained = peak_bytes(model, images, training=True)
    assert trained >= weights + entering + weights
    assert trained <= weights + entering + weights + 3 * 4 * 1200 + 4 * 100


def test_memory_grows_with_the_batch_and_leaves_the_candidate_as_it_was():
    candidate = Candidate(load(SPEC))
    candidate.model.train()

    def peak(**fields):
        return read_evaluation({"type": "memory", **fields}).measure(candidate)["peak_bytes"]

    one, four, training = peak(), peak(batch=4), peak(batch=4, training=True)
    weights = 4 * candidate.costs.params
    assert weights < one < four < training
    assert four - weights == 4 * (one - weights)
    assert training > 2 * weights
    assert peak(batch=4) == four
    assert candidate.model.training
    assert all(p.grad is None for p in candidate.model.parameters())


# ---------------------------------------------------------------- proxies


def test_proxies_are_the_mean_over_seeds():
    candidate = Candidate(load(SPEC), seed=2)
    made = read_evaluation({"type": "proxies", "names": ["synflow", "az_nas"], "seeds": 2, "batch": 4})
    found = made.measure(candidate)
    parts = ("az_nas.expressivity", "az_nas.trainability", "az_nas.complexity")
    assert tuple(found) == made.names() == ("synflow", *parts)
    images = torch.zeros(4, 1, 8, 8)
    values = [score("synflow", candidate.build(seed), images, seed=seed) for seed in (4, 5)]
    assert values[0] != values[1]
    assert found["synflow"] == pytest.approx(sum(values) / 2, rel=1e-12)
    assert found["az_nas.complexity"] == candidate.costs.macs
    assert made.measure(Candidate(load(SPEC), seed=2)) == found
    assert made.measure(Candidate(load(SPEC), seed=3)) != found


def test_proxies_look_at_the_data_that_they_are_told():
    noise, digits = (
        read_evaluation({"type": "proxies", "names": ["grad_norm"], "data": data}).measure(Candidate(load(SPEC)))
        for data in ("noise", "digits")
    )
    assert noise != digits


def test_a_proxy_without_an_answer_gives_nan():
    spec = load(SPEC.replace("head: {pool: mean}", "head: {pool: mean, init: zeros}"))
    found = read_evaluation({"type": "proxies", "names": ["synflow", "params"]}).measure(Candidate(spec))
    assert math.isnan(found["synflow"])
    assert found["params"] == spec.analyze().params


def test_proxies_that_are_not_there():
    assert refusals({"type": "proxies", "names": ["snip", "dsss"]}) == [
        (("names", 1), "there is no proxy `dsss`", "did you mean 'dss'?")
    ]
    assert refusals({"type": "proxies", "names": ["snip"], "batch": 2})[0][:2] == (
        ("batch",), "`batch` must be at least 4, but is 2",
    )  # fmt: skip


def test_labels_need_classes():
    spec = load(SPEC.replace("classes: 10", "classes: 0"))
    with pytest.raises(SpecError, match="`grad_norm` needs labels, but the spec has `classes: 0`"):
        read_evaluation({"type": "proxies", "names": ["snip", "grad_norm"]}).measure(Candidate(spec))
