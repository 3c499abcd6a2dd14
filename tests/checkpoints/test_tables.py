"""Tables of keys: what a file may say, and every refusal word for word."""

from importlib import metadata
from types import SimpleNamespace

import pytest
import torch

from vitdsl.checkpoints.convert import to_ours, to_theirs
from vitdsl.checkpoints.tables import (
    ENTRY_POINTS,
    custom_table,
    parse_table,
    read_table,
    shipped_folder,
    tables_for,
    tables_of,
)
from vitdsl.errors import CheckpointError

GOOD = {"layout": "official", "specs": ["tiny"], "source": "someone"}


def test_only_keeps_the_rows_of_a_spec():
    rows = ["a -> b", {"from": "c", "to": "d", "only": "*_distilled"}]
    table = parse_table({**GOOD, "specs": ["tiny", "tiny_distilled"], "rows": rows})
    assert [str(row) for row in table.of("tiny").rows] == ["a -> b"]
    assert table.of("tiny_distilled") is table


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(CheckpointError) as caught:
        parse_table({"layout": "official", "specs": [], "source": "x", "rows": ["a => b", "c -> d", "e"]})
    assert [(each.path, each.message) for each in caught.value.problems] == [
        ("specs", "it must not be empty"),
        ("rows[0]", "a row is `theirs -> ours` or a mapping, found `a => b`"),
        ("rows[2]", "a row is `theirs -> ours` or a mapping, found `e`"),
    ]


def test_a_row_for_no_spec():
    with pytest.raises(CheckpointError, match="row `a -> b` is only for `large`, which the table does not serve"):
        parse_table({**GOOD, "rows": [{"from": "a", "to": "b", "only": "large"}]})


def test_a_file_is_named_after_its_layout(tmp_path):
    path = tmp_path / "family.theirs.yaml"
    path.write_text("rows:\n  - a.{i} -> b.{i}\n")
    table = read_table(path)
    assert (table.name, table.layout, table.specs) == ("family.theirs", ("theirs",), ("*",))
    path.write_text("layout: [official, timm]\nspecs: [tiny]\nsource: x\nrows:\n  - a.{i} -> b.{i}\n")
    assert read_table(path).layout == ("official", "timm")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("rows: [a -> b\n", 1, 14, "the list […] is not closed"),
        ("rows:\n  - a -> b\nrows:\n  - c -> d\n", 3, 1, "rows"),
        ("rows:\n  - a -> b\n  - a => b\n", 3, 5, "a row is `theirs -> ours`"),
        ("rows:\n  - {from: a, to: b, patern: c}\n", 2, 30, "there is no key `patern` here"),
        ("layout: x\nlet: {n: {a: 1.5}}\nrows: [a -> b]\n", 2, 10, "Input should be"),
        ("layout: x\n", 1, 1, "`rows` is missing"),
        ("rows:\n  - from: a\n    to: b\n    per_head: {parts: [w]}\n", 4, 24, "is not named by the table's `let`"),
    ],
)
def test_errors_of_files_have_a_place(tmp_path, text, line, column, message):
    path = tmp_path / "family.official.yaml"
    path.write_text(text)
    with pytest.raises(CheckpointError) as caught:
        read_table(path)
    first = caught.value.problems[0]
    assert (first.file, first.line, first.column) == (str(path), line, column)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}:{column}")


def test_what_is_no_table(tmp_path):
    path = tmp_path / "family.official.yaml"
    path.write_text("[]")
    with pytest.raises(CheckpointError, match=r"official\.yaml: a table is a mapping with `rows`, found \[\]"):
        read_table(path)
    with pytest.raises(CheckpointError, match=r"none\.yaml: there is no such file"):
        read_table(tmp_path / "none.yaml")


# ---------------------------------------------------------------- numbers by spec

LET = {
    **GOOD,
    "specs": ["small", "small_wide", "large"],
    "let": {"start": {"small*": [0, 6], "*": [0, 10]}, "width": {"*_wide": 4, "*": 2}, "shift": 1},
    "rows": [
        {
            "from": "b.{start[s]+i+shift}.qk",
            "to": "stages.{s}.{i}.qk",
            "per_head": {"parts": ["width", "2*width"]},
        },
        {
            "drop": "zeros",
            "from": "z.{start[s]}",
            "each": "stages.{s}.0.qk",
            "write": "zeros",
            "shape": ["width", "d0"],
        },
    ],
}


@pytest.mark.parametrize(("spec", "second", "width"), [("small", 6, 2), ("small_wide", 6, 4), ("large", 10, 2)])
def test_a_table_names_numbers_by_spec(spec, second, width):
    table = parse_table(LET).of(spec)
    ours = {"stages.0.0.qk": (6 * width,), "stages.1.0.qk": (6 * width,)}
    theirs = {f"b.{start + 1}.qk": torch.arange(6.0 * width) for start in (0, second)}
    made = to_ours(theirs, table, ours)
    heads = torch.arange(6 * width).reshape(2, 3 * width)
    assert made["stages.1.0.qk"].tolist() == [
        *heads[:, :width].flatten().tolist(),
        *heads[:, width:].flatten().tolist(),
    ]
    back = to_theirs(made, table, ours)
    assert {key: back.pop(key).shape for key in (f"z.{second}", "z.0")} == dict.fromkeys(
        (f"z.{second}", "z.0"), (width, 6 * width)
    )
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], theirs[key]) for key in theirs)


