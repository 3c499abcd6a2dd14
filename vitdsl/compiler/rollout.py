"""Attention rollout: how much of each token that enters the blocks is in each token that leaves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitdsl.compiler.attention import AttentionMap, attention_maps, graph_at
from vitdsl.compiler.model import VisionModel
from vitdsl.errors import AttentionError, Problem
from vitdsl.features import Feature
from vitdsl.graph.ir import Frame, Node, joined
from vitdsl.graph.operators import Combine, Join, LearnedTokens, OpenWindows, Put, Sections, Take
from vitdsl.graph.views.attention import mixer_path
from vitdsl.graph.views.head import split_head
from vitdsl.parts.primitives.attend import Attend
from vitdsl.parts.primitives.gather import Gather

ROLLOUT = "rollout"
"""The path of a rollout, which is no module's."""


def attention_rollout(model: VisionModel, images: Tensor) -> AttentionMap:
    """Attention rollout: the maps of all mixers, averaged over heads, multiplied along the graph.

    A sum of n values counts each of them as 1/n, so that a mixer with its shortcut is (A + 1)/2, as the paper has it.
    What acts on each token for itself changes nothing. Paper: Quantifying Attention Flow in Transformers, arXiv
    2005.00928.

    Args:
        model: what `build` or `fold` gave, in evaluation mode.
        images: (B, C, H, W).

    Returns:
        A map of one head, (B, 1, tokens that the head of the model reads, tokens that enter the first mixer).

    Raises:
        AttentionError: rollout says nothing true of this architecture: tokens are also mixed by what has no map, in
            windows, or by weights that are no shares.
        ImageError: the model cannot take these images.
    """
    if model.training:
        raise AttentionError(Problem("rollout needs a model in evaluation mode", hint="`model.eval()`", code="E609"))
    maps = attention_maps(model, images).maps
    split = split_head(graph_at(model, images))
    numbers = set(split.features.values())
    if len(numbers) > 1:
        raise _none("its head reads several streams, and rollout follows one")
    (number,) = numbers
    frame = split.body.frame
    walk = _Walk({each.path: each for each in maps})
    states: dict[int, State] = {each: walk.begin(frame.features[each]) for each in frame.inputs.values()}
    walk.run(frame, "", states)
    return walk.result(frame.features[number], states[number])


class _Lost(NamedTuple):
    """Tokens of which rollout cannot say what is in them, and why."""

    why: str


class _Unmixed(NamedTuple):
    """Tokens that no map has mixed: for each, the number of a list of tokens, and its place there."""

    tokens: tuple[tuple[int, int], ...]


class _Mixed(NamedTuple):
    """By list of tokens, how much of each is in each: (B, tokens, tokens of the list)."""

    shares: dict[int, Tensor]


State = _Lost | _Unmixed | _Mixed | None
"""What is known of a value. None: it is the same for all images, or it is no feature but a map or a bias."""


