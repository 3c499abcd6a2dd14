"""Blocks of stochastic depth, by the rule of the language, and rates that nothing drops by."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random
from typing import Any

import pytest

import vitdsl
from vitdsl.graph.schedule import DropNode, block_rates, drops, unused
from vitdsl.resolve.files import shipped

ADD: dict[str, Any] = {"mlp": {"ratio": 1}}
SHIPPED = Path(__file__).with_name("shipped_rates.txt")
"""Name, number of operators, and a digest of paths and rates, of each shipped spec with stochastic depth."""


def load(body: list[Any], **more: Any) -> Any:
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 4}, "body": body}
    return vitdsl.load(
        {"name": "s", "input": {"size": 8}, "classes": 2, "stages": [stage], "head": {"pool": "mean"}, **more}
    )


def found(body: list[Any], **more: Any) -> list[DropNode]:
    graph = load(body, **more).graph()
    return list(drops(graph.frame, graph.drop_path))


# ---------------------------------------------------------------- the rule


def drawn(random: Random, level: int) -> list[Any]:
    """A body of everything that the rule speaks of."""
    kinds = ["add", "add", "add", "plain", "off", "fixed", "peg"]
    kinds += ["body", "repeat", "use", "inner", "repeated", "windows", "parallel", "pre"] if level else []
    made: list[Any] = []
    for kind in random.choices(kinds, k=random.randint(1, 4)):
        inside = drawn(random, level - 1) if level else []
        made.append(
            {
                "add": {**ADD},
                "plain": {"activation": "relu"},
                "off": {**ADD, "drop_path": "none"},
                "fixed": {**ADD, "drop_path": 0.5},
                "peg": {"peg": 3},
                "body": {"body": inside},
                "repeat": {"repeat": random.randint(1, 3), "body": inside},
                "use": {"use": "put", "what": inside},
                "inner": {"residual": True, "body": inside},
                "repeated": {**ADD, "repeat": random.randint(1, 3)},
                "windows": {"windows": 1, "body": inside},
                "parallel": {"parallel": [inside, drawn(random, level - 1) if level else []], "merge": "mean"},
                "pre": {"pre": inside, "activation": "relu"},
            }[kind]
        )
    return made


def numbers(body: list[Any], first: int) -> tuple[list[int | None], int]:
    """The block of each sum that drops (None: its rate is fixed), and the number of the next block.

    Items that add directly in one body are one block. A nested body that holds blocks splits what stands before it
    from what stands after it. A sum inside a branch that is added is no block, and drops by a rate of its own alone.
    """
    sums: list[int | None] = []
    mine, following = None, first
    for item in body:
        times = item.get("repeat", 1)
        if "peg" in item or "activation" in item or item.get("drop_path") == "none":
            sums += [None] * fixed(item.get("pre", []))
        elif item.get("drop_path") == 0.5:
            sums.append(None)
        elif item.get("residual"):
            sums += [None] * fixed(item["body"])
            if mine is None:
                mine, following = following, following + 1
            sums.append(mine)
        elif "mlp" in item and "repeat" not in item:
            if mine is None:
                mine, following = following, following + 1
            sums.append(mine)
        else:
            before = following
            branches = item.get("parallel") or [item.get("body") or item.get("what") or [ADD]]
            for _ in range(times):
                each = [numbers(branch, following) for branch in branches]
                sums += [number for branch, _ in each for number in branch]
                following = max(after for _, after in each)
            mine = mine if following == before else None
    return sums, following


def fixed(body: list[Any]) -> int:
    """How many sums have a rate of their own, where the schedule has no say."""
    count = 0
    for item in body:
        inside = [*item.get("parallel", []), item.get("pre"), item.get("body"), item.get("what")]
        count += (item.get("drop_path") == 0.5) + item.get("repeat", 1) * sum(fixed(each) for each in inside if each)
    return count


@pytest.mark.parametrize("seed", range(150))
def test_blocks_are_numbered_by_the_rule(seed: int) -> None:
    random = Random(seed)
    body = drawn(random, random.randint(0, 3))
    define = {"put": {"args": ["what"], "body": [{"body": "$what"}]}}
    wanted, count = numbers(body, 0)
    made = found(body, define=define, drop_path=0.3)
    assert [drop.point.block if drop.point.rate is None else None for drop in made] == wanted
    for drop, number in zip(made, wanted, strict=True):
        rate = 0.5 if number is None else 0.3 * number / (count - 1) if count > 1 else 0
        assert drop.rate == pytest.approx(rate, rel=1e-9, abs=0)


PAIR = [ADD, ADD]


@pytest.mark.parametrize(
    ("body", "rates"),
    [
        pytest.param([{"repeat": 3, "body": PAIR}, *PAIR], [0, 0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3], id="behind it"),
        pytest.param([*PAIR, {"repeat": 3, "body": PAIR}], [0, 0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3], id="before it"),
        pytest.param([ADD, {"repeat": 2, "body": PAIR}, ADD], [0, 0.1, 0.1, 0.2, 0.2, 0.3], id="around it"),
        pytest.param([ADD, {"repeat": 2, "body": ["norm"]}, ADD, {"body": [ADD]}], [0, 0, 0.3], id="no blocks inside"),
        pytest.param([{"repeat": 2, "body": [{"residual": True, "body": ["norm", ADD]}]}], [0, 0.3], id="an inner sum"),
        pytest.param([{"repeat": 4, **ADD}], [0, 0.1, 0.2, 0.3], id="a repetition is a body"),
        pytest.param([{"parallel": [[{"repeat": 2, "body": [ADD]}], [ADD]]}], [0, 0.3, 0], id="branches side by side"),
    ],
)  # fmt: skip
def test_rates(body: list[Any], rates: list[float]) -> None:
    made = vitdsl.build(load(body, drop_path=0.3), device="meta")
    modules = [module.rate for module in made.modules() if type(module).__name__ == "DropPath"]
    assert modules == [drop.rate for drop in found(body, drop_path=0.3)] == pytest.approx(rates, rel=1e-9, abs=0)


def test_a_rate_of_its_own_drops_inside_of_a_branch() -> None:
    body = [{"residual": True, "drop_path": "none", "body": ["norm", {**ADD, "drop_path": 0.2}]}]
    assert [drop.rate for drop in found(body, drop_path=0.3)] == [0.2]


@pytest.mark.parametrize("schedule", ["linear", "per_stage", "constant"])
def test_no_rate_is_above_the_largest(schedule: str) -> None:
    """A block of the head belongs to the last stage."""
    rate = [0.3] if schedule == "per_stage" else 0.3
    made = found(
        [{"body": [ADD]}], head=[ADD, {"pool": "mean"}, "classifier"], drop_path={"rate": rate, "schedule": schedule}
    )
    assert [drop.rate for drop in made] == ([0.3, 0.3] if schedule == "constant" else [0, 0.3])


# ---------------------------------------------------------------- rates by which nothing drops


@pytest.mark.parametrize(
    ("body", "more", "said"),
    [
        (["norm"], {"drop_path": 0.1}, "nothing drops: no item adds"),
        ([{**ADD, "drop_path": "none"}], {"drop_path": 0.1}, "nothing drops: no item adds"),
        (PAIR, {"drop_path": 0.1}, "nothing drops: its only block is the first"),
        ([{"norm": "layer", "drop_path": 0.1}], {}, "stages.0.body.0 gives `drop_path` a rate"),
        ([{"repeat": 2, "body": ["norm"], "drop_path": 0.1}], {}, "stages.0.body.0.0 gives `drop_path` a rate"),
        ([{**ADD, "residual": False, "drop_path": {"at": 0.1}}], {}, "stages.0.body.0 gives `drop_path` a rate"),
        ([{**ADD, "drop_path": {"at": 0.1}}], {}, "the file gives none"),
        (["norm"], {"stages[0].drop_path": 0.1}, "stages.0 gives `drop_path` a rate"),
        ([ADD, {"body": [ADD]}], {"drop_path": 0.1}, ""),
        (PAIR, {"drop_path": {"rate": 0.1, "schedule": "constant"}}, ""),
        (["norm"], {"drop_path": 0}, ""),
        ([{**ADD, "drop_path": 0.1}], {}, ""),
    ],
)
def test_a_rate_by_which_nothing_drops_is_said(body: list[Any], more: dict[str, Any], said: str) -> None:
    graph = vitdsl.load(load(body), more).graph()
    warnings = list(unused(graph.frame, graph.drop_path))
    assert len(warnings) == bool(said)
    assert all(said in warning for warning in warnings)


# ---------------------------------------------------------------- shipped specs


def digests() -> list[str]:
    """The lines that `shipped_rates.txt` holds: `python -m tests.graph.test_schedule` writes them."""
    lines = []
    for path in sorted(shipped(".").glob("*.yaml")):
        graph = vitdsl.load(path).graph()
        made = [f"{drop.path} {drop.rate:.9f}" for drop in drops(graph.frame, graph.drop_path)]
        if made:
            lines.append(f"{path.stem} {len(made)} {hashlib.sha256(chr(10).join(made).encode()).hexdigest()[:16]}")
    return lines


def test_rates_of_shipped_specs_stay() -> None:
    assert digests() == SHIPPED.read_text(encoding="utf-8").splitlines()


def test_blocks_are_listed_with_their_rates() -> None:
    graph = vitdsl.load("crossvit_tiny").graph()
    rates = block_rates(graph.frame, graph.drop_path)
    assert [(rate.path, round(rate.rate, 6)) for rate in rates[:3]] == [
        ("stages.2.block.0.0", 0.0), ("stages.2.block.0.1.0", 0.0), ("stages.2.block.0.1.1", 0.009091),
    ]  # fmt: skip


if __name__ == "__main__":
    SHIPPED.write_text("\n".join([*digests(), ""]), encoding="utf-8")
