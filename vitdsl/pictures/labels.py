"""The texts in boxes, and beside the edges between them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from vitdsl.pages import cut
from vitdsl.pictures.boxes import Body, Box, Port
from vitdsl.pictures.words import shape_of

MOST_LETTERS = 40
"""More letters of a line are cut."""


def lines_of(box: Box, note: str = "") -> list[str]:
    """The texts of a box: its title with its repeats, and a note."""
    title = f"{cut(box.title, MOST_LETTERS)} × {box.times}" if box.times > 1 else cut(box.title, MOST_LETTERS)
    return [title, cut(note, MOST_LETTERS)] if note else [title]


def shapes_of(box: Box, read: Container[int]) -> list[str]:
    """What stands beside the edges that leave a box: shapes that differ from what entered; of a stage, all.

    Args:
        box: the box.
        read: the ports that something reads; beside others there is nothing.
    """
    features = [port.feature for port in box.inputs]
    if box.kind != "stage" and all(port.feature in features for port in box.outputs):
        return []
    several = len(box.outputs) > 1 and all(port.name for port in box.outputs)
    texts = [f"{cut(port.name.lstrip('@'), 16)} {shape_of(port.feature)}" if several else shape_of(port.feature)
             for port in box.outputs]  # fmt: skip
    return [text if port in read else "" for port, text in enumerate(texts)]


def port_names(ports: Sequence[Port], body: Body, whole: bool) -> list[str]:
    """What stands where values enter and leave a body; of parts of a model empty where there is but one."""
    if whole:
        given = ports is body.entries
        return [cut(port.name.lstrip("@"), 24) + (f" {shape_of(port.feature)}" if given else "") for port in ports]
    return [cut(port.name.lstrip("@"), 16) for port in ports] if max(len(body.entries), len(body.exits)) > 1 else []
