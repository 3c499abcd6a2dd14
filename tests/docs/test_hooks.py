"""The pages on the site are those of a code host, with fences, links and tables as MkDocs reads them."""

import importlib.util
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hooks():
    """A file of `docs/`, which is no package."""
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("written", "read"), [
    ("```yaml error\nname: a\n```\n", '```yaml title="a.yaml"\nname: a\n```\n'),
    ("```yaml fragment body cls\n- norm\n```\n", "```yaml\n- norm\n```\n"),
    ("```yaml wrong\nname: a\n```\n", '```yaml title="wrong"\nname: a\n```\n'),
    ("```toml file a/b.toml\nc = 1\n```\n", '```toml title="a/b.toml"\nc = 1\n```\n'),
    ("```console\n$ vitdsl list\n```\n", "```console\n$ vitdsl list\n```\n"),
    ("[a](../specs/a.yaml), [b](b.md#c)", "[a](specs/a.yaml), [b](b.md#c)"),
    ("[a](docs/a.md#b), [c](https://d.e/docs/f)", "[a](a.md#b), [c](https://d.e/docs/f)"),
    ("| `a \\| b` | c \\| d |", "| `a | b` | c \\| d |"),
])  # fmt: skip
def test_what_mkdocs_reads(hooks, written, read):
    assert hooks.on_page_markdown(written, None, None, None) == read


@pytest.mark.parametrize(("html", "loads"), [
    ('<script src="https://a.b/c.js"></script>', True),
    ('<link rel="stylesheet" href="http://a.b/c.css">', True),
    ('<img alt="" src="https://a.b/c.png">', True),
    ('<a class="d" href="https://a.b">e</a>', False),
    ('<img src="../c.png">', False),
])  # fmt: skip
def test_a_page_that_loads_from_elsewhere_is_a_warning(hooks, html, loads, caplog):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    with caplog.at_level(logging.WARNING):
        assert hooks.on_post_page(html, page, None) == html
    assert [record.levelname for record in caplog.records] == ["WARNING"] * loads


def test_every_file_that_a_page_links_to_is_there(hooks):
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in hooks.TOP)]:
        for match in hooks.UP.finditer(page.read_text(encoding="utf-8")):
            assert (ROOT / match["path"]).is_file(), f"{page.name}: {match['path']}"
