"""Rates of stochastic depth: which block drops how often."""

from __future__ import annotations

from typing import Any

from vitdsl.graph.ir import Call, Graph, Place


class Rates:
    """The schedule of a model.

    Args:
        setting: the file's `drop_path`, or None.
        blocks: number of the first block of each stage, and at the end the number of all.
    """

    def __init__(self, setting: Any, blocks: list[int]) -> None:
        self.setting, self.blocks = setting, blocks

    def rate(self, place: Place, block: int) -> float:
        """The rate of a node.

        Args:
            place: where the node stands in its frame.
            block: number of the frame's first block, or of the block that it is in.
        """
        if place.rate is not None:
            return place.rate
        if self.setting is None:
            return 0.0
        if place.at is not None:
            return self._peak(len(self.blocks) - 2) * place.at
        number = block + max(place.block, 0)
        if self.setting.schedule == "constant":
            return self._peak(0)
        if self.setting.schedule == "per_stage":
            stage = max(i for i, first in enumerate(self.blocks[:-1]) if first <= number)
            return self._ramp(
                number - self.blocks[stage], self.blocks[stage + 1] - self.blocks[stage], self._peak(stage)
            )
        return self._ramp(number, self.blocks[-1], self._peak(0))

    def _peak(self, stage: int) -> float:
        rate = self.setting.rate
        return rate[stage] if isinstance(rate, list) else rate

    def _ramp(self, index: int, count: int, peak: float) -> float:
        steps = count if self.setting.ends == "open" else count - 1
        return peak * index / steps if steps > 0 else 0.0  # a head has residuals where there may be no block


def rates(graph: Graph, setting: Any) -> Rates:
    """The schedule of a graph under the file's `drop_path`."""
    starts = [0]
    for step in graph.frame.steps:
        if isinstance(step, Call) and step.path != "head":
            starts.append(starts[-1] + sum(frame.blocks for frame in step.frames))
    return Rates(setting, starts)