class _Walk:
    """Follows tokens through a graph.

    Args:
        maps: by the path of the mixer.

    Attributes:
        lists: the features of all lists of tokens that begin somewhere, by number.
    """

    def __init__(self, maps: Mapping[str, AttentionMap]) -> None:
        self.maps, self.lists = maps, list[Feature]()
        self._like = next(iter(maps.values())).weights

    def begin(self, x: Feature) -> _Unmixed:
        """A list of tokens that begins here."""
        self.lists.append(x)
        return _Unmixed(tuple((len(self.lists) - 1, place) for place in range(x.num_tokens)))

    def run(self, frame: Frame, prefix: str, states: dict[int, State]) -> None:
        """Follows the steps of a frame; `states` holds its inputs, and gets all other values."""
        for step in frame.steps:
            if isinstance(step, Node):
                states[step.output] = self._node(frame, step, prefix, [states[number] for number in step.inputs])
                continue
            state = {name: states[number] for name, number in step.reads.items()}
            for path, inner in step.paths():
                inside = {number: state[name] for name, number in inner.inputs.items()}
                self.run(inner, joined(prefix, path), inside)
                state |= {name: inside[number] for name, number in inner.outputs.items()}
            states |= {number: state[name] for name, number in step.gives.items()}
            states |= dict.fromkeys(step.appends.values(), _Lost(f"`{joined(prefix, step.path)}` collects tokens"))

    # ------------------------------------------------------------ operators

    def _node(self, frame: Frame, node: Node, prefix: str, states: list[State]) -> State:
        op, output = node.op, frame.features[node.output]
        path = joined(prefix, node.path)
        if isinstance(op, LearnedTokens):
            return self.begin(output)
        if isinstance(op, (Attend, Gather)):
            return self._attend(mixer_path(prefix, node), states[2 if isinstance(op, Attend) else 1])
        known = [state for state in states if state is not None]
        if not known or op.pairs:
            return None
        lost = next((state for state in known if isinstance(state, _Lost)), None)
        if lost is not None:
            return lost
        if isinstance(op, (Take, Put, Join)):
            return self._spliced(op, known, prefix)
        if isinstance(op, Combine):
            return self._combined(op, known, output, prefix)
        if isinstance(op, Sections) or (not op.mixes and not op.structural):
            return known[0]
        if all(isinstance(state, _Unmixed) for state in known):
            return self.begin(output)
        windows = isinstance(op, OpenWindows)
        return _Lost("mixers run in windows" if windows else f"`{path}` ({op.type}) mixes tokens, and has no map")

    def _attend(self, path: str, v: State) -> State:
        found = self.maps[path]
        if found.windows:
            return _Lost(f"`{path}` runs in windows")
        if not found.softmax:
            return _Lost(f"`{path}` weighs by no plain softmax, so that its weights are no shares")
        if v is None or isinstance(v, _Lost):
            return v
        mean_bqk = found.weights.mean(1)
        return _Mixed({number: mean_bqk @ share for number, share in self._shares(v).items()})

    def _spliced(self, op: Take | Put | Join, states: list[Any], prefix: str) -> State:
        """Takes, puts and joins tokens."""
        if all(isinstance(state, _Unmixed) for state in states):
            return _Unmixed(_splice(op, [state.tokens for state in states], lambda parts: sum(parts, ())))
        if self._of_several_grids(states):
            return _Lost(f"tokens of several grids are mixed in `{prefix}`")
        rows = self._aligned(states)
        return _Mixed({
            number: _splice(op, [_by_row(each[number]) for each in rows], torch.cat).transpose(0, 1)
            for number in rows[0]
        })  # fmt: skip

    def _combined(self, op: Combine, states: list[Any], output: Feature, prefix: str) -> State:
        """A sum counts each of its values as much."""
        first = states[0]
        unmixed = all(isinstance(state, _Unmixed) for state in states)
        if all(state is first for state in states) or (unmixed and all(state == first for state in states)):
            return first
        if unmixed:
            return self.begin(output)
        if op.how not in ("add", "mean"):
            return _Lost(f"features are combined by `{op.how}`, which gives none of them a share")
        if self._of_several_grids(states):
            return _Lost(f"tokens of several grids are mixed in `{prefix}`")
        rows = self._aligned(states)
        if len({share.shape[1] for each in rows for share in each.values()}) > 1:
            return _Lost("one token is added to many")
        return _Mixed({number: torch.stack([each[number] for each in rows]).mean(0) for number in rows[0]})

    # ------------------------------------------------------------ shares

    def _of_several_grids(self, states: list[Any]) -> bool:
        """Whether there are tokens of several grids in these, of which no rollout can be drawn."""
        numbers = {n for each in states if isinstance(each, _Mixed) for n in each.shares}
        numbers |= {n for each in states if isinstance(each, _Unmixed) for n, _ in each.tokens}
        return sum(self.lists[number].grid is not None for number in numbers) > 1

    def _aligned(self, states: list[Any]) -> list[dict[int, Tensor]]:
        """The shares of several values, each of all the same lists."""
        given = [self._shares(state) for state in states]
        numbers = dict.fromkeys(number for shares in given for number in shares)
        aligned = []
        for shares in given:
            some = next(iter(shares.values()))
            none = {n: some.new_zeros(*some.shape[:2], self.lists[n].num_tokens) for n in numbers if n not in shares}
            aligned.append({number: {**shares, **none}[number] for number in numbers})
        return aligned

    def _shares(self, state: _Unmixed | _Mixed) -> dict[int, Tensor]:
        """By list of tokens, how much of each is in each of these: (B, tokens, tokens of the list)."""
        if isinstance(state, _Mixed):
            return state.shares
        like, found = self._like, dict[int, Tensor]()
        for row, (number, place) in enumerate(state.tokens):
            if number not in found:
                found[number] = like.new_zeros(len(like), len(state.tokens), self.lists[number].num_tokens)
            found[number][:, row, place] = 1
        return found

    def result(self, queries: Feature, state: State) -> AttentionMap:
        """The rollout of what the head reads.

        Raises:
            AttentionError: there is none.
        """
        if not isinstance(state, _Mixed):
            raise _none(state.why if isinstance(state, _Lost) else "no attention acts on what the head reads")
        grids = [number for number in state.shares if self.lists[number].grid is not None]
        extra = [number for number in state.shares if number not in grids]
        if not grids or any(self.lists[number].count for number in extra):
            raise _none("the tokens that are mixed are not those of a grid and named ones")
        names = (*(name for number in extra for name in self.lists[number].tokens), *self.lists[grids[0]].tokens)
        weights = torch.cat([state.shares[number] for number in (*extra, *grids)], 2)[:, None]
        keys = self.lists[grids[0]]._replace(tokens=names)
        return AttentionMap(ROLLOUT, weights, queries, keys, (), True)


def _none(why: str) -> AttentionError:
    return AttentionError(Problem(f"there is no rollout of this model: {why}", code="E609"))


def _by_row(share: Tensor) -> Tensor:
    return share.transpose(0, 1)


def _splice(op: Take | Put | Join, parts: list[Any], join: Callable[[list[Any]], Any]) -> Any:
    """The tokens that an operator leaves, of sequences of tokens."""
    if isinstance(op, Join):
        return join(parts)
    if isinstance(op, Take):
        return parts[0][op.start : op.stop]
    return join([parts[0][: op.start], parts[1], parts[0][op.stop :]])
