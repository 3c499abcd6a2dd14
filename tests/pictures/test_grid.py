"""Boxes, lanes, entries and exits of a body have places of their own, in the order of the flow."""

import pytest

from tests.pictures.bodies import Models
from vitdsl.pictures.boxes import BORDER
from vitdsl.pictures.grid import arrange


def bodies(root):
    return [box.body for box in root.below() if box.body is not None]


@pytest.mark.parametrize("seed", range(100))
def test_places(seed):
    for body in bodies(Models(seed).model()):
        grid = arrange(body)
        places = [(grid.rows[n], grid.columns[n]) for n in range(len(body.boxes))]
        places += [(0, column) for column in grid.entries] + [(grid.height - 1, column) for column in grid.exits]
        for lane in grid.lanes:
            if lane is not None:
                places += [(row, lane.column) for row in range(lane.first, lane.last + 1)]
        assert len(places) == len(set(places))
        assert {column for _, column in places} == set(range(grid.width))
        for net, lane in zip(body.nets, grid.lanes, strict=True):
            source = grid.row(net.source, True)
            rows = [grid.row(target, False) for target in net.targets]
            assert all(source < row for row in rows)
            assert (lane is None) == (max(rows) == source + 1)
            assert lane is None or (lane.first, lane.last) == (source + 1, max(rows) - 1)


def test_a_chain_is_straight_and_what_passes_it_is_beside_it():
    from vitdsl.pictures.opening import open_spec
    from vitdsl.spec import load

    block = next(box for box in open_spec(load("deit_tiny")).below() if box.kind == "block")
    grid = arrange(block.body)
    assert set(grid.columns) == {0}
    assert grid.rows == [*range(1, len(grid.rows) + 1)]
    assert grid.width == 2
    passing = [net for net, lane in zip(block.body.nets, grid.lanes, strict=True) if lane]
    assert len(passing) == 2
    assert passing[0].source.box == BORDER


def test_exits_may_stay_where_they_come_from():
    body = Models(3).model().body
    grid = arrange(body, spread=False)
    for net in body.nets:
        for target in net.targets:
            if target.box == BORDER:
                assert grid.exits[target.port] == grid.column(net.source, True)
