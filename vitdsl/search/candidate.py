"""One architecture that is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vitdsl.graph.costs import Analysis
from vitdsl.spec import Spec
from vitdsl.training.draws import fixed_seed

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel


class Candidate:
    """A spec, its model, and its measures so far.

    Args:
        spec: an ordinary spec, without holes.
        seed: of its weights and of all random draws while it is judged.
        folder: of its checkpoints; None: there are none, and every training begins anew.
        device: where it is judged.
        measures: those of earlier rungs.

    Attributes:
        measures: every measure so far, by name.
        restore_model: gives the trained model, where an earlier rung trained it before this candidate was retried.
    """

    def __init__(
        self,
        spec: Spec,
        seed: int = 0,
        folder: Path | None = None,
        device: str = "cpu",
        measures: Mapping[str, float] | None = None,
    ) -> None:
        self.spec, self.seed, self.folder, self.device = spec, seed, folder, device
        self.measures: dict[str, float] = dict(measures or {})
        self.restore_model: Callable[[], VisionModel] | None = None

    @cached_property
    def costs(self) -> Analysis:
        """Exact costs of one image, from the graph."""
        return self.spec.analyze()

    @cached_property
    def model(self) -> VisionModel:
        """The module, built or restored at first use."""
        return self.build() if self.restore_model is None else self.restore_model()

    def build(self, seed: int | None = None) -> VisionModel:
        """A new module. Its weights are drawn on the CPU, so that they are the same for every device.

        Args:
            seed: of the weights; None: the candidate's.
        """
        from vitdsl.compiler.build import build

        with fixed_seed(self.seed if seed is None else seed):
            return build(self.spec).to(self.device)

    def __repr__(self) -> str:
        return f"<Candidate {self.spec.hash} of seed {self.seed}: {self.measures}>"
