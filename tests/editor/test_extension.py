"""The extension for VS Code, and what `docs/editor.md` says of other editors."""

import json
import re
import tomllib
from pathlib import Path

from vitdsl.cli.commands import COMMANDS
from vitdsl.editor.server import FILES

ROOT = Path(__file__).parents[2]
FOLDER, PAGE = ROOT / "editors" / "vscode", (ROOT / "docs" / "editor.md").read_text(encoding="utf-8")
MANIFEST = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
SETTINGS = MANIFEST["contributes"]["configuration"]["properties"]


def test_the_extension_starts_the_server():
    assert SETTINGS["vitdsl.command"]["default"] == ["vitdsl", "lsp"]
    assert "lsp" in COMMANDS
    assert tuple(SETTINGS["vitdsl.files"]["default"]) == FILES


def test_the_extension_asks_for_settings_that_it_has():
    script = (FOLDER / MANIFEST["main"]).read_text(encoding="utf-8")
    assert {f"vitdsl.{name}" for name in re.findall(r"settings\.get\(\"(\w+)\"\)", script)} == SETTINGS.keys()
    needed = {name.partition("/")[0] for name in re.findall(r"require\(\"([^\"]+)\"\)", script)}
    assert needed - {"vscode"} == MANIFEST["dependencies"].keys()


def test_other_editors_start_the_server():
    (lua,) = re.findall(r"```lua\n(.*?)```", PAGE, re.DOTALL)
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert '{ "vitdsl", "lsp" }' in lua
    helix = tomllib.loads(toml)
    assert helix["language-server"]["vitdsl"] == {"command": "vitdsl", "args": ["lsp"]}
    assert "vitdsl" in helix["language"][0]["language-servers"]
