"""The curve of a training: losses, accuracies and the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from vitdsl.pages.plot import Line, Panel, Point
from vitdsl.training.history import Entry, accuracy_of, best_of

TRAINED, EVALUATED, AVERAGED = "#1b6ca8", "#c2374a", "#2b7a3d"
DASHES = "9 5"


def loss_panel(history: Sequence[Entry]) -> Panel:
    """The losses of each epoch."""
    return Panel("Loss", "epoch", [
        Line("training", _points(history, "loss"), TRAINED),
        Line("evaluation", _points(history, "evaluation_loss"), EVALUATED),
        Line("evaluation, averaged", _points(history, "average_evaluation_loss"), AVERAGED, DASHES),
    ])  # fmt: skip


def accuracy_panel(history: Sequence[Entry]) -> Panel:
    """The accuracies of the epochs that were evaluated, the best one marked."""
    best = best_of(history)
    ring = None if best is None else (f"best: {100 * accuracy_of(best):.4g}%", _best_point(best))
    return Panel("Accuracy", "epoch", [
        Line("evaluation", _points(history, "accuracy", 100), EVALUATED),
        Line("evaluation, averaged", _points(history, "average_accuracy", 100), AVERAGED, DASHES),
    ], ring, "%", (0, 100), _ends(history), "no epoch was evaluated yet")  # fmt: skip


def rate_panel(history: Sequence[Entry]) -> Panel:
    """The learning rate at the end of each epoch."""
    return Panel("Learning rate", "step", [Line("at the end of each epoch", _points(
        history, "learning_rate", over="step"), TRAINED)])  # fmt: skip


def _points(history: Sequence[Entry], name: str, factor: float = 1.0, over: str = "epoch") -> list[Point]:
    """The measure of each epoch that has it."""
    return [(entry[over], factor * entry[name]) for entry in history if name in entry and over in entry]


def _ends(history: Sequence[Entry]) -> list[float]:
    """The first and the last epoch, evaluated or not."""
    return [entry["epoch"] for entry in (*history[:1], *history[-1:]) if "epoch" in entry]


def _best_point(best: Entry) -> Point:
    return best.get("epoch", 0.0), 100 * accuracy_of(best)
