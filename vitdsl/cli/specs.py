"""The specs that a command names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdsl.syntax.source import read

if TYPE_CHECKING:
    from vitdsl.spec import Spec


def is_setting(text: str) -> bool:
    """Whether a text is a written path, `=`, and a value."""
    path, sign, _ = text.partition("=")
    return bool(path.strip() and sign)


def settings(texts: list[str] | None) -> dict[str, Any]:
    """What `--set` says: values by written path.

    Raises:
        SpecError: a value is no YAML.
    """
    found = {}
    for text in texts or ():
        if not is_setting(text):
            import typer

            raise typer.BadParameter(f"'{text}' is not PATH=VALUE, such as stages[2].depth=12", param_hint="--set")
        path, _, value = text.partition("=")
        found[path.strip()] = read(value, "--set") if value.strip() else ""
    return found


def load_spec(name: str, texts: list[str] | None = None) -> Spec:
    """The spec of a command's argument, with what `--set` says.

    Raises:
        SpecError: with everything that is wrong.
    """
    from vitdsl.spec import load

    # a name is never YAML text here, whatever signs are in it
    return load(Path(name), settings(texts))


def verified(spec: Spec, debug: bool, size: int | tuple[int, int] | None = None) -> Spec:
    """The spec; with `--debug`, once its graph was checked, for images of this size in place of the spec's.

    Raises:
        InvalidGraph: the graph is none.
    """
    if debug:
        from vitdsl.graph.verify import verify

        verify(spec.graph(size))
    return spec
