"""A whole model as a graph."""

from __future__ import annotations

from typing import Any, NamedTuple

from vitdsl.graph.ir import Frame
from vitdsl.graph.printing import Printer, rates
from vitdsl.graph.schedule import block_rates


class Graph(NamedTuple):
    """A whole model.

    Attributes:
        frame: the model's frame; its calls are the stages and the head.
        outputs: numbers of the values of the outputs, by name, in order.
        evaluation: weights of the sum that evaluation returns, by output; empty: a list of all outputs is returned.
        training: numbers of the values that training returns, by name; None if it returns the same as evaluation.
        layout: `tokens` if a grid is returned as tokens, else `map` or None.
        drop_path: the file's stochastic depth, or None.
    """

    frame: Frame
    outputs: dict[str, int]
    evaluation: dict[str, float]
    training: dict[str, int] | None
    layout: str | None
    drop_path: Any = None

    def __str__(self) -> str:
        """Stages, repetitions with their count, every node with its value and its cost, and the rates of blocks."""
        printer = Printer()
        values = {number: printer.defined() for number in self.frame.inputs.values()}
        lines = [f"{name} {values[n]} {self.frame.features[n]}" for name, n in self.frame.inputs.items()]
        lines += printer.steps(self.frame, values, "")
        lines += [f"drop_path {line}" for line in rates(block_rates(self.frame, self.drop_path))]

        def shown(number: int) -> str:
            return f"{values.get(number, '%?')} {self.frame.features[number]}"

        evaluation = ", ".join(f"{n}·{weight:g} {shown(self.outputs[n])}" for n, weight in self.evaluation.items())
        lines += [f"evaluation {evaluation}"] if evaluation else [f"{n} {shown(self.outputs[n])}" for n in self.outputs]
        if self.training is not None:
            lines += ["training " + ", ".join(f"{name} {shown(n)}" for name, n in self.training.items())]
        if self.layout is not None:
            lines += [f"layout {self.layout}"]
        cost = self.frame.cost
        return "\n".join([*lines, f"params {cost.params:,} trainable {cost.trainable_params:,} macs {cost.macs:,}"])

    __repr__ = __str__
