"""A scene is the same as SVG and as PNG; the SVG needs nothing else, and no text in it is markup."""

import base64
import io
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.hostile import NAMES
from vitdsl.errors import printable
from vitdsl.pages.scene import Laid, Scene, Text, as_png, as_svg

SVG = "{http://www.w3.org/2000/svg}"
PHOTO = Image.new("RGB", (4, 2), (10, 20, 30))
COLORS = np.array([[[255, 0, 0, 255], [0, 0, 0, 0]]], dtype=np.uint8)
LAID = Laid(10, 20, 40, 20, COLORS, (0.75, 0.5))


def scene(text="a text"):
    return Scene(text, 100, 60, PHOTO, [Text(5, 12, text), LAID, Text(5, 55, text, 11, True, "#ff0000")])


def elements(text):
    return list(ElementTree.fromstring(text).iter())


def test_an_svg_holds_the_photo_and_the_colours():
    found = elements(as_svg(scene()))
    images = [each for each in found if each.tag == f"{SVG}image"]
    pictures = []
    for each in images:
        head, _, data = each.get("href").partition(",")
        assert head == "data:image/png;base64"
        pictures.append(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(np.asarray(pictures[0]), np.asarray(PHOTO))
    assert np.array_equal(np.asarray(pictures[1]), COLORS)
    (use,) = (each for each in found if each.tag == f"{SVG}use")
    assert (use.get("href"), use.get("transform")) == (f"#{images[0].get('id')}", "translate(10 20) scale(10 10)")
    assert {name: images[1].get(name) for name in ("x", "y", "width", "height")} == {
        "x": "10", "y": "20", "width": "40", "height": "20"}  # fmt: skip
    assert [(each.get("cx"), each.get("cy")) for each in found if each.tag == f"{SVG}circle"] == [("40", "30")]
    addresses = [value for each in found for name, value in each.items() if name.endswith("href")]
    assert all(value.startswith(("data:image/png;", "#photo")) for value in addresses)


def test_a_png_shows_the_same():
    page = Image.open(io.BytesIO(as_png(scene())))
    assert (page.size, page.mode) == ((100, 60), "RGB")
    assert page.getpixel((15, 25)) == (255, 0, 0)  # the left square is covered
    assert page.getpixel((45, 22)) == (10, 20, 30)  # of the right one the photo is seen
    assert page.getpixel((40, 26)) != (10, 20, 30)  # but for the ring
    assert page.getpixel((95, 30)) == (255, 255, 255)
    assert len(np.unique(np.asarray(page)[40:].reshape(-1, 3), axis=0)) > 2  # there is text


@pytest.mark.parametrize("text", NAMES)
def test_no_text_is_markup(text):
    plain, found = (elements(as_svg(scene(each))) for each in ("a text", text))
    assert Counter(each.tag for each in found) == Counter(each.tag for each in plain)
    assert [each.keys() for each in found] == [each.keys() for each in plain]
    texts = ["".join(each.itertext()) for each in found if each.tag in (f"{SVG}text", f"{SVG}title")]
    assert texts == [printable(text)] * 3
    assert printable("".join(texts)) == "".join(texts)


def test_a_png_takes_any_text():
    for text in NAMES:
        as_png(Scene(text, 20, 20, PHOTO, [Text(0, 10, text), Text(0, 20, text, bold=True)]))
