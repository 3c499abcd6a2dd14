"""Models of random boxes, for rules that hold of all."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from vitdsl.features import Cost, Feature
from vitdsl.pictures.boxes import BORDER, Body, Box, End, Net, Port

KINDS = ("operator", "operator", "part", "sign")


class Models:
    """Draws models; every text of theirs is one of `texts`, where there are any."""

    def __init__(self, seed: int, texts: Sequence[str] = ()) -> None:
        self.rng, self._texts = Random(seed), texts

    def model(self) -> Box:
        """A model with some stages, in which the edges are drawn."""
        root = self._box("model", 3)
        root.count_all()
        return root

    def _text(self, *usual: str) -> str:
        return self.rng.choice(self._texts or usual)

    def _box(self, kind: str, depth: int) -> Box:
        rng = self.rng
        body = self._body(depth) if depth > 0 and kind not in ("operator", "sign") else None
        ins = body.entries if body else [self._port() for _ in range(rng.randint(0, 3))]
        outs = body.exits if body else [self._port() for _ in range(rng.randint(1, 3 if kind == "operator" else 1))]
        cost = Cost(*(rng.randint(0, 1000) for _ in range(4)))
        title, note = (
            self._text("t" * rng.randint(1, 3 if kind == "sign" else 60)),
            self._text("n" * rng.randint(0, 60)),
        )
        return Box(kind, title, note, self._text("a.path"), self._text("a[0].path"), cost, ins, outs,
                   rng.choice((1, 1, 12)), [(self._text("field"), self._text("value"))], body)  # fmt: skip

    def _port(self) -> Port:
        rng = self.rng
        tokens = tuple(self._text("cls") for _ in range(rng.randint(0, 2)))
        feature = Feature(rng.randint(1, 4096), rng.choice((None, (14, 14), (224, 2))), tokens)
        return Port(self._text("", "x", "a_name_of_a_stream", "@logits"), feature)

    def _body(self, depth: int) -> Body:
        """Boxes in order, each of which reads what stands before it."""
        rng = self.rng
        kinds = ("stage",) if depth == 3 else ("block",) if depth == 2 and rng.random() < 0.5 else KINDS
        boxes = [self._box(rng.choice(kinds), depth - 1) for _ in range(rng.randint(0 if depth < 3 else 1, 5))]
        entries = [self._port() for _ in range(rng.randint(1, 3))]
        sources = [End(BORDER, port) for port in range(len(entries))]
        targets: dict[End, list[End]] = {}
        for number, box in enumerate(boxes):
            for port in range(len(box.inputs)):
                targets.setdefault(rng.choice(sources[-4:]), []).append(End(number, port))
            sources += [End(number, port) for port in range(len(box.outputs))]
        exits = [self._port() for _ in range(rng.randint(1, 3))]
        for port in range(len(exits)):
            targets.setdefault(rng.choice(sources[-4:]), []).append(End(BORDER, port))
        return Body(boxes, [Net(source, tuple(ends)) for source, ends in targets.items()], entries, exits)
