"""Portions of a feature that `at`, `from` and `pool` name: a token, the extra tokens, the grid."""

from __future__ import annotations

from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.features import Feature
from vitdsl.validate import PLACES


def portion_of(x: Feature, part: str | int) -> tuple[int, int, Feature]:
    """A portion of a feature: the index of its first token, the index behind its last token, and its feature.

    Raises:
        ShapeError: the feature has no such portion.
    """
    extra, total = len(x.tokens), x.num_tokens
    if part == "all":
        return 0, total, x
    if part == "grid":
        return extra, total, x.grid_only
    if part == "tokens":
        if not extra:
            raise ShapeError(f"there are no extra tokens in {x}", code="E307")
        return 0, extra, Feature(x.dim, None, x.tokens)
    if part in ("first", "last") or isinstance(part, int):
        index = 0 if part == "first" else total - 1 if part == "last" else int(part)
        if not 0 <= index < total:
            raise ShapeError(f"there is no token {part} in {x}", code="E307")
        return index, index + 1, Feature(x.dim, None, (x.tokens[index],)) if index < extra else Feature(x.dim, count=1)
    if part in x.tokens:
        index = x.tokens.index(part)
        return index, index + 1, Feature(x.dim, None, (part,))
    hint = did_you_mean(part, (*x.tokens, *PLACES))
    raise ShapeError(f"there is no stream or part `{part}` here; the feature is {x}", hint, code="E307")


def with_portion(x: Feature, part: str | int, old: Feature, new: Feature) -> Feature:
    """The feature after one of its portions is replaced.

    Args:
        x: the whole feature.
        part: the name of the portion.
        old: the portion's feature.
        new: the feature that replaces it.

    Raises:
        ShapeError: the new feature does not fit.
    """
    if new.dim != x.dim:
        raise ShapeError(
            f"a part of a feature keeps its width: {x} has {x.dim} channels, its part `{part}` would have {new.dim}",
            "`carry` brings extra tokens along where a stage widens the grid,"
            " or let the item act on all of the feature",
            code="E407",
        )
    if part == "grid" and new.grid is not None and not new.tokens:
        return Feature(x.dim, new.grid, x.tokens)
    if new.num_tokens != old.num_tokens:
        raise ShapeError(f"the part `{part}` of {x} is {old}, and cannot become {new}", code="E407")
    return x
