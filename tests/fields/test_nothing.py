"""Words for nothing: the one that files write, and those that others write for it."""

from __future__ import annotations

from typing import Any

import pytest

import vitdsl
from vitdsl.fields.nothing import WORDS_FOR_NONE

MLP = {"mlp": {"ratio": 2}}


def hints(item: dict[str, Any], **more: Any) -> list[str]:
    """The hints of what is wrong with a spec that has this item."""
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "body": [item], **more}
    with pytest.raises(vitdsl.SpecError) as caught:
        vitdsl.load({"name": "s", "input": {"size": 16}, "classes": 3, "stages": [stage], "head": {"pool": "mean"}})
    return [problem.hint for problem in caught.value.problems]


@pytest.mark.parametrize("key", ["pre", "post"])
@pytest.mark.parametrize("word", [False, *sorted(WORDS_FOR_NONE), "Off"])
def test_another_word_leads_to_none(key: str, word: Any) -> None:
    assert f"write `{key}: none`" in hints({**MLP, key: word})


def test_none_leads_away_from_a_field_that_has_a_default() -> None:
    assert hints({"mlp": {"ratio": "none"}}) == ["leave `ratio` out: it is 4 then"]
