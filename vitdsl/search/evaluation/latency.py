"""`{type: latency, device: cpu, batch: 1, threads: 1}`: seconds of a forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from vitdsl.fields.types import Natural, Positive
from vitdsl.search.evaluation.base import Evaluation

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate


class Latency(Evaluation):
    """Times forwards in evaluation mode, without gradients; other programs on the machine disturb the times.

    Attributes:
        name: of the measure, where a search has several.
        device: `cpu`, `cuda`, `cuda:1`; by default where the candidate is.
        batch: images a forward.
        threads: of torch on the CPU; by default as many as it has.
        warmup: forwards that are not timed.
        repeats: forwards that are.
    """

    type: Literal["latency"] = "latency"
    name: Annotated[str, Field(pattern=r"^latency\w*$")] = "latency"
    device: str | None = None
    batch: Positive = 1
    threads: Positive | None = None
    warmup: Natural = 5
    repeats: Annotated[int, Field(ge=4)] = 25

    def names(self) -> tuple[str, ...]:
        """Median and quartiles, in seconds."""
        return (self.name, f"{self.name}_q1", f"{self.name}_q3")

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Times a new model; the candidate's own is left as it is."""
        import torch
        from torch.utils.benchmark.utils.common import set_torch_threads

        from vitdsl.search.evaluation.measuring import check_device, images_for
        from vitdsl.timing import time_runs

        device = check_device(self.device or candidate.device)
        model = candidate.build().to(device).eval()
        images = images_for(candidate, self.batch, device)
        with torch.inference_mode(), set_torch_threads(self.threads or torch.get_num_threads()):
            times = time_runs(lambda: model(images), self.warmup, self.repeats, device)
        shares = torch.tensor([0.5, 0.25, 0.75], dtype=torch.float64)
        return dict(zip(self.names(), torch.tensor(times, dtype=torch.float64).quantile(shares).tolist(), strict=True))
