"""Histories of trainings that nobody has run."""

import math

from vitdsl.training.recipe import load_recipe

SMALL = {"epochs": 40, "batch": 8, "optimizer": {"learning_rate": 1e-3}}


def recipe_of(**fields):
    return load_recipe({**SMALL, **fields})


def history_of(count, every=1, averaged=False, terms=("labels",), **at):
    """Epochs whose losses fall and whose accuracies rise; `at` gives values of single epochs, as `loss={3: nan}`."""
    history = []
    for epoch in range(1, count + 1):
        left = math.exp(-4 * epoch / count)
        entry = {"epoch": epoch, "step": 21 * epoch, "loss": 0.1 + 2 * left, **dict.fromkeys(terms, 0.1 + 2 * left)}
        entry |= {"learning_rate": 1e-3 * left, "images_per_second": 1234.5, "seconds": 7.5 * epoch}
        if epoch % every == 0:
            entry |= {"accuracy": 0.9 - 0.8 * left, "accuracy_5": 1 - left, "evaluation_loss": 0.2 + 2 * left}
            if averaged:
                entry |= {f"average_{name}": entry[name] + 0.01 for name in ("accuracy", "accuracy_5")}
                entry["average_evaluation_loss"] = 0.1 + 2 * left
        entry |= {name: values[epoch] for name, values in at.items() if epoch in values}
        history.append(entry)
    return history
