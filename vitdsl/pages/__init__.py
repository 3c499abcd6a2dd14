"""Pages that commands write: each is one file, which asks for nothing, and in which no text of a file is markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vitdsl.errors import printable

HERE = Path(__file__).parent


def render(
    folder: Path, template: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]] | None = None
) -> str:
    """Fills a page: texts get in escaped, data as JSON that cannot end a script.

    Args:
        folder: of the template and what it includes; `base.html`, which all pages extend, is found besides.
        template: its name there.
        values: what it names.
        filters: functions that it may call on values.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader([folder, HERE]), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(filters or {})
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    return environment.get_template(template).render(values)


def cut(text: str, most: int) -> str:
    """A text as one printable line, with an ellipsis where it has more than `most` signs."""
    line = printable(text)
    return line if len(line) <= most else line[: most - 1] + "…"


def shown(text: object) -> str:
    """A text as a page may show it: but for its line breaks, what does not print, or hides, is escaped."""
    return "\n".join(map(printable, str(text).split("\n")))
