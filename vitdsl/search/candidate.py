"""One architecture under judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vitdsl.graph.costs import Analysis
from vitdsl.spec import Spec

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel


class Candidate:
    """A spec, and what is known of it so far.

    Args:
        spec: an ordinary spec, without holes.
        seed: of its weights and of all that is drawn while it is judged.
        folder: where its checkpoints are; None: there are none, and every training begins anew.
        device: where it is judged.
        measures: what earlier rungs measured.

    Attributes:
        measures: every measure so far, by name.
        trained: what gives the trained model, where an earlier rung trained it elsewhere, before this one was retried.
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
        self.trained: Callable[[], VisionModel] | None = None

    @cached_property
    def costs(self) -> Analysis:
        """Exact costs of one image, from the graph."""
        return self.spec.analyze()

    @cached_property
    def model(self) -> VisionModel:
        """The module, built when it is first asked for; what was trained is trained here."""
        return self.build() if self.trained is None else self.trained()

    def build(self, seed: int | None = None) -> VisionModel:
        """A module of its own, its weights drawn on the CPU, so that they are the same for every device.

        Args:
            seed: of the weights; None: the candidate's.
        """
        from vitdsl.compiler.build import build

        with seeded(self.seed if seed is None else seed):
            return build(self.spec).to(self.device)

    def __repr__(self) -> str:
        return f"<Candidate {self.spec.hash} of seed {self.seed}: {self.measures}>"


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Draws of torch begin at a seed within, and go on as if nothing had been drawn after it.

    Args:
        seed: of the draws.
        device: whose draws these are, beside the CPU's.
    """
    import torch

    place = torch.device(device)
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if place.type == "cuda":
            with torch.cuda.device(place):
                torch.cuda.manual_seed(seed)
        yield