def test_numbers_for_no_spec_are_missed():
    table = parse_table({**GOOD, "let": {"n": {"small": 1}}, "rows": ["a.{i+n} -> b.{i}"]})
    with pytest.raises(CheckpointError, match=r"`let\.n` of official says nothing of `tiny`; it has `small`"):
        table.of("tiny")


def test_the_grid_of_a_table_of_positions_need_not_be_written():
    table = parse_table(
        {**GOOD, "rows": [{"from": "p", "to": "q", "pattern": "a c height width -> a (height width) c"}]}
    )
    theirs = torch.randn(1, 3, 2, 8)
    made = to_ours({"p": theirs}, table, {"q": (1, 16, 3)})
    assert torch.equal(to_theirs(made, table, {"q": (1, 16, 3)}, {"q": (2, 8)})["p"], theirs)
    assert torch.equal(to_theirs(made, table)["p"], theirs)
    with pytest.raises(CheckpointError, match="Row `p -> q` does not fit our `q`"):
        to_theirs(dict(made), table, {"q": (1, 16, 3)})


# ---------------------------------------------------------------- where tables are


def test_tables_beside_a_spec(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: deit_tiny\nname: my_own\n")
    for name in ("mine.theirs", "my_own.others", "deit_tiny.timm"):
        (tmp_path / f"{name}.yaml").write_text("rows:\n  - body.{k*} -> {k*}\n")
    (tmp_path / "mine.v2.yaml").write_text("extends: deit_tiny\n")  # a spec, whose name has a dot
    tables = tables_of(("my_own", "deit_tiny"), tmp_path / "mine.yaml")
    assert list(tables) == ["theirs", "others", "timm", "official", "huggingface"]
    assert tables["timm"].name == "deit_tiny.timm"  # nearer than the one that is shipped
    assert list(tables_of(("my_own", "deit_tiny"))) == ["official", "timm", "huggingface"]


def test_a_wrong_table_beside_a_spec_is_said(tmp_path):
    (tmp_path / "mine.theirs.yaml").write_text("rows:\n  - body.{k*}\n")
    with pytest.raises(CheckpointError, match=r"mine\.theirs\.yaml:2:5: rows\[0\]"):
        tables_of(("mine",), tmp_path / "mine.yaml")


def test_tables_of_other_packages(tmp_path, monkeypatch):
    (tmp_path / "own.theirs.yaml").write_text("specs: [deit_tiny, mine]\nrows:\n  - body.{k*} -> {k*}\n")
    package = SimpleNamespace(__file__=str(tmp_path / "__init__.py"))
    entry = SimpleNamespace(load=lambda: package)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == ENTRY_POINTS else [])
    assert list(tables_for("mine")) == ["theirs"]
    assert list(tables_for("deit_tiny")) == ["official", "timm", "huggingface", "theirs"]


def test_a_table_in_place_of_a_name(tmp_path):
    path = tmp_path / "any.yaml"
    path.write_text("rows:\n  - {from: a, to: b, only: tiny}\n  - c -> d\n")
    for given in (path, str(path), {"rows": [{"from": "a", "to": "b", "only": "tiny"}, "c -> d"]}):
        table = custom_table(given, ("mine", "tiny"))
        assert table is not None
        assert [str(row) for row in table.rows] == ["c -> d"]
    assert custom_table("official", ("tiny",)) is None


def test_no_table_is_called_as_our_own_layout(tmp_path):
    (tmp_path / "mine.ours.yaml").write_text("rows:\n  - a -> b\n")
    with pytest.raises(CheckpointError, match="the layout `ours` is that of our own state dicts"):
        custom_table(tmp_path / "mine.ours.yaml", ("mine",))
    with pytest.raises(CheckpointError, match="the layout `ours` is that of our own state dicts"):
        tables_of(("mine",), tmp_path / "mine.yaml")


# ---------------------------------------------------------------- the tables that are shipped

PATHS = sorted(shipped_folder().glob("*.*.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_table_parses_and_is_named_after_its_layout(path):
    table = read_table(path)
    assert path.stem.split(".")[1] == table.layout[0]
    assert len({(str(row), row.only) for row in table.moves}) == len(table.moves)


@pytest.mark.parametrize("spec", sorted({spec for path in PATHS for spec in read_table(path).specs}))
def test_every_spec_has_an_official_table(spec):
    """But the first ViT, whose authors' weights are no torch state dict."""
    tables = tables_for(spec)
    assert "official" in tables or (spec.startswith("vit_") and "timm" in tables)
