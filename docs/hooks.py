"""What MkDocs does to the pages beside its own work, so that they are right on a code host and on the site.

The folder `docs/` and the top of the repository are one folder on the site. Of the top it has `TOP`, and every file
that a page links to.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
TOP = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Pages of the repository's top that the list of pages names."""
FENCE = re.compile(r"^```(?P<language>\w+)(?P<rest>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
UP = re.compile(r"(?<=\]\()\.\./(?P<path>[^)#\s]+)")
"""What a link of `docs/` to another folder of the repository names."""
DOWN = re.compile(r"(?<=\]\()docs/")
"""The beginning of a link from the top of the repository to a page."""
ROW = re.compile(r"^\|.*$", re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
NAME = re.compile(r"^name: ([\w.-]+)$", re.MULTILINE)
LOADED = re.compile(r"""<(?!a\b|link rel="canonical")\w+\b[^>]*\b(?:src|href)="(https?://[^"]+)""")
"""What a browser fetches for a page from another place."""
log = logging.getLogger("mkdocs.hooks.vitdsl")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the top, and what pages link to beside them."""
    from mkdocs.structure.files import File, InclusionLevel

    for name in TOP:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    linked = {match["path"] for file in files.documentation_pages() for match in UP.finditer(file.content_string)}
    for path in sorted(linked - {*TOP}):
        if (ROOT / path).is_file():
            inclusion = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path), inclusion=inclusion))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Writes fences, links and tables as MkDocs reads them."""
    return relinked(ROW.sub(_row, FENCE.sub(_fence, markdown)))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Warns of a page that needs the network."""
    for address in LOADED.findall(output):
        log.warning(f"{page.file.src_uri} is not read without the network: it loads {address}")
    return output


def relinked(markdown: str) -> str:
    """Links with the folder `docs/` taken out of their paths."""
    return DOWN.sub("", UP.sub(r"\g<path>", markdown))


def _row(match: re.Match[str]) -> str:
    """A row of a table: code on a code host must escape `|`, and here it must not."""
    return CODE.sub(lambda code: code[0].replace("\\|", "|"), match[0])


def _fence(match: re.Match[str]) -> str:
    """A block whose fence says its language and its title alone: the file that it is, or whether it is right."""
    kind, _, path = match["rest"].strip().partition(" ")
    named = NAME.search(match["text"]) if match["language"] == "yaml" and kind != "fragment" else None
    title = path if kind == "file" else kind if kind in ("wrong", "right") else f"{named[1]}.yaml" if named else ""
    shown = f' title="{title}"' if title else ""
    return f"```{match['language']}{shown}\n{match['text']}```"
