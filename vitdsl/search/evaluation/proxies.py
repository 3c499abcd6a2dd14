"""`{type: proxies, names: [az_nas, dss]}`: zero-cost proxies of the untrained candidate."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from vitdsl.errors import Fault, Refusal, did_you_mean
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
    """Scores models that are not trained; each score orders candidates, and means nothing alone.

    Attributes:
        proxies: which proxies; `names` in a file. `az_nas` gives three measures, which a report ranks into one.
        batch: the number of images.
        seeds: the number of models, each with weights, images and draws of its own; a measure is their mean.
        data: `noise` (normal noise, random labels), `digits`, or a folder of images by class.
    """

    type: Literal["proxies"] = "proxies"
    proxies: Annotated[list[str], Field(alias="names", min_length=1)]
    batch: Annotated[int, Field(ge=LEAST)] = 16
    seeds: Positive = 1
    data: str = NOISE

    def agree(self) -> None:
        """There are such proxies."""
        from vitdsl.search.proxies import PROXIES

        unknown = [(index, name) for index, name in enumerate(self.proxies) if name not in PROXIES]
        if unknown:
            raise Refusal([
                Fault(("names", index), f"there is no proxy `{name}`", did_you_mean(name, PROXIES), code="E206")
                for index, name in unknown
            ])  # fmt: skip

    def names(self) -> tuple[str, ...]:
        """Each proxy, or `az_nas.` with each of its components; no units."""
        from vitdsl.search.proxies import measures_of

        return tuple(dict.fromkeys(measure for name in self.proxies for measure in measures_of(name)))

    def unsuited(self, spec: Spec) -> str | None:
        """As training on the same data; noise suits every candidate with classes."""
        from vitdsl.search.proxies import LABELLED
        from vitdsl.training.data import unsuited

        if self.data != NOISE:
            return unsuited(self.data, spec)
        labelled = sorted(LABELLED.intersection(self.proxies))
        if labelled and spec.model.classes == 0:
            return f"`{labelled[0]}` needs labels, but the spec has `classes: 0`"
        return None

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """The mean over `seeds`; NaN where a proxy cannot score a candidate, and the reason is logged."""
        self.refuse_unsuited(candidate)
        values: dict[str, list[float]] = {name: [] for name in self.names()}
        for turn in range(self.seeds):
            seed = candidate.seed * self.seeds + turn
            model, batch = candidate.build(seed), self._batch(candidate, seed)
            for name in self.proxies:
                for measure, value in _score(name, model, batch, seed).items():
                    values[measure].append(value)
        return {name: math.fsum(each) / len(each) for name, each in values.items()}

    def _batch(self, candidate: Candidate, seed: int) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and labels (B,), the same for the same seed."""
        import torch

        from vitdsl.search.data import load_data

        generator = torch.Generator().manual_seed(seed)
        if self.data != NOISE:
            images, labels = load_data(self.data, candidate.spec).train
            indices = torch.randperm(len(labels), generator=generator)[: self.batch]
            return images[indices], labels[indices]
        model = candidate.spec.model
        images = torch.randn(self.batch, model.input.channels, *model.input.size, generator=generator)
        return images, torch.randint(max(1, model.classes), (self.batch,), generator=generator)


def _score(name: str, model: Any, batch: tuple[Tensor, Tensor], seed: int) -> dict[str, float]:
    """Measures of one proxy."""
    from vitdsl.search.proxies import ProxyError, measures_of, score

    try:
        result = score(name, model, *batch, seed=seed)
    except ProxyError as error:
        _log.info("%s", error)
        return dict.fromkeys(measures_of(name), math.nan)
    return {f"{name}.{part}": value for part, value in result.items()} if isinstance(result, dict) else {name: result}
