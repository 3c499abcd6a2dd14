"""A headless Chromium, for tests that look at pages as a reader does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
"""Debian's; there is none elsewhere."""
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, path: Path, width: int = 1280) -> Iterator[Any]:
    """A file in a tab of some width, in which no script fails and which asks nothing of a network.

    What the driver says of its speed is no fault: there is no GPU.
    """
    page, faults = browser.new_page(viewport={"width": width, "height": 900}), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else faults.append(
        request.url))  # fmt: skip
    page.goto(path.as_uri())
    yield page
    page.close()
    assert not faults, faults


def is_fault(message: Any) -> bool:
    """Whether a line of the console says that something went wrong."""
    return message.type in ("error", "warning") and "GL Driver Message" not in message.text


def runs_off(page: Any) -> bool:
    """Whether the page is wider than the tab."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
