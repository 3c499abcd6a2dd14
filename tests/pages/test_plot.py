"""Plots are whole XML, keep extremes, break where a value is not finite, and take any title."""

import math
import random
from xml.etree import ElementTree

import pytest

from tests.hostile import NAMES
from vitdsl.pages.plot import HEIGHT, LEFT, RIGHT, WIDTH, Line, Panel, inline, picture, thinned

SVG = "{http://www.w3.org/2000/svg}"


def panel(*series, **options):
    lines = [Line(f"line {n}", list(enumerate(values, 1)), "#000000") for n, values in enumerate(series)]
    return Panel("Title", "epoch", lines, **options)


def elements(text):
    return list(ElementTree.fromstring(text).iter())


def texts(text):
    return ["".join(each.itertext()) for each in elements(text) if each.tag == f"{SVG}text"]


def lines(text):
    """The pieces of lines of a picture, each a list of places."""
    drawn = [each.get("d") for each in elements(text) if each.tag == f"{SVG}path" and each.get("fill") == "none"]
    return [[tuple(map(float, place.split())) for place in path[1:].split("L")] for path in drawn]


def tags(text, name):
    return [each for each in elements(text) if each.tag == f"{SVG}{name}"]


def test_a_plot_names_its_lines_and_axes():
    found = texts(picture("A title", [panel([2.0, 1.0, 0.5], [1.5, 1.2, 1.0])]))
    assert found[:4] == ["A title", "Title", "line 0", "line 1"]
    assert {"epoch", "0.5", "2", "1", "3"} <= set(found)


def test_points_are_where_they_belong():
    ((first, last),) = lines(picture("", [panel([0.0, 1.0])]))
    assert first[0] < last[0]
    assert first[1] > last[1]  # upwards is towards zero


@pytest.mark.parametrize("series", [[], [1.0], [math.nan], [1.0, math.nan], [math.inf, math.nan, -math.inf], [0.0] * 5])
def test_what_is_hardly_there(series):
    text = picture("", [panel(series), panel(series, within=(0, 100), unit="%")])
    assert "nan" not in text
    assert "inf" not in text
    assert ("nothing was measured yet" in texts(text)) == (not series)
    assert len(tags(text, "circle")) == 2 * sum(map(math.isfinite, series))


def test_a_value_that_is_not_finite_breaks_the_line():
    series = [1.0] * 20 + [math.nan, math.inf] + [1.0] * 20 + [math.inf]
    text = picture("", [panel(series)])
    assert [len(piece) for piece in lines(text)] == [20, 20]
    assert "not finite" in texts(text)
    assert len([each for each in tags(text, "path") if "m0" in each.get("d")]) == 2 + 1  # the third is the legend's


def test_thinned_lines_keep_extremes():
    rng = random.Random(0)
    points = [(float(x), rng.random()) for x in range(10_000)]
    points[1234], points[8765] = (1234.0, 7.0), (8765.0, -7.0)
    kept = thinned(points)
    assert len(kept) <= 602
    assert {points[0], points[-1], points[1234], points[8765]} <= set(kept)
    assert kept == sorted(kept)
    assert thinned(points[:600]) == points[:600]


def test_thousands_of_points_are_a_small_picture():
    series = [1 + math.sin(x) for x in range(50_000)]
    series[777] = math.nan
    assert len(picture("", [panel(series)])) < 50_000


@pytest.mark.parametrize("title", [*NAMES, "\ud800", "\x00", "\ufffe", "]]>", "<!--"])
def test_any_title_is_a_text(title):
    text = picture(title, [panel([1.0, 2.0])])
    text.encode()
    assert [each.tag for each in elements(text)] == [each.tag for each in elements(picture("a", [panel([1.0, 2.0])]))]
    assert text.replace("\n", "").isprintable()


def test_texts_stay_within_the_picture():
    wide = [1e-7, 3e12, -1e15]
    for series in (wide, [value * 1e6 for value in wide], [1234567.0, 1234568.0]):
        made = panel(series)._replace(x_name="step")
        lines = [Line("n" * 12, [(x * 1e6, y) for x, y in line.points], "#000000") for line in made.lines * 6]
        for each in tags(picture("", [made._replace(lines=lines)]), "text"):
            length, x = 9.6 * len("".join(each.itertext())), float(each.get("x"))
            begin = {"end": x - length, "middle": x - length / 2}.get(each.get("text-anchor"), x)
            assert begin >= 0
            assert begin + length <= WIDTH


def test_an_axis_holds_what_is_asked_beside_the_points():
    found = texts(picture("", [panel([], within=(0, 100), span=(1, 9), unit="%")]))
    assert {"2", "8", "0%", "100%"} <= set(found)
    ((first, last),) = lines(picture("", [panel([1.0, 2.0], span=(1, 3))]))
    assert last[0] - first[0] == pytest.approx((WIDTH - LEFT - RIGHT) / 2, abs=1e-9)


def test_a_ring_is_drawn_and_named():
    text = picture("", [panel([1.0] * 20, ring=("best", (3, 1.0)))])
    assert "best" in texts(text)
    assert len(tags(text, "circle")) == 2


def test_a_panel_of_a_page_is_an_element():
    text = inline(panel([1.0, 2.0]))
    assert text.startswith("<svg ")
    assert f'viewBox="0 0 {WIDTH} {HEIGHT}"' in text
