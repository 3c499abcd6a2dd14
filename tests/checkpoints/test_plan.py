"""Which table serves a spec, and which layout some keys are in."""

import pytest

from tests.checkpoints.messages import messages
from vitdsl.checkpoints.plan import identify_layout
from vitdsl.checkpoints.tables import tables_for
from vitdsl.errors import CheckpointError

TABLE = """\
layout: {layout}
specs: [tiny, other]
source: someone
rows:
  - {row}
  - {{from: k, to: y, only: other}}
"""


@pytest.fixture
def folder(tmp_path):
    def write(name, layout, row):
        (tmp_path / f"{name}.yaml").write_text(TABLE.format(layout=layout, row=row))

    write("fam.official", "[official, timm]", "a.{p} -> x.{p}")
    write("fam.torchvision", "torchvision", "b.{p} -> x.{p}")
    return tmp_path


def test_tables_by_layout(folder):
    tables = tables_for("tiny", folder)
    assert list(tables) == ["official", "timm", "torchvision"]
    assert tables["official"] is tables["timm"]
    assert [str(row) for row in tables["official"].rows] == ["a.{p} -> x.{p}"]
    assert len(tables_for("other", folder)["timm"].rows) == 2
    assert tables_for("unknown", folder) == {}


def test_two_tables_of_one_layout(folder):
    (folder / "more.timm.yaml").write_text(TABLE.format(layout="timm", row="c.{p} -> x.{p}"))
    with pytest.raises(CheckpointError) as caught:
        tables_for("tiny", folder)
    assert str(caught.value) == "Two tables serve `tiny` in the layout `timm`: fam.official and more.timm. [E712]"


def test_layouts_are_told_apart_by_their_keys(folder):
    tables, ours = tables_for("tiny", folder), ["x.weight", "x.num_batches_tracked"]
    assert identify_layout(["a.weight"], tables, ours) == "official"
    assert identify_layout(["b.weight", "b.num_batches_tracked"], tables, ours) == "torchvision"


def test_no_layout_fits(folder):
    with pytest.raises(CheckpointError) as caught:
        identify_layout(["a.weight", "extra"], tables_for("tiny", folder), ["x.weight"])
    assert str(caught.value) == (
        "The keys fit none of the layouts known for this spec. "
        "`layout=`, or `--layout`, takes a table of your own. [E708]\n"
        "  - `official`: 0 missing, 1 unexpected (`extra`).\n"
        "  - `torchvision`: 1 missing (`b.weight`), 2 unexpected (`a.weight`)."
    )
    with pytest.raises(CheckpointError) as caught:
        identify_layout(["a"], {}, ["x"])
    assert messages(caught.value) == ("There are none.",)


def test_several_layouts_fit(folder):
    (folder / "fam.huggingface.yaml").write_text(TABLE.format(layout="huggingface", row="a.{q} -> x.{q}"))
    with pytest.raises(CheckpointError) as caught:
        identify_layout(["a.weight"], tables_for("tiny", folder), ["x.weight"])
    assert str(caught.value) == (
        "The keys fit several layouts; name the one that is meant. [E708]\n  - Candidates: `huggingface`, `official`."
    )
