"""What holds of every picture: boxes, texts and lines keep apart."""

from __future__ import annotations

from itertools import combinations, pairwise

from tests.zoo.specs import NAMES
from vitdsl.pictures.boxes import BORDER, Box
from vitdsl.pictures.geometry import HEADER, LINE, Label, Look, Placed, place
from vitdsl.pictures.labels import lines_of
from vitdsl.pictures.text import SMALL, width

FEW = ("deit_tiny", "pvt_tiny", "swin_tiny", "crossvit_tiny", "tnt_small", "botnet50", "lvvit_s", "t2t_vit_dense")
ALL = NAMES
LITTLE = 0.5
"""Pixels by which a line may touch the side of a box."""

Rectangle = tuple[float, float, float, float]


def rectangle(placed: Placed) -> Rectangle:
    return placed.x, placed.y, placed.x + placed.width, placed.y + placed.height


def ground(label: Label) -> Rectangle:
    half = width(label.text, label.size) / 2
    return label.x - half, label.y - label.size / 2, label.x + half, label.y + label.size / 2


def overlap(one: Rectangle, other: Rectangle, by: float = 0.01) -> bool:
    return one[0] + by < other[2] and other[0] + by < one[2] and one[1] + by < other[3] and other[1] + by < one[3]


def within(inner: Rectangle, outer: Rectangle) -> bool:
    return (
        inner[0] >= outer[0] - 0.01 and inner[1] >= outer[1] - 0.01 and inner[2] <= outer[2] + 0.01
        and inner[3] <= outer[3] + 0.01
    )  # fmt: skip


def content(placed: Placed) -> Rectangle:
    """Where an open box has what it holds: all but its header."""
    left, top, right, bottom = rectangle(placed)
    return left, top + (HEADER + LINE * (len(placed.lines) - 1) if placed.lines else 0), right, bottom


def along(points: list[tuple[float, float]], right: bool) -> list[tuple[float, float]]:
    """Places on a line, close to one another."""
    found = []
    for (x, y), (u, v) in pairwise(points):
        ends = ((x + u) / 2, y, (x + u) / 2, v) if right else (x, (y + v) / 2, u, (y + v) / 2)
        for step in range(21):
            t = step / 20
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            found.append((a * x + b * ends[0] + c * ends[2] + d * u, a * y + b * ends[1] + c * ends[3] + d * v))
    return found


def check_body(placed: Placed) -> None:
    """What holds of an open box and what it holds."""
    room = content(placed)
    for each in placed.inner:
        assert within(rectangle(each), room), (placed.box.path, each.box.title)
    for one, other in combinations(placed.inner, 2):
        assert not overlap(rectangle(one), rectangle(other)), (one.box.path, other.box.path)
    for points, _ in placed.edges:
        places = along(points, placed.box.kind == "model")
        for each in placed.inner:
            left, top, right, bottom = rectangle(each)
            crossing = [
                (x, y) for x, y in places
                if left + LITTLE < x < right - LITTLE and top + LITTLE < y < bottom - LITTLE
            ]  # fmt: skip
            assert not crossing, (placed.box.path, each.box.title, points)
        assert all(within((x, y, x, y), room) for x, y in places), (placed.box.path, points)


def check(model: Placed) -> None:
    """What holds of a whole picture."""
    boxes = model.below()
    for each in boxes:
        if each.is_open:
            check_body(each)
        sizes = [width(text, bold=each.is_open) for text in each.lines[:1]] + [
            width(text, SMALL) for text in each.lines[1:]
        ]
        assert each.box.kind == "sign" or max(sizes, default=0) <= each.width, each.lines
        assert each.box.kind != "sign" or width(each.lines[0], SMALL) <= each.width, each.lines
    labels = [ground(label) for each in boxes for label in each.labels if label.text]
    closed = [rectangle(each) for each in boxes if not each.is_open]
    headers = [(*rectangle(each)[:3], content(each)[1]) for each in boxes if each.is_open and each.lines]
    for index, label in enumerate(labels):
        assert within(label, rectangle(model)), label
        for kind, others in (("box", closed), ("header", headers), ("label", labels[:index])):
            assert not any(overlap(label, other) for other in others), (kind, label)


def placed_with(root: Box, opened: set[int], note: str = "12% of it") -> Placed:
    """A model placed, with some boxes open."""
    look = Look(lambda box: id(box) in opened, lambda box: lines_of(box, "" if box.kind == "sign" else note))
    return place(root, look)


def edges_join_equal_features(box: Box) -> None:
    """Every edge leads from a port to one with the same feature, and each port that reads has one edge."""
    for each in box.below():
        body = each.body
        if body is None:
            continue
        read = []
        for net in body.nets:
            source = (
                body.entries[net.source.port]
                if net.source.box == BORDER
                else (body.boxes[net.source.box].outputs[net.source.port])
            )
            for target in net.targets:
                port = body.exits[target.port] if target.box == BORDER else (body.boxes[target.box].inputs[target.port])
                assert source.feature == port.feature, (each.path, source, port)
                read.append(target)
        assert len(read) == len(set(read)) == len(body.exits) + sum(len(inner.inputs) for inner in body.boxes)
