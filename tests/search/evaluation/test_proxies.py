"""Proxies as an evaluation: means over seeds, their data, and what they refuse."""

import math

import pytest
import torch

from tests.search.evaluation.small import SPEC, refusals
from vitdsl.errors import SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation
from vitdsl.search.proxies import score
from vitdsl.spec import load

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
        (("names", 1), "there is no proxy `dsss`", "did you mean 'dss'?", "E206")
    ]
    assert refusals({"type": "proxies", "names": ["snip"], "batch": 2})[0][:2] == (
        ("batch",), "`batch` must be at least 4, but is 2",
    )  # fmt: skip


def test_labels_need_classes():
    spec = load(SPEC.replace("classes: 10", "classes: 0"))
    with pytest.raises(SpecError, match="`grad_norm` needs labels, but the spec has `classes: 0`"):
        read_evaluation({"type": "proxies", "names": ["snip", "grad_norm"]}).measure(Candidate(spec))
