"""Which epoch is the best, and the table of all."""

from types import SimpleNamespace

from tests.training.histories import history_of
from vitdsl.training.keeper import best_model, is_best, table_of


def test_the_best_epoch():
    history = history_of(3)
    assert is_best(history[:1])
    assert is_best(history)
    assert not is_best([*history, dict(history[-1])])  # the first of equals is kept
    assert not is_best([*history, {"epoch": 4}])
    assert is_best([{"epoch": 1}, history[0]])
    assert is_best([*history, history[-1] | {"average_accuracy": 0.99}])


def test_the_better_model():
    averaged = SimpleNamespace(model="weights", average=SimpleNamespace(module="average"))
    averaged.history = [{"accuracy": 0.5, "average_accuracy": 0.6}]
    assert best_model(averaged) == "average"
    averaged.history = [{"accuracy": 0.6, "average_accuracy": 0.6}]
    assert best_model(averaged) == "weights"
    assert best_model(SimpleNamespace(model="weights", average=None, history=[{"accuracy": 0.1}])) == "weights"


def test_a_table():
    history = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan"), "accuracy": 1 / 3}]
    assert table_of(history) == "epoch,loss,accuracy\n1,0.5,\n2,nan,0.3333333333\n"
