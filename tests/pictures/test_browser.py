"""Pages of models in a browser: nothing overlaps or runs off; they fold, find and say numbers, by mouse and keys."""

import pytest

import vitdsl
from tests.browser import CHROMIUM, chromium, opened, runs_off
from tests.pictures.checks import FEW
from tests.zoo.specs import all_of_them

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium")
WIDTHS = (1280, 420)
OVERLAPS = """() => {
  const shown = (it) => it.getClientRects().length > 0;
  const box = (it) => it.getBoundingClientRect();
  const aside = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1;
  const apart = (a, b) => aside(a, b) || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  const found = [];
  for (const body of document.querySelectorAll(".body")) {
    if (!shown(body)) continue;
    const items = [...body.querySelectorAll(":scope > .cell > .box, :scope > .cell > .shapes i, :scope > .port")];
    const seen = items.filter((it) => shown(it) && it.textContent.trim() && box(it).width > 1);
    const places = seen.map((it) => [it, box(it)]);
    places.forEach(([one, a], index) => places.slice(index + 1).forEach(([other, b]) => {
      if (!apart(a, b)) found.push(`${one.textContent.slice(0, 40)} / ${other.textContent.slice(0, 40)}`);
    }));
  }
  for (const face of document.querySelectorAll(".face")) {
    if (shown(face) && face.scrollWidth > face.clientWidth + 1) found.push(`cut: ${face.textContent}`);
  }
  return found;
}"""
CROSSINGS = """() => {
  const found = [];
  for (const body of document.querySelectorAll(".body")) {
    if (!body.getClientRects().length) continue;
    const corner = body.getBoundingClientRect();
    const boxes = [...body.querySelectorAll(":scope > .cell > .box")].map((it) => [it.id, it.getBoundingClientRect()]);
    for (const path of body.querySelectorAll(":scope > .lines > path:not(.tip)")) {
      const long = path.getTotalLength();
      for (let at = 0; at <= long; at += 4) {
        const point = path.getPointAtLength(at);
        const [x, y] = [point.x + corner.left, point.y + corner.top];
        for (const [id, b] of boxes) {
          if (x > b.left + 2 && x < b.right - 2 && y > b.top + 2 && y < b.bottom - 2) found.push(id);
        }
      }
    }
  }
  return [...new Set(found)];
}"""
TEXTS = """() => [...document.querySelectorAll("text")].map((it) => [it.textContent, it.getComputedTextLength(),
  Number(it.getAttribute("font-size")), it.hasAttribute("font-weight")])"""

ROWS = """[...document.querySelectorAll("#details-table tr")].map(
  (it) => [...it.cells].map((cell) => cell.textContent))"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page_of(browser, tmp_path):
    def open_page(name, width=1280, ending="html"):
        return opened(browser, vitdsl.draw(name, tmp_path / f"{name}.{ending}"), width)

    return open_page


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", all_of_them(["crossvit_tiny", "swin_tiny"], [*FEW]))
def test_nothing_overlaps_or_runs_off(page_of, name, width):
    with page_of(name, width) as page:
        for button in (None, "#open-all", "#close-all"):
            if button is not None:
                page.click(button)
            assert page.evaluate(OVERLAPS) == []
            assert page.evaluate(CROSSINGS) == []
            assert not runs_off(page)


@pytest.mark.parametrize("name", all_of_them(["swin_tiny"], [*FEW]))
def test_texts_of_figures_are_as_short_as_was_thought(page_of, name):
    from vitdsl.pictures.text import width

    with page_of(name, ending="svg") as page:
        found = page.evaluate(TEXTS)
        assert found
        assert [text for text, long, size, bold in found if long > width(text, size, bold)] == []


def test_folding(page_of):
    with page_of("deit_tiny") as page:
        block = page.locator(".box.block")
        mixer = page.locator(".box.part", has_text="mixer")
        assert mixer.is_visible()
        block.locator("> .face .fold").click()
        assert block.get_attribute("aria-expanded") == "false"
        assert not mixer.is_visible()
        block.locator("> .face .fold").click()
        mixer.locator("> .face .title").dblclick()
        assert page.locator(".box", has_text="attention").last.is_visible()
        page.click("#close-all")
        assert not mixer.is_visible()
        assert block.is_visible()
        page.click("#open-all")
        assert page.locator(".folds:not(.open)").count() == 0


def test_finding_and_reading_a_value(page_of):
    with page_of("deit_tiny") as page:
        page.keyboard.press("/")
        page.keyboard.type("mixer global")
        assert page.locator("#found").inner_text().endswith("found")
        page.keyboard.press("Enter")
        assert page.locator("#details-title").inner_text() == "mixer · global"
        rows = dict(page.evaluate(ROWS))
        assert rows["path in the YAML"] == "stages[0].block[0].mixer"
        assert rows["parameters"] == "1,778,688 (31.1%), 148,224 a run"
        page.keyboard.press("Escape")
        assert page.locator("#find").input_value() == ""
        page.keyboard.press("Escape")
        assert page.locator("#details-title").inner_text() == "Nothing chosen"


def test_what_is_found_is_opened(page_of):
    with page_of("deit_tiny") as page:
        assert not page.locator(".box.operator", has_text="attention").is_visible()
        page.fill("#find", "attention")
        assert page.locator(".box.operator", has_text="attention").is_visible()
        page.fill("#find", "no such thing")
        assert page.locator("#found").inner_text() == "0 found"


def test_keys(page_of):
    with page_of("deit_tiny") as page:
        title = page.locator("#details-title")
        page.locator("#close-all").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # folds the first stage
        assert title.inner_text() == "stage 0"
        assert page.locator(".box.stage").first.get_attribute("aria-expanded") == "false"
        page.keyboard.press("ArrowDown")
        assert title.inner_text() == "head"
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert title.inner_text() == "conv 16×16, stride 16"
        page.keyboard.press("ArrowLeft")
        assert title.inner_text() == "stage 0"
        page.keyboard.press("End")
        assert title.inner_text() == "classifier"


def test_colours(page_of):
    with page_of("deit_tiny") as page:
        share = page.locator(".box.part", has_text="mlp").locator(".share").first
        before = share.inner_text()
        page.select_option("#heat", label="activations")
        assert share.inner_text() != before
        assert page.locator("#most").inner_text().endswith("%")
