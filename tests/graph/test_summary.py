"""The table of costs: printed in Python, with the numbers of the analysis and of `vitdsl build`."""

import pytest

import vitdsl
from vitdsl.graph.summary import COLUMNS, rows_of, tokens_of

SWIN = """\
stage     grid    dim  blocks  parameters   MACs  activations
stages.0  56×56    96       2     229,590   767M       57.3MB
stages.1  28×28   192       2     966,252   781M       30.3MB
stages.2  14×14   384       6  10,955,400  2.18G       42.3MB
stages.3  7×7     768       2  15,368,112   759M       7.39MB
head      1      1000             769,000   768k       7.07kB

28,288,354 parameters, 4.49 GMACs, 137MB of activations"""


def test_an_analysis_is_printed():
    analysis = vitdsl.load("swin_tiny").analyze()
    assert str(analysis) == repr(analysis) == SWIN


@pytest.mark.parametrize("name", ["crossvit_tiny", "ceit_tiny", "lvvit_s", "botnet50"])
def test_rows_are_the_stages(name):
    analysis = vitdsl.load(name).analyze()
    rows = rows_of(analysis.stages)
    assert [row[0] for row in rows] == [stage.path for stage in analysis.stages]
    assert sum(int(row[4].replace(",", "")) for row in rows) == analysis.params
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_outputs_are_named_where_there_are_several():
    row = rows_of(vitdsl.load("crossvit_tiny").analyze().stages)[2]
    assert row[1:3] == ("large cls+14×14, small cls+20×20", "192, 96")


def test_tokens():
    from vitdsl.features import Feature

    assert tokens_of(Feature(8, (2, 3), ("cls", "dist"))) == "cls+dist+2×3"
    assert tokens_of(Feature(8, count=5)) == "5"


def test_a_summary_says_for_which_images_it_is():
    spec = vitdsl.load("cvt13")
    assert spec.summary() == f"cvt13, for images 3×224×224\n\n{spec.analyze()}"
    assert spec.summary((320, 160)) == f"cvt13, for images 3×320×160\n\n{spec.analyze((320, 160))}"
