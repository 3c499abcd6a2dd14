"""Streams and windows: what was written outside is read window by window; what windows hold stays in them."""

import pytest
import torch

import vitdsl

READS = {
    "a branch": {"parallel": [[], [{"from": "g"}]]},
    "a branch with an operator": {"parallel": [[], [{"from": "g"}, {"linear": 16}]]},
    "an item that reads": {"body": [{"from": "g", "linear": 16, "residual": True}]},
    "the grid of a stream": {"parallel": [[], [{"from": "g.grid"}]]},
    "the body's own stream": {"parallel": [[], [{"from": "x"}]]},
    "twice": {"parallel": [[{"from": "g"}], [{"from": "g"}, {"linear": 16}]]},
    "in a repetition": {"body": [{"repeat": 2, "parallel": [[], [{"from": "g"}, {"linear": 16}]]}]},
}


def spec(*body, **more):
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "body": list(body)}
    return {"classes": 5, "input": {"size": 32}, "stages": [stage], "head": {"pool": "mean"}, **more}


@pytest.mark.parametrize("windows", [2, {"size": 4, "shift": 1}, {"size": [2, 8], "shift": [1, 0]},
                                     {"size": 3, "fit": "pad"}])  # fmt: skip
@pytest.mark.parametrize("read", READS)
def test_what_was_written_outside_is_read_window_by_window(read, windows):
    before = [{"write": "g"}, {"linear": 16}]
    inside = vitdsl.build(spec(*before, {"windows": windows, **READS[read]})).double().eval()
    whole = vitdsl.build(spec(*before, {"post": "none", **READS[read]})).double().eval()
    whole.load_state_dict(inside.state_dict())
    image = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    assert (inside(image) - whole(image)).abs().max() < 1e-12


REFUSED = {
    "another grid": (
        [{"write": "g"}, {"resize": 4}, {"windows": 2, "body": [{"from": "g"}]}],
        "`g` was written outside of these windows, which cut only a grid of 4x4, but it is 8x8·16",
    ),
    "several windows": (
        [{"write": "g"}, {"windows": 4, "body": [{"windows": 2, "body": [{"from": "g"}]}]}],
        "`g` was written outside of nested windows, and cannot be read inside of them",
    ),
    "written inside": (
        [{"write": "g"}, {"windows": 2, "body": [{"at": "g", "linear": 16}]}],
        "`g` was written outside of these windows: inside of them it can be read, but not changed",
    ),
    "read outside": (
        [{"windows": 2, "body": [{"write": "g"}]}, {"from": "g"}],
        "`g` was written inside of windows, which have one value each: it cannot be read outside",
    ),
    "no stream": (
        [{"windows": 2, "body": [{"from": "h"}]}],
        "there is no stream or part `h` here; the feature is 2x2·16",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_windows_cannot_read_is_refused(case):
    body, message = REFUSED[case]
    with pytest.raises(vitdsl.SpecError) as caught:
        vitdsl.load(spec(*body)).graph()
    assert caught.value.problems[0].message == message
    assert "@" not in str(caught.value)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("shift", [0, 1, 2, [0, 1], [1, 0]])
@pytest.mark.parametrize("step", [[1, 1], [1, 2], [2, 2], [1, 3], [3, 3], [4, 4]])
def test_shifted_windows_are_shifted_back_by_whole_places_or_refused(size, shift, step):
    shifts = [side % size for side in (shift if isinstance(shift, list) else [shift, shift])]
    if any(size % side for side in step):
        return
    pool = {"type": "mean", "kernel": step, "stride": step, "padding": 0}
    made = vitdsl.load(spec({"windows": {"size": size, "shift": shift}, "pool": pool}, input={"size": 48}))
    if any(moved * (size // side) % size for moved, side in zip(shifts, step, strict=True)):
        with pytest.raises(vitdsl.SpecError, match="cannot be shifted back"):
            made.graph()
        return
    # what is pooled in shifted windows is the grid rolled, pooled, and rolled back
    image = torch.rand(1, 3, 48, 48, dtype=torch.float64)
    pooled = vitdsl.build(made).double().eval()
    grid = vitdsl.build(spec({"write": "here"}, input={"size": 48})).double().eval()
    grid.load_state_dict(pooled.state_dict())
    back = [moved // side for moved, side in zip(shifts, step, strict=True)]
    rolled = torch.roll(grid.forward_features(image), [-moved for moved in shifts], (2, 3))
    expected = torch.roll(torch.nn.functional.avg_pool2d(rolled, step), back, (2, 3))
    assert (pooled.forward_features(image) - expected).abs().max() < 1e-12
