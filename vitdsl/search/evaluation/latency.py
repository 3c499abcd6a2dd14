"""`{type: latency, device: cpu, batch: 1, threads: 1}`: seconds of a forward."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from vitdsl.fields.types import Natural, Positive
from vitdsl.search.evaluation.base import Evaluation

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate


class Latency(Evaluation):
    """Times forwards in evaluation mode, without gradients; what else runs on the machine shows in them.

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
        """Times a model of the candidate's own; the candidate's is left as it is."""
        import torch

        from vitdsl.search.measuring import images_for, on_device

        device = on_device(self.device or candidate.device)
        model = candidate.build().to(device).eval()
        images = images_for(candidate, self.batch, device)
        with torch.inference_mode(), _threads(self.threads):
            times = timed(lambda: model(images), self.warmup, self.repeats, device)
        quartiles = torch.tensor(times, dtype=torch.float64).quantile(
            torch.tensor([0.5, 0.25, 0.75], dtype=torch.float64)
        )
        return dict(zip(self.names(), quartiles.tolist(), strict=True))


def timed(run: Callable[[], object], warmup: int, repeats: int, device: str) -> list[float]:
    """Seconds of each of `repeats` runs, after `warmup` others; a GPU is waited for before and after each."""
    import torch

    def wait() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    for _ in range(warmup):
        run()
    times = []
    for _ in range(repeats):
        wait()
        began = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - began)
    return times


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Runs torch with so many threads on the CPU, and with as many as before after that."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
