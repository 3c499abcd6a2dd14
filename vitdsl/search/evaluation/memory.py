"""`{type: memory, batch: 1}`: the most memory that tensors take at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from vitdsl.fields.types import Positive
from vitdsl.search.evaluation.base import Evaluation

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate


class Memory(Evaluation):
    """The peak memory of one run: weights, buffers, images and computed tensors.

    On CUDA this is the peak of torch's allocator (`max_memory_allocated`), on the CPU that of the storages that torch's
    dispatcher shows: memory that a kernel allocates and frees within one operator is counted on CUDA alone. Neither
    counts torch itself.

    Attributes:
        name: of the measure, where a search has several.
        device: `cpu`, `cuda`, `cuda:1`; by default where the candidate is.
        batch: images a run.
        training: a forward and a backward in training mode, with gradients but without the tensors of an optimizer;
            else a forward in evaluation mode.
    """

    type: Literal["memory"] = "memory"
    name: Annotated[str, Field(pattern=r"^\w*bytes$")] = "peak_bytes"
    device: str | None = None
    batch: Positive = 1
    training: bool = False

    def names(self) -> tuple[str, ...]:
        """The peak, in bytes."""
        return (self.name,)

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Runs a new model; the candidate's own is left as it is."""
        from vitdsl.search.evaluation.measuring import check_device, images_for, peak_bytes
        from vitdsl.training.draws import fixed_seed

        device = check_device(self.device or candidate.device)
        model = candidate.build().to(device)
        images = images_for(candidate, self.batch, device)
        with fixed_seed(candidate.seed, device):
            return {self.name: float(peak_bytes(model, images, self.training))}
