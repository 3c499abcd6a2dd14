"""The curves of a training hold what was measured."""

from tests.training.histories import history_of
from vitdsl.training.curve import accuracy_panel, loss_panel, rate_panel


def points(panel):
    return {line.name: line.points for line in panel.lines}


def test_losses_and_accuracies_are_those_of_the_epochs():
    history = history_of(4, every=2, averaged=True)
    losses, accuracies = points(loss_panel(history)), points(accuracy_panel(history))
    assert losses["training"] == [(entry["epoch"], entry["loss"]) for entry in history]
    assert [epoch for epoch, _ in losses["evaluation"]] == [2, 4]
    assert losses["evaluation, averaged"][-1] == (4, history[-1]["average_evaluation_loss"])
    assert accuracies["evaluation"][0] == (2, 100 * history[1]["accuracy"])
    assert accuracies["evaluation, averaged"][1] == (4, 100 * history[3]["average_accuracy"])


def test_the_best_epoch_is_marked():
    history = history_of(5, accuracy={2: 0.95})
    assert accuracy_panel(history).ring == ("best: 95%", (2, 95.0))
    assert accuracy_panel(history_of(5, every=10)).ring is None


def test_both_panels_begin_and_end_with_the_training():
    assert accuracy_panel(history_of(9, every=4)).span == [1, 9]
    assert accuracy_panel([]).span == []


def test_rates_are_drawn_over_steps():
    assert points(rate_panel(history_of(2)))["at the end of each epoch"][0][0] == 21
