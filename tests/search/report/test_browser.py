"""The page of a search in a browser: nothing runs off, all axes can be had, and what is chosen on them filters."""

import math

import pytest

from tests.browser import CHROMIUM, chromium, opened, runs_off
from tests.search.report.studies import study_of
from vitdsl.search.file import load_search
from vitdsl.search.report import write_report

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium")
HYBRIDS = """
name: several_objectives_of_hybrids
space: digits
objectives: {accuracy: maximize, params: minimize, macs: minimize}
rungs:
  - {type: proxies, names: [az_nas, dss, naswot, synflow], batch: 16}
  - {type: train, data: digits, epochs: 2}
budget: {trials: 40}
"""
TRIALS = [
    ("FAIL" if number == 7 else "PRUNED" if number == 8 else "COMPLETE", {
        "accuracy": 0.5 + math.sin(number) / 3, "loss": 1.0, "seconds": 2.5, "dss": 10.0**number, "naswot": 0.5,
        "synflow": 1e9, "az_nas.expressivity": 0.1 * number, "az_nas.trainability": -0.1 * number,
    }) for number in range(12)
]  # fmt: skip
OUTSIDE = """() => [...document.querySelectorAll("body *")].filter((it) => !it.closest(".wide")
  && it.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((it) => it.outerHTML.slice(0, 80))"""
AXES = "[...document.querySelectorAll('#parallel .axis-title')].map((it) => it.textContent)"
CHOOSE = """() => Plotly.restyle("parallel", {"dimensions[0].constraintrange": [[[-0.5, 0.5]]]})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    search = load_search(HYBRIDS)
    return write_report(study_of(search, TRIALS), search, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


def test_nothing_runs_off_a_narrow_page(browser, report):
    with opened(browser, report, 420) as page:
        page.wait_for_selector("#parallel .axis-title")
        assert not runs_off(page)
        assert page.evaluate(OUTSIDE) == []


def test_all_axes_can_be_had_and_filter_and_failures_have_reasons(browser, report):
    """One page, since it takes seconds to open."""
    with opened(browser, report) as page:
        page.wait_for_selector("#parallel .axis-title")
        assert not runs_off(page)
        assert page.evaluate(OUTSIDE) == []
        groups = page.locator("#parallel-choice option").count()
        found = []
        for index in range(groups):
            page.locator("#parallel-choice").select_option(index=index)
            *axes, objective = page.evaluate(AXES)
            assert objective == "accuracy"
            found += axes
        assert groups > 1
        assert found == page.evaluate("data.parallel.axes")[:-1]
        page.locator("#parallel-choice").select_option(index=0)
        page.evaluate(CHOOSE)
        left = int(page.inner_text("#shown-count"))
        assert 0 < left < len(TRIALS)
        page.locator("#parallel-choice").select_option(index=1)
        assert int(page.inner_text("#shown-count")) == left  # what was chosen holds while other axes are shown
        page.click(".reasons button")
        assert page.inner_text("#details-state").startswith("fail: its worker ended")
