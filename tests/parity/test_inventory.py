"""No spec is shipped that nothing is compared with, unless `unmatched.md` says why."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import tests.zoo
from tests.parity import fingerprint
from tests.parity.live import LIVE
from vitdsl.checkpoints.tables import tables_for
from vitdsl.resolve.files import shipped

HERE = Path(__file__).parent
SHIPPED = sorted(path.stem for path in shipped().glob("*.yaml"))
ROW = re.compile(r"^\| (?P<specs>(?:`\w+` ?)+) \| (?P<like>`\w+`|-) \| (?P<why>[^|]+) \|$", re.MULTILINE)


class Unmatched(NamedTuple):
    """One spec of a row: the compared one whose table it shares, if there is one, and the reason."""

    spec: str
    like: str | None
    why: str


@cache
def unmatched() -> tuple[Unmatched, ...]:
    text = (HERE / "unmatched.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    found = list(ROW.finditer(text))
    assert len(found) == len(rows), "a row cannot be read"
    return tuple(
        Unmatched(spec, None if row["like"] == "-" else row["like"].strip("`"), row["why"])
        for row in found
        for spec in re.findall(r"`(\w+)`", row["specs"])
    )


@cache
def records() -> dict[str, str]:
    """Specs and their records, of all the modules beside this one."""
    found: dict[str, str] = {}
    for module in _modules(HERE, "tests.parity"):
        named = getattr(module, "RECORDS", None)
        found |= named if isinstance(named, dict) else {}
    return found


@cache
def live() -> set[str]:
    """Specs that a package's model is compared with."""
    found: set[str] = set()
    for module in _modules(HERE, "tests.parity"):
        for name, value in vars(module).items():
            if name.startswith("LIVE"):
                found |= set(value) if isinstance(value, dict) else {each.spec for each in value}
    return found


@cache
def figures() -> set[str]:
    """Specs whose parameters were counted on other people's code."""
    folder = Path(tests.zoo.__file__).parent
    return {spec for module in _modules(folder, "tests.zoo", "figures_*.py") for spec in module.FIGURES}


def _modules(folder: Path, package: str, pattern: str = "[!_]*.py") -> list[object]:
    names = [path.stem for path in sorted(folder.glob(pattern)) if not path.stem.startswith("test_")]
    return [import_module(f"{package}.{name}") for name in names]


def test_every_spec_is_compared_or_says_why_not() -> None:
    compared = records().keys() | live()
    missing = set(SHIPPED) - compared - {row.spec for row in unmatched()}
    assert not missing, f"neither a record, nor a live model, nor a line in unmatched.md: {sorted(missing)}"


def test_what_is_listed_is_shipped_and_not_compared() -> None:
    listed = [row.spec for row in unmatched()]
    assert len(set(listed)) == len(listed)
    assert set(listed) <= set(SHIPPED)
    assert not set(listed) & (records().keys() | live())
    assert all(len(row.why) > 20 for row in unmatched())


@pytest.mark.parametrize("row", unmatched(), ids=lambda row: row.spec)
def test_sizes_share_their_table_and_have_their_counts(row: Unmatched) -> None:
    assert row.spec in figures()
    if row.like is not None:
        assert row.like in records().keys() | live()
        assert tables_for(row.spec)["official"].name == tables_for(row.like)["official"].name


def test_every_record_is_read() -> None:
    there = {path.stem for path in fingerprint.RECORDS.glob("*.json")}
    assert set(records().values()) <= there
    others = there - set(records().values())
    texts = [path.read_text(encoding="utf-8") for path in HERE.parent.rglob("test_*.py")]
    idle = {name for name in others if not name.startswith("op_") and not any(name in text for text in texts)}
    assert not idle, f"records that nothing reads: {sorted(idle)}"
    assert records().keys() <= set(SHIPPED)


def test_the_page_that_compares_counts_the_same() -> None:
    page = (HERE.parents[1] / "docs/why.md").read_text(encoding="utf-8")
    recorded, like = records().keys() & set(SHIPPED), [row for row in unmatched() if row.like is not None]
    counts = [recorded, live(), recorded | live(), like, [row for row in unmatched() if row.like is None]]
    assert [int(count) for count in re.findall(r"^\| (\d+) \| ", page, re.MULTILINE)] == [*map(len, counts)]
    assert f"{len(LIVE)} models of timm" in page
