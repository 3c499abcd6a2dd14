"""The maps of a pyramid: which there are, which are asked for, and that their graph has no more than they need."""

import pytest

import vitdsl
from tests.compiler.small import SMALL
from vitdsl.errors import InputError
from vitdsl.graph.ir import HEAD, Call
from vitdsl.graph.schedule import drops
from vitdsl.graph.verify import verify
from vitdsl.graph.views.pyramid import image_maps, levels, pyramid, select
from vitdsl.resolve.files import shipped

ALL = sorted(path.stem for path in shipped().glob("*.yaml"))


def small_graph(name):
    return vitdsl.load(name, SMALL[name]).graph()


def paths(maps):
    return [each.path for each in maps]


def check_blocks(graph):
    """As many maps as the schedule of stochastic depth counts blocks, where it counts them."""
    maps = image_maps(graph)
    assert len(set(paths(maps))) == len(maps) > 0
    for step in graph.frame.steps:
        if isinstance(step, Call) and (counted := step.frames[0].blocks) and step.path != HEAD:
            assert len([each for each in maps if each.path.startswith(f"{step.path}.")]) == counted


@pytest.mark.parametrize("name", list(SMALL))
def test_all_blocks_end_with_a_map(name):
    check_blocks(small_graph(name))


@pytest.mark.full
@pytest.mark.parametrize("name", ALL)
def test_all_blocks_of_all_specs_end_with_a_map(name):
    check_blocks(vitdsl.load(name).graph())


def body_maps(body, **more):
    """The paths of the maps of a stage of 8x8 tokens, below the stage."""
    stage = {"tokenizer": {"type": "patch", "size": 2, "dim": 8}, "body": body, **more}
    graph = vitdsl.load({"input": {"size": 16}, "classes": 3, "stages": [stage]}).graph()
    verify(pyramid(graph, found := paths(image_maps(graph))))
    return [path.removeprefix("stages.0.") for path in found]


MIXER, MLP = {"mixer": {"type": "global", "heads": 2}}, {"mlp": {"ratio": 2}}
PAIR = {"body": [MIXER, MLP]}
BODIES = [
    pytest.param([MIXER, MLP], ["body"], id="one block"),
    pytest.param([PAIR, PAIR], ["body.0", "body.1"], id="two bodies"),
    pytest.param([MLP, PAIR, MLP], ["body.0", "body.1", "body.2"], id="a body parts what stands around it"),
    pytest.param([{"repeat": 2, **PAIR}], ["body.0.0", "body.0.1"], id="repetitions"),
    pytest.param(
        [{"repeat": 2, "body": [PAIR, PAIR]}],
        ["body.0.0.0", "body.0.0.1", "body.0.1.0", "body.0.1.1"],
        id="repetitions of two blocks",
    ),
    pytest.param(
        [{"repeat": 2, "body": [PAIR, "peg"]}], ["body.0.0", "body.0.1"], id="a repetition ends behind its last item"
    ),
    pytest.param(
        [{"parallel": [[{"repeat": 2, **PAIR}], [PAIR]], "merge": "concat"}],
        ["body.0.0.0.0", "body.0.0.0.1", "body.0.1.0", "body.0"],
        id="branches side by side, and what they give together",
    ),
    pytest.param(
        [{"residual": True, "parallel": [[{"mlp": {}, "residual": False}], [{"conv": {"kernel": 3}}]]}],
        ["body"],
        id="branches that are added",
    ),
    pytest.param([{"mlp": {"ratio": 2}, "residual": False}], ["body"], id="an mlp without a shortcut"),
    pytest.param([{"windows": 4, "body": [PAIR]}], ["body"], id="inside of windows there is no map"),
    pytest.param([{"linear": 4}, {"activation": "relu"}], ["body"], id="a body without blocks is one"),
    pytest.param([], [], id="an empty body is none"),
]


@pytest.mark.parametrize(("body", "found"), BODIES)
def test_where_maps_are(body, found):
    assert body_maps(body) == found


def test_a_block_that_works_on_tokens_alone_ends_with_no_map():
    body = [PAIR, {"at": "cls", "body": [MLP]}, {"at": "grid", "body": [MIXER, MLP]}]
    assert body_maps(body, tokens=["cls"]) == ["body.0", "body.2"]


def test_blocks_of_two_streams():
    found = image_maps(small_graph("crossvit_tiny"))
    assert {each.feature.grid for each in found} == {(6, 6), (4, 4)}
    assert [each.feature.grid for each in levels(found)] == [(6, 6), (4, 4)]


def test_which_are_asked_for():
    maps = image_maps(small_graph("swin_tiny"))
    last = paths(levels(maps))
    assert [each.feature.grid for each in levels(maps)] == [(56, 56), (28, 28), (14, 14), (7, 7)]
    assert paths(select(maps, None)) == last
    assert paths(select(maps, 2)) == last[-2:]
    assert paths(select(maps, [3, -4])) == [last[3], last[0]]
    assert paths(select(maps, "stages.0.block.0")) == ["stages.0.block.0"]
    assert paths(select(maps, ("stages.2.block.0", -1))) == ["stages.2.block.0", last[-1]]


@pytest.mark.parametrize("asked", [0, 5, True, [4], [-5], [], [1, 1], [1, -3], "stages.0.blok.0", ["x"], [1.0], [None]])
def test_what_there_is_not(asked):
    maps = image_maps(small_graph("swin_tiny"))
    with pytest.raises(InputError, match=r"`features` must name maps of this model, each once, but has") as caught:
        select(maps, asked)
    assert "it has 4 of them (from -4 to 3; `feature_info` lists them)" in str(caught.value)
    if asked == "stages.0.blok.0":
        assert "did you mean 'stages.0.block.0'?" in str(caught.value)


@pytest.mark.parametrize("name", list(SMALL))
def test_no_more_than_maps_need(name):
    """Rates of stochastic depth stay, stages behind the last map are empty, and no operator is read by nothing."""
    whole = small_graph(name)
    maps = image_maps(whole)
    rates = {drop.path: drop.rate for drop in drops(whole.frame, whole.drop_path)}
    for asked in ([maps[0]], [maps[-1]], [maps[len(maps) // 2], maps[-1]]):
        wanted = list(dict.fromkeys(paths(asked)))
        graph = pyramid(whole, wanted)
        verify(graph)
        assert list(graph.outputs) == wanted
        assert [graph.frame.features[number] for number in graph.outputs.values()] == [
            each.feature.grid_only for each in dict.fromkeys(asked)
        ]
        assert [step.path for step in graph.frame.steps if isinstance(step, Call)] == [
            step.path for step in whole.frame.steps if isinstance(step, Call)
        ]
        assert graph.frame.cost.params < whole.frame.cost.params
        assert all(rates[drop.path] == drop.rate for drop in drops(graph.frame, graph.drop_path))
        assert not any(path.startswith("head") for path, _, _ in graph.frame.nodes())
