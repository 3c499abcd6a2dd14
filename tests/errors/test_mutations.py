"""The shipped specs with something broken in them: each is a model still, or a `SpecError` with a place."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vitdsl
from vitdsl.errors import SpecError

SPECS = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))]
NAMES = (
    "at", "body", "block", "cls", "conv", "depth", "dim", "drop_path", "from", "global", "grid", "head", "heads",
    "image", "keys", "kernel", "layer", "maps", "mean", "mixer", "mlp", "none", "norm", "parallel", "pool",
    "position", "pre", "repeat", "residual", "self", "shortcut", "size", "stages", "tokens", "type", "use",
    "windowed", "windows", "write", "x", "$x", "$(dim)", "$(dim / 0)", "$(index)", "x.grid", "history[]", "library.x",
    "", "ü", "choose", "args", "peg",
)  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(NAMES), st.integers(-3, 40), st.sampled_from([10**9, 10**15, 0.5, -1.5, 1e300, True, False, None])
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=3),
    st.dictionaries(st.just("choose"), st.lists(SCALARS, max_size=2), min_size=1),
    st.dictionaries(st.just("range"), st.lists(st.integers(0, 9), max_size=4), min_size=1),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value of a tree but the whole."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in entries for found in ((*path, key), *places(value, (*path, key)))]


@st.composite
def broken(draw: st.DrawFn) -> str:
    """The text of a shipped spec after one to three changes."""
    tree = yaml.safe_load(draw(st.sampled_from(SPECS)))
    for _ in range(draw(st.integers(1, 3))):
        paths = places(tree)
        if not paths:
            break
        *above, last = draw(st.sampled_from(paths))
        parent = tree
        for key in above:
            parent = parent[key]
        change(draw, tree, parent, last)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def change(draw: st.DrawFn, tree: Any, parent: Any, last: Any) -> None:
    """One change: a value replaced, taken out, moved from elsewhere, doubled, or given another key."""
    how = draw(st.sampled_from(["replace", "delete", "graft", "double", "rename", "wrap"]))
    if how == "replace":
        parent[last] = draw(VALUES)
    elif how == "delete":
        del parent[last]
    elif how == "graft":
        source = tree
        for key in draw(st.sampled_from(places(tree))):
            source = source[key]
        parent[last] = yaml.safe_load(yaml.safe_dump(source))
    elif how == "double" and isinstance(parent, list):
        parent.insert(last, parent[last])
    elif how == "wrap":
        parent[last] = draw(st.sampled_from([[parent[last]], {draw(st.sampled_from(NAMES)): parent[last]}]))
    elif isinstance(parent, dict):
        parent[draw(st.sampled_from(NAMES))] = parent.pop(last)


def is_a_model_or_refused(text: str) -> None:
    try:
        vitdsl.load(text).analyze()
    except SpecError as error:
        text_of_it = str(error)
        assert all(problem.mark is not None for problem in error.problems), text_of_it  # noqa: PT017


@given(broken())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_broken_spec_is_a_model_or_a_spec_error(text: str) -> None:
    is_a_model_or_refused(text)


@pytest.mark.full
@given(broken())
@settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_many_broken_specs_are_models_or_spec_errors(text: str) -> None:
    is_a_model_or_refused(text)
