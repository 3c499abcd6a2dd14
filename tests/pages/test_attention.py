"""Maps as one query sees them, their colours, and the picture of all."""

import numpy as np
import pytest
import torch
from PIL import Image

from vitdsl.compiler.attention import AttentionMap
from vitdsl.features import Feature
from vitdsl.graph.operators import OpenWindows
from vitdsl.pages.attention import ALARM, UNSEEN, Asked, ask, paint, picture
from vitdsl.pages.scene import Laid, Text

GRID = Feature(4, (2, 3))
TOKENS = Feature(4, (2, 3), ("dist", "cls"))
LIST = Feature(4, count=5)


def found(queries, keys, windows=(), softmax=True):
    count = [opened.counts[0] * opened.counts[1] for opened in windows]
    size = (2, *count, 2, queries.num_tokens, keys.num_tokens)
    weights = torch.rand(size, generator=torch.Generator().manual_seed(0))
    return AttentionMap("stages.0.mixer", weights, queries, keys, tuple(windows), softmax)


def equal(asked, wanted):
    torch.testing.assert_close(asked.over, wanted.double(), rtol=0, atol=1e-12, equal_nan=True)


def test_the_class_token_asks_where_there_is_one():
    one = found(TOKENS, TOKENS)
    asked = ask(one)
    assert (asked.query, asked.notes, asked.ring) == ("token cls", ("keys dist, cls not drawn",), None)
    equal(asked, one.weights[0, :, 1, 2:].unflatten(1, (2, 3)))
    assert ask(found(Feature(4, None, ("dist",)), GRID)).query == "token dist"


def test_else_all_ask():
    one = found(GRID, GRID)
    asked = ask(one)
    assert (asked.query, asked.notes) == ("mean over all queries", ())
    equal(asked, one.weights[0].double().mean(1).unflatten(1, (2, 3)))
    assert ask(found(LIST, GRID)).query == "mean over all queries"


@pytest.mark.parametrize(
    ("at", "row", "column"), [((0, 0), 0, 0), ((0.49, 0.34), 0, 1), ((0.5, 0.99), 1, 2), ((1, 1), 1, 2)]
)
def test_a_position_asks(at, row, column):
    one = found(TOKENS, TOKENS)
    asked = ask(one, at)
    assert asked.query == f"position {row},{column} of 2x3"
    assert asked.ring == ((column + 0.5) / 3, (row + 0.5) / 2)
    equal(asked, one.weights[0, :, 2 + 3 * row + column, 2:].unflatten(1, (2, 3)))


def test_where_no_position_asks_the_token_does():
    assert ask(found(Feature(4, None, ("cls",)), GRID), (0.1, 0.1)).query == "token cls"


def test_a_position_sees_its_window():
    windows = [OpenWindows(size=(2, 2), shift=(1, 1), grid=(3, 4))]
    one = found(Feature(4, (2, 2)), Feature(4, (2, 2)), windows)
    asked = ask(one, (0.1, 0.1))
    assert asked.query == "position 0,0 of 3x4"
    assert asked.notes == ("windows of 2x2, shifted by 1x1",)
    window = 3  # rows 3 (filled up) and 0, columns 3 and 0
    wanted = torch.full((2, 3, 4), torch.nan)
    wanted[:, 0, 3], wanted[:, 0, 0] = one.weights[0, window, :, 3, 2], one.weights[0, window, :, 3, 3]
    equal(asked, wanted)


def test_in_windows_all_queries_of_a_window_ask():
    windows = [OpenWindows(size=(2, 2), grid=(2, 3))]
    one = found(Feature(4, (2, 2)), Feature(4, (2, 2)), windows)
    asked = ask(one)
    assert asked.query == "mean over the queries of each window"
    wanted = torch.empty(2, 2, 3, dtype=torch.float64)
    wanted[:, :, :2] = one.weights[0, 0].double().mean(1).unflatten(1, (2, 2))
    wanted[:, :, 2] = one.weights[0, 1].double()[:, [0, 2]].mean(1)[:, [0, 2]]  # what fills the window up is nowhere
    equal(asked, wanted)


def test_keys_without_a_grid_are_not_drawn():
    asked = ask(found(GRID, LIST, softmax=False))
    assert asked.over is None
    assert asked.notes == ("its 5 keys are on no grid, and cannot be laid over a photo", "no plain softmax")


def test_colours():
    colors, largest = paint(torch.tensor([[0.0, 0.25, 0.5], [torch.nan, -0.5, 0.1]], dtype=torch.float64))
    assert (colors.shape, colors.dtype, largest) == ((2, 3, 4), np.uint8, 0.5)
    brightness = colors[..., :3].astype(int).sum(-1)
    assert brightness[0, 0] < brightness[0, 1] < brightness[0, 2]
    assert tuple(colors[1, 0]) == UNSEEN
    assert colors[1, 1][2] > colors[1, 1][0]  # blue
    assert paint(torch.zeros(1, 2))[1] == 0
    assert paint(torch.full((1, 2), torch.nan))[1] == 0
    assert paint(torch.tensor([[0.1, -0.2]]))[1] < 0


def test_a_picture_has_a_photo_for_each_head_and_says_what_is_what():
    asked = [ask(found(TOKENS, TOKENS)), ask(found(GRID, LIST)), ask(found(GRID, GRID), (0, 0))]
    scene = picture("model", Image.new("L", (64, 32)), asked, "no rollout here", ["a remark"], "an alarm")
    texts = [each for each in scene.elements if isinstance(each, Text)]
    laid = [each for each in scene.elements if isinstance(each, Laid)]
    said = " ".join(each.text for each in texts)
    for words in ("model: attention maps", "a remark", "no rollout here", "stages.0.mixer", "head 0:", "head 1:",
                  "query: token cls", "its 5 keys are on no grid", "query: position 0,0 of 2x3"):  # fmt: skip
        assert words in said
    assert [each.text for each in texts if each.color == ALARM] == ["an alarm"]
    assert len(laid) == 1 + 2 + 2
    assert all(each.width == 2 * each.height for each in laid)
    assert [each.ring is not None for each in laid] == [False, False, False, True, True]
    for each in laid:
        assert each.x + each.width <= scene.width
        assert each.y + each.height <= scene.height
    with_rollout = picture("model", Image.new("RGB", (32, 32)), [], ask(found(TOKENS, TOKENS)._replace(path="rollout")))
    assert len([each for each in with_rollout.elements if isinstance(each, Laid)]) == 2


def test_many_heads_and_long_texts_stay_on_the_page():
    over = torch.rand(30, 2, 2, dtype=torch.float64)
    name = "x" * 400 + " <b>" + "\n" * 3
    scene = picture(name, Image.new("RGB", (8, 8)), [Asked(name, name, over, None, (name,), True)], name, [name], name)
    laid = [each for each in scene.elements if isinstance(each, Laid)][1:]
    assert len({(each.x, each.y) for each in laid}) == 30
    assert len({each.x for each in laid}) == 12
    assert max(each.x + each.width for each in laid) <= scene.width
    texts = [each for each in scene.elements if isinstance(each, Text)]
    assert all(each.y < scene.height for each in texts)
    assert all("\n" not in each.text for each in texts)
