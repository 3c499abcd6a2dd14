"""The mixers of a graph are found, and a graph that gives their maps is valid and costs the same."""

import pytest

import vitdsl
from tests.hybrids.models import drawn
from tests.zoo.specs import all_of_them, smallest
from vitdsl.graph.axes import axes
from vitdsl.graph.ir import Call
from vitdsl.graph.verify import verify
from vitdsl.graph.views.attention import find_mixers, with_maps
from vitdsl.parts.primitives.gather import Gather
from vitdsl.syntax.printer import dump_tree


def check_views(spec: vitdsl.Spec) -> int:
    """Holds the views of a spec; gives the number of its maps."""
    graph = spec.graph()
    mixers = find_mixers(graph)
    paths = [mixer.path for mixer in mixers if not mixer.without_map]
    assert len({mixer.path for mixer in mixers}) == len(mixers)
    opened = with_maps(graph, paths)
    verify(opened.graph)
    assert opened.graph.frame.cost.macs == graph.frame.cost.macs
    assert opened.graph.frame.cost.params == graph.frame.cost.params
    for mixer in (each for each in mixers if not each.without_map):
        feature = opened.graph.frame.features[opened.maps[mixer.path]]
        assert (feature.dim, feature.grid) == (mixer.heads, (mixer.queries.num_tokens, mixer.keys.num_tokens))
    return len(paths)


@pytest.mark.parametrize("name", all_of_them(smallest()))
def test_views_of_shipped_specs(name):
    check_views(vitdsl.load(name))


def test_views_of_hybrids():
    assert sum(map(check_views, filter(None, map(accepted, range(40))))) > 40


def accepted(number: int) -> vitdsl.Spec | None:
    try:
        spec = vitdsl.load(dump_tree(drawn(number)))
        spec.graph()
    except vitdsl.SpecError:
        return None
    return spec


@pytest.mark.parametrize("name", all_of_them(smallest()))
def test_mixers_are_those_of_the_axes(name):
    """And those that take the maps of others, which make none themselves."""
    graph = vitdsl.load(name).graph()
    rows = {row["module"] for row in axes(graph)}
    carried = {path.rpartition(".")[0] for path, node, _ in graph.frame.nodes() if isinstance(node.op, Gather)}
    found = {mixer.path for mixer in find_mixers(graph)}
    numbered = {module.replace("{n}", str(number)) for module in rows for number in range(60)} & found
    assert found == numbered | (carried & found)
    for row in rows:
        assert any(row == path or fits(row, path) for path in found), row


def fits(row: str, path: str) -> bool:
    pairs = zip(row.split("."), path.split("."), strict=False)
    return row.count(".") == path.count(".") and all(a == b or (a == "{n}" and b.isdigit()) for a, b in pairs)


def test_only_frames_with_maps_are_opened():
    graph = vitdsl.load("deit_tiny").graph()
    opened = with_maps(graph, ["stages.0.block.3.0.mixer"])
    assert [*opened.maps] == ["stages.0.block.3.0.mixer"]
    assert opened.repetitions == ("stages.0.block.3",)
    before, after = (
        next(step for step in each.frame.steps[0].frames[0].steps if isinstance(step, Call))
        for each in (graph, opened.graph)
    )
    same = [old is new for old, new in zip(before.frames, after.frames, strict=True)]
    assert same == [number != 3 for number in range(12)]


def test_what_mixers_ask_and_where():
    first, second, *_ = find_mixers(vitdsl.load("swin_tiny").graph())
    assert (str(first.queries), first.windows[0].shift, second.windows[0].shift) == ("7x7·96", (0, 0), (3, 3))
    assert all(mixer.softmax for mixer in find_mixers(vitdsl.load("swin_tiny").graph()))
    assert not any(mixer.softmax for mixer in find_mixers(vitdsl.load("cait_xxs24").graph())[:24])
    carried = [mixer.softmax for mixer in find_mixers(vitdsl.load("refiner_vit_s").graph())]
    assert carried[0]
    assert not any(carried[1:])
