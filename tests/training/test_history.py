"""Which epoch is the best, and which measures a table has."""

import math

from tests.training.histories import history_of
from vitdsl.training.history import accuracy_of, best_of, columns_of


def test_the_better_one_of_weights_and_average_counts():
    assert accuracy_of({"accuracy": 0.5, "average_accuracy": 0.6}) == 0.6
    assert accuracy_of({"accuracy": 0.5, "average_accuracy": math.nan}) == 0.5
    assert accuracy_of({"loss": 1.0}) == accuracy_of({"accuracy": math.nan}) == -1


def test_the_first_of_the_best_epochs_is_the_best():
    history = history_of(5, accuracy={2: 0.95, 4: 0.95})
    assert best_of(history) is history[1]
    assert best_of([]) is best_of(history_of(3, every=10)) is None
    assert best_of(history_of(2, accuracy={1: 0.0, 2: 0.0}))["epoch"] == 1


def test_columns_have_an_order_and_no_doubles():
    history = history_of(3, every=2, averaged=True, terms=("first", "second"))
    names = columns_of(history)
    assert names[:5] == ["epoch", "step", "loss", "first", "second"]
    assert names[-3:] == ["learning_rate", "images_per_second", "seconds"]
    assert set(names) == {name for entry in history for name in entry}
    assert "labels" not in columns_of(history_of(3, loss={2: math.nan}, labels={2: math.nan}))
    assert "labels" in columns_of(history_of(3, labels={2: 7.0}))
