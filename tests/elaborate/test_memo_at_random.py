"""Specs drawn at random, nested and full of late values: with memos they are analysed as without."""

from __future__ import annotations

import random
from typing import Any

import pytest

import vitdsl
from tests.elaborate.test_memo import said
from vitdsl.elaborate import repeats
from vitdsl.elaborate.memo import TraceTable
from vitdsl.errors import SpecError

VARIABLES = ((1, 2), (2, 1), (1, 1), (2, 2), (1, 2))
"""Values of `r` and `s`, one after the other."""
SPECS = 20
"""How many specs one test draws, one after the other, so that each may find what another left."""


class Writer:
    """Writes specs at random; `level` counts the repetitions around what is being written."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.level = 0
        self.defines: dict[str, Any] = {}

    def chance(self, likely: float) -> bool:
        return self.rng.random() < likely

    def late(self, args: list[str]) -> str:
        """A late value, of what is known here."""
        indexes = ["index", "index_1"][: self.level]
        if self.chance(0.2):
            return self.rng.choice(["$each.$r", "$own", *[f"$each.${name}" for name in indexes]])
        names = ["r", "s", "dim // 64", *args, *args, *indexes, *indexes]
        return f"$({' + '.join(self.rng.sample(names, self.rng.randint(1, 3)))} + 1)"

    def body(self, depth: int, args: list[str], bodies: list[str]) -> list[Any]:
        return [self.item(depth, args, bodies) for _ in range(self.rng.randint(1, 2))]

    def item(self, depth: int, args: list[str], bodies: list[str]) -> dict[str, Any]:
        around, item = self.level, {}
        if self.chance(0.3):
            item["repeat"] = self.late(args) if self.chance(0.3) else self.rng.randint(1, 3)
            self.level += 1
        if self.chance(0.1):
            item["layer_scale"] = self.late(args)
        if self.chance(0.1):
            item["drop_path"] = {"rates": [0.1, 0.2] * 5}
        made = {**item, **self.operator(depth, args, bodies)}
        self.level = around
        return made

    def operator(self, depth: int, args: list[str], bodies: list[str]) -> dict[str, Any]:
        drawn = self.rng.random()
        if depth == 0 or drawn < 0.4:
            return {"mlp": {"ratio": self.late(args)}}
        if drawn < 0.5:
            return {"mlp": {}}
        if drawn < 0.6 and bodies:
            return {"body": f"${self.rng.choice(bodies)}"}
        if drawn < 0.65 and self.level:
            return {"body": "$bodies.$index"}
        if drawn < 0.85 and self.defines:
            return self.use(depth - 1, args, bodies)
        if drawn < 0.9:
            return {"residual": False, "mlp": {"ratio": 1}, "post": self.body(depth - 1, args, bodies)}
        return {"body": self.body(depth - 1, args, bodies)}

    def use(self, depth: int, args: list[str], bodies: list[str]) -> dict[str, Any]:
        name = self.rng.choice(list(self.defines))
        given = {arg: self.late(args) for arg in self.defines[name]["args"] if arg != "mix"}
        if "mix" in self.defines[name]["args"]:
            given["mix"] = self.body(depth, args, bodies) if depth else [{"mlp": {"ratio": self.late(args)}}]
        if self.chance(0.3):
            given |= {arg: self.late(args) for arg in self.defines[name]["optional"]}
        return {"use": name, **given}

    def define(self) -> dict[str, Any]:
        """A define, some of whose arguments are called like variables."""
        numbers, bodies = self.rng.sample(["k", "r"], self.rng.randint(0, 2)), ["mix"] * self.chance(0.5)
        self.level = self.rng.choice([0, 1, 1, 2])
        optional = {"s": self.late(numbers)} if self.chance(0.3) else {}
        body = "$mix" if bodies and self.chance(0.2) else self.body(2, [*numbers, *optional], bodies)
        return {"args": [*numbers, *bodies], "optional": optional, "body": body}

    def stage(self) -> dict[str, Any]:
        drawn, self.level = self.rng.random(), 1
        if drawn < 0.1:
            return {"depth": 2, "block": "$bodies.$index"}
        if drawn < 0.4:
            return {"depth": self.rng.randint(1, 3), "block": self.body(3, [], [])}
        if drawn < 0.7:
            block = [{"body": "$mix"}, self.item(1, ["k"], ["mix"])]
            used = {"use": "stage", "mix": self.body(2, [], []), "k": self.rng.randint(1, 3)}
            self.defines["stage"] = {"args": ["mix", "k"], "stage": {"depth": "$k", "block": block}}
            return used
        self.level = 0
        return {"body": self.body(3, [], [])}

    def spec(self) -> dict[str, Any]:
        self.level = 1
        bodies = [self.body(0, [], []) for _ in range(10)]
        self.defines |= {f"define_{number}": self.define() for number in range(self.rng.randint(0, 2))}
        self.level = self.rng.randint(0, 1)
        defaults = {"mlp": {"ratio": self.late([])}} if self.chance(0.3) else {}
        own = self.rng.choice(["$(dim // 64)", "$(s * dim // 64)", "$(index + 1)"])
        first = {"tokenizer": {"type": "patch", "size": 8, "dim": 64}, "body": []}
        return {
            "input": {"size": 32}, "classes": 10, "drop_path": 0.1, "defaults": defaults,
            "stages": [first, self.stage()], "define": self.defines, "head": {"pool": "mean"},
            "vars": {"bodies": bodies, "own": own},
        }  # fmt: skip


def analysed(spec: dict[str, Any], r: int, s: int) -> Any:
    each = [r, s, 1, 2, s, r, 1, 2, 3, 1]
    try:
        graph = vitdsl.load({**spec, "vars": {**spec["vars"], "r": r, "s": s, "each": each}}).graph()
    except SpecError as error:
        return error.problems[0].message
    return said(graph)[1:]  # as printed, equal repetitions are one only where memos know it


@pytest.mark.parametrize("seed", range(0, 160, SPECS))
def test_specs_are_analysed_as_if_nothing_were_kept(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    drawn = [Writer(number).spec() for number in range(seed, seed + SPECS)]
    kept = [[analysed(spec, r, s) for r, s in VARIABLES] for spec in drawn]
    monkeypatch.setattr(TraceTable, "find", lambda self, key, trace: None)
    of_one = repeats.repetition
    monkeypatch.setattr(repeats, "repetition", lambda *given: (of_one(*given)[0], True))  # each repetition anew
    right = 0
    for spec, found in zip(drawn, kept, strict=True):
        fresh = [analysed(spec, r, s) for r, s in VARIABLES]
        assert fresh == found, spec
        right += sum(not isinstance(each, str) for each in fresh)
    assert right > 0.7 * len(drawn) * len(VARIABLES)  # else they are too often refused to say anything
