"""`{type: proxies, names: [az_nas, dss]}`: zero-cost proxies of the candidate as it is initialized."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from vitdsl.errors import Problem, Refusal, SpecError, did_you_mean
from vitdsl.fields.types import Positive
from vitdsl.search.evaluation.base import Evaluation

if TYPE_CHECKING:
    from torch import Tensor

    from vitdsl.search.candidate import Candidate
    from vitdsl.spec import Spec

NOISE = "noise"
LEAST = 4
"""Images that every proxy can do with; ZiCo splits them in two halves."""
_log = logging.getLogger(__name__)


class Proxies(Evaluation):
    """Judges models that are not trained; each value orders candidates, and means nothing alone.

    Attributes:
        names_: which proxies; `names` in a file. `az_nas` gives three measures, which a report ranks into one.
        batch: images that they look at.
        seeds: how many models, each with weights, images and draws of its own, a value is the mean of.
        data: `noise` (normal noise, labels by lot), `digits`, or a folder of images by class.
    """

    type: Literal["proxies"] = "proxies"
    names_: Annotated[list[str], Field(alias="names", min_length=1)]
    batch: Annotated[int, Field(ge=LEAST)] = 16
    seeds: Positive = 1
    data: str = NOISE

    def agree(self) -> None:
        """There are such proxies."""
        from vitdsl.search.proxies import PROXIES

        wrong = [(index, name) for index, name in enumerate(self.names_) if name not in PROXIES]
        if wrong:
            raise Refusal(
                [
                    (("names", index), f"there is no proxy `{name}`", did_you_mean(name, PROXIES))
                    for index, name in wrong
                ]
            )

    def names(self) -> tuple[str, ...]:
        """Each proxy, or `az_nas.` with each of its components; no units."""
        from vitdsl.search.proxies import measures_of

        return tuple(dict.fromkeys(measure for name in self.names_ for measure in measures_of(name)))

    def unsuited(self, spec: Spec) -> str | None:
        """As training on the same data; noise suits every candidate with classes."""
        from vitdsl.search.data import unsuited
        from vitdsl.search.proxies import LABELLED

        if self.data != NOISE:
            return unsuited(self.data, spec)
        labelled = sorted(LABELLED.intersection(self.names_))
        return (
            f"`{labelled[0]}` needs labels, but the spec has `classes: 0`"
            if labelled and spec.model.classes == 0
            else None
        )

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """The mean over `seeds`; NaN where a proxy says nothing of a candidate, and why is logged."""
        reason = self.unsuited(candidate.spec)
        if reason is not None:
            raise SpecError(Problem(reason, mark=candidate.spec.tree.pos))
        found: dict[str, list[float]] = {name: [] for name in self.names()}
        for turn in range(self.seeds):
            seed = candidate.seed * self.seeds + turn
            model, batch = candidate.build(seed), self._batch(candidate, seed)
            for name in self.names_:
                for measure, value in _judged(name, model, batch, seed).items():
                    found[measure].append(value)
        return {name: math.fsum(values) / len(values) for name, values in found.items()}

    def _batch(self, candidate: Candidate, seed: int) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and labels (B,), the same for the same seed."""
        import torch

        from vitdsl.search.data import prepared

        generator = torch.Generator().manual_seed(seed)
        if self.data != NOISE:
            images, labels = prepared(self.data, candidate.spec).train
            chosen = torch.randperm(len(labels), generator=generator)[: self.batch]
            return images[chosen], labels[chosen]
        given = candidate.spec.model
        images = torch.randn(self.batch, given.input.channels, *given.input.size, generator=generator)
        return images, torch.randint(max(1, given.classes), (self.batch,), generator=generator)


def _judged(name: str, model: Any, batch: tuple[Tensor, Tensor], seed: int) -> dict[str, float]:
    """Measures of one proxy."""
    from vitdsl.search.proxies import ProxyError, measure, measures_of

    try:
        given = measure(name, model, *batch, seed=seed)
    except ProxyError as error:
        _log.info("%s", error)
        return dict.fromkeys(measures_of(name), math.nan)
    return {f"{name}.{part}": value for part, value in given.items()} if isinstance(given, dict) else {name: given}
