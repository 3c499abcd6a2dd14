"""Peak bytes grow with the batch, and the candidate stays as it was."""

from tests.search.evaluation.small import SPEC
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation
from vitdsl.spec import load


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
