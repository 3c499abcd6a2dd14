"""The mixer: a dynamic convolution whose kernels the tokens themselves make."""

from __future__ import annotations

from typing import Any, Literal

from vitdsl.errors import ShapeError, refuse
from vitdsl.parts.base import Scope, Value
from vitdsl.parts.forms.attention import finish, project
from vitdsl.parts.forms.mixer import Maps, MixerFields, needs_heads
from vitdsl.parts.primitives.attend import Attend
from vitdsl.parts.primitives.gather import Gather
from vitdsl.parts.primitives.modulate import Modulate
from vitdsl.parts.primitives.scores import Scores
from vitdsl.parts.primitives.weigh import Weigh


class Global(MixerFields):
    """The unified mixer: every position applies kernels out of a bank that tokens make.

    Paper: ViT, arXiv 2010.11929; Interpret Vision Transformers as ConvNets, arXiv 2309.10713.
    Symbols: heads = h, head_dim = d, value_dim = e.
    Shape: (B, N, C) and a bank (B, M, C') -> (B, N, dim).
    Cost: the projections', N·M·h·(d + e), and out's.
    """

    type: Literal["global"] = "global"

    def agree(self) -> None:
        """Refuses what works on maps, or makes them, where there are none to be made."""
        needs_heads(self)
        maps = self.maps
        if not isinstance(maps, Maps):
            return  # late: judged when it is bound
        if self.kernel == "depthwise":
            given = {"from": maps.from_, "before": maps.before, "after": maps.after}
            idle: list[tuple[str, ...]] = [("maps", key) for key, value in given.items() if value is not None]
            why, hint = (
                "makes no attention maps, since its kernel is depth-wise",
                "attention, which has `kernel: pointwise`, makes them",
            )
        elif maps.from_ is not None:
            idle = [("maps", "before")] if maps.before is not None else []
            idle += [("position",)] if self.position is not None else []
            why, hint = "takes its attention maps from another one", "leave `maps.from` out to make them"
        else:
            return
        idle += [("activation",)] if self.activation != "softmax" else []
        idle += [("normalize",)] if self.normalize != "none" else []
        if idle:
            refuse(f"`{'.'.join(idle[0])}` is for nothing here: this mixer {why}", hint, idle[0], "E207")

    def emit(self, scope: Scope, x: Value, path: str, bank: Value | None = None) -> Value:
        """Projections, the mixing, and what follows."""
        sizes = head_sizes(self, x.feature.dim)
        maps, depthwise = self.maps, self.kernel == "depthwise"
        wanted = "v" if maps.from_ else "qk" if depthwise else "qkv"
        made = project(scope, self, sizes, x, bank, path, wanted)
        if depthwise:
            mixed = self._modulate(scope, sizes, made, x, path)
        elif maps.from_ or maps.before or maps.after or self.activation != "softmax" or self.normalize != "none":
            mixed = self._by_maps(scope, sizes, made, x, path)
        else:
            mixed = self._attend(scope, sizes, made, x, path)
        for name, word in (("q", "query"), ("v", "value")):
            if name in made:
                scope.expose(word, made[name])
        return finish(scope, self.out, self.dim or x.feature.dim, mixed, path)

    @staticmethod
    def _kept(scope: Scope, name: str, heads: int) -> Value:
        """Maps that another mixer wrote."""
        try:
            maps = scope.stream(name)
        except ShapeError as fault:
            fault.trail += ["from", "maps"]
            raise
        if maps.feature.dim != heads:
            message = f"the maps in `{name}` have {maps.feature.dim} heads, but `heads` is {heads}"
            raise ShapeError(message, "", ("maps", "from"), "E401")
        return maps

    def _scale(self, sizes: tuple[int, int, int]) -> float:
        return sizes[1] ** -0.5 if self.scale is None else self.scale

    def _bias(
        self, scope: Scope, sizes: tuple[int, int, int], made: dict[str, Value], x: Value, path: str
    ) -> dict[str, Value]:
        """What is added to the logits and what is masked; positions on the keys change `made`."""
        extras = {}
        if self.position is not None:
            try:
                position = scope.bound(self.position, x.feature)
                fitted = position.fit(sizes[0], sizes[1], self._scale(sizes), made["q"].feature, made["k"].feature)
            except ShapeError as fault:
                fault.trail.append("position")
                raise
            inputs = {"": (), "q": (made["q"],), "k": (made["k"],)}[position.reads]
            value = scope.add(fitted, inputs, f"{path}.position")
            if position.reads == "k":
                made["k"] = value
            else:
                extras["bias"] = value
        mask = scope.window_mask()
        pairs = (made["q"].feature.num_tokens, made["k"].feature.num_tokens)
        if mask is not None and mask.feature.grid != pairs:
            raise ShapeError(
                f"windows that are shifted or filled up hide some pairs of their {mask.feature.grid[1]} positions, but "
                f"here are {pairs[0]} queries and {pairs[1]} keys",
                "leave `shift` and `fit: pad` out, or `bank`, strides and further `keys`",
                code="E412",
            )
        return extras if mask is None else {**extras, "mask": mask}

    def _attend(self, scope: Scope, sizes: tuple[int, int, int], made: dict[str, Value], x: Value, path: str) -> Value:
        extras = self._bias(scope, sizes, made, x, path)
        op = Attend.trusted(heads=sizes[0], scale=self._scale(sizes), dropout=self.dropout, extras=tuple(extras))
        return scope.add(op, (made["q"], made["k"], made["v"], *extras.values()), f"{path}.attend")

    def _modulate(
        self, scope: Scope, sizes: tuple[int, int, int], made: dict[str, Value], x: Value, path: str
    ) -> Value:
        extras = self._bias(scope, sizes, made, x, path)
        op = Modulate.trusted(heads=sizes[0], extras=tuple(extras))
        return scope.add(op, (made["q"], made["k"], *extras.values()), f"{path}.modulate")

    def _by_maps(self, scope: Scope, sizes: tuple[int, int, int], made: dict[str, Value], x: Value, path: str) -> Value:
        if self.maps.from_:
            maps = self._kept(scope, self.maps.from_, sizes[0])
            queries = x.feature
        else:
            extras = self._bias(scope, sizes, made, x, path)
            mask = {"mask": extras.pop("mask")} if "mask" in extras else {}
            op = Scores.trusted(heads=sizes[0], scale=self._scale(sizes), extras=tuple(extras))
            maps = scope.add(op, (made["q"], made["k"], *extras.values()), f"{path}.scores")
            maps = scope.run(self.maps.before, maps, f"{path}.maps.before")
            weigh = Weigh.trusted(activation=self.activation, normalize=self.normalize, extras=tuple(mask))
            maps = scope.add(weigh, (maps, *mask.values()), f"{path}.weigh")
            maps = scope.emit_dropout(self.dropout, maps, f"{path}.dropout")
            queries = made["q"].feature
        maps = scope.run(self.maps.after, maps, f"{path}.maps.after")
        return scope.add(Gather.trusted(queries=queries), (maps, made["v"]), f"{path}.gather")


def head_sizes(mixer: Any, dim: int) -> tuple[int, int, int]:
    """(heads, head_dim, value_dim) of a mixer that `dim` channels enter."""
    heads, head_dim = mixer.heads, mixer.head_dim
    if head_dim is None:
        heads = heads or 1
        if dim % heads:
            raise ShapeError(
                f"`heads` ({heads}) must divide the width that enters the mixer ({dim})",
                f"{_near_divisor(dim, heads)} heads would do, or set `head_dim`",
                ("heads",),
                "E401",
            )
        head_dim = dim // heads
    elif heads is None:
        if dim % head_dim:
            raise ShapeError(
                f"`head_dim` ({head_dim}) must divide the width that enters the mixer ({dim})",
                f"{_near_divisor(dim, head_dim)} would do, or set `heads`",
                ("head_dim",),
                "E401",
            )
        heads = dim // head_dim
    return heads, head_dim, mixer.value_dim or head_dim


def _near_divisor(dim: int, heads: int) -> int:
    return min((h for h in range(1, min(dim, 4096) + 1) if dim % h == 0), key=lambda h: (abs(h - heads), h))
