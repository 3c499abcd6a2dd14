"""The hierarchical and hybrid specs against counts of other people's code; nothing is built."""

import pytest

import vitdsl
from tests.zoo.figures_hierarchical import FIGURES


@pytest.mark.parametrize("spec", FIGURES)
def test_figures(spec: str) -> None:
    figures, analysis = FIGURES[spec], vitdsl.load(spec).analyze()
    assert (analysis.params, analysis.trainable_params) == (figures.params, figures.trainable)
    if figures.gmacs is not None:
        digits = len(figures.gmacs.partition(".")[2])
        assert f"{analysis.macs / 1e9:.{digits}f}" == figures.gmacs
