"""The wiring of an item: pre, windows, post, scale, stochastic depth, and the sum with the shortcut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vitdsl.elaborate.binding import bind_body, drop_of
from vitdsl.elaborate.scope import Scope
from vitdsl.elaborate.targets import Target
from vitdsl.errors import ShapeError
from vitdsl.graph.ir import Value
from vitdsl.graph.operators import CloseWindows, OpenWindows
from vitdsl.parts.initial import Init
from vitdsl.parts.primitives.affine import Affine
from vitdsl.parts.primitives.scale import Scale
from vitdsl.validate import Item, Residual, Wiring

WHOLE = Residual()
Operate = Callable[[Scope, Value, Value | None], Value]
"""Runs an item's role inside of the wiring: scope, input and bank of a mixer to output."""


def branch(
    scope: Scope,
    item: Item,
    part: Any,
    wiring: Wiring,
    target: Target,
    source: Value,
    path: str,
    operate: Operate,
) -> Value:
    """Writes after(shortcut(target) + output · drop_path(layer_scale · post(operate(pre(input · source))))).

    Args:
        scope: of the item.
        item: the item.
        part: its part, bound, or None.
        wiring: its wiring, bound.
        target: the target of the item, which the shortcut starts from.
        source: the value that the item reads.
        path: its segment of module paths.
        operate: runs its role.
    """
    residual = residual_of(wiring)
    inside = scope.child(None, source, path)
    drop = drop_of(scope, wiring.drop_path)
    inside.drop = drop if residual is None else "none"  # this sum drops the whole branch already
    inside.exposed, inside.in_block = {}, True
    plain = residual is None and wiring.windows is None and item.role in ("body", "use", "parallel")
    inside.in_branch = scope.in_branch or not plain
    inside.role = scope.role or (item.role if part is not None else "")
    own = target.stream or scope.current
    inside.forbidden = scope.forbidden | ({own} if own is not None else set())
    x, bank = _banked(scope, inside, part, wiring, residual, target, source)
    windows = _windows(wiring, x)
    if windows is None:
        y = operate(inside, x, bank)
    else:
        y = _operate_in_windows(inside, windows, residual, x, bank, operate)
    y = _wired(inside, wiring.post, y, "post", "norm")
    if wiring.layer_scale is not None:
        scale = Affine.trusted(bias=False, init=Init.trusted(type="constant", value=wiring.layer_scale))
        y = inside.add(scale, (y,), "layer_scale")
    if residual is None:
        return y
    y = inside.drop_path(y, scope.drop_point(drop))
    if residual.output != 1:
        y = inside.add(Scale.trusted(value=residual.output), (y,), None)
    return _add_shortcut(inside, residual, target.value, y)


def _operate_in_windows(
    inside: Scope, windows: OpenWindows, residual: Residual | None, x: Value, bank: Value | None, operate: Operate
) -> Value:
    """Runs the operator in each window. Values that it exposes to the shortcut leave the windows, too."""
    x = inside.add(windows, (x,), None)
    bank = None if bank is None else inside.add(windows, (_windowed_bank(windows, bank),), None)
    before = inside.windows, inside.times
    inside.windows, inside.times = windows, inside.times * windows.counts[0] * windows.counts[1]
    y = operate(inside, x, bank)
    inside.windows, inside.times = before
    close = CloseWindows.trusted(opened=windows)
    y = inside.add(close, (y,), None)
    if residual is not None and isinstance(residual.shortcut, str):
        inside.exposed = {name: inside.add(close, (value,), None) for name, value in inside.exposed.items()}
    return y


def residual_of(wiring: Wiring) -> Residual | None:
    """The residual settings, or None if the item is not residual."""
    if wiring.residual is True:
        return WHOLE
    return wiring.residual or None


def _windowed_bank(windows: OpenWindows, bank: Value) -> Value:
    """The bank; refuses one that the windows cannot cut."""
    if bank.feature.grid != windows.grid or bank.feature.tokens:
        grid = f"{windows.grid[0]}x{windows.grid[1]}"
        message = f"windows cut the keys too: they must be a grid of {grid}, but are {bank.feature}"
        raise ShapeError(message, code="E403")
    return bank


def _wired(inside: Scope, body: Any, x: Value, name: str, home: str, above: str = "") -> Value:
    """Runs a body of the wiring on `x`; errors in it are located at its key."""
    if body is None:
        return x
    try:
        return inside.run(bind_body(inside, body, home), x, name)
    except ShapeError as fault:
        fault.trail += [name, above] if above else [name]
        raise


def _add_shortcut(inside: Scope, residual: Residual, t: Value, y: Value) -> Value:
    """The sum of the shortcut and the branch, then `after`."""
    shortcut = residual.shortcut
    if isinstance(shortcut, str):
        if shortcut not in inside.exposed:
            message = f"`shortcut: {shortcut}` needs a mixer that makes a {shortcut}"
            raise ShapeError(message, "", ("residual", "shortcut"), "E413")
        t = inside.exposed[shortcut]
    else:
        t = _wired(inside, shortcut, t, "shortcut", "item", "residual")
    y = inside.combine("add", (t, y))
    return _wired(inside, residual.after, y, "after", "activation", "residual")


def _scaled(inside: Scope, x: Value, residual: Residual | None) -> Value:
    factor = 1.0 if residual is None else residual.input
    return x if factor == 1 else inside.add(Scale.trusted(value=factor), (x,), None)


def _banked(
    scope: Scope,
    inside: Scope,
    part: Any,
    wiring: Wiring,
    residual: Residual | None,
    target: Target,
    source: Value,
) -> tuple[Value, Value | None]:
    """The input of the operator, and the bank of a mixer; `pre` acts on both with the same weights."""

    def pre(x: Value) -> Value:
        inside.sharing, before = True, inside.sharing
        y = _wired(inside, wiring.pre, _scaled(inside, x, residual), "pre", "norm")
        inside.sharing = before
        return y

    keys = part.keys if part is not None and part.banked else None
    if keys is None:
        return pre(source), None
    if keys == "all" and source is target.value:
        whole = pre(target.base())
        return whole if target.whole else inside.join([inside.take(whole, part) for part in target.portions]), whole
    if not isinstance(keys, (str, tuple, list)):
        bank = _bank_of(scope, keys.from_, ("from", "keys", "mixer"))
        return pre(source), bank if keys.pre is None else _wired(inside, keys.pre, bank, "keys", "norm", "mixer")
    names = [keys] if isinstance(keys, str) else list(keys)
    entering = pre(source)
    found = []
    for index, name in enumerate(names):
        if name == "self":
            found.append(entering)
        else:
            trail = ("keys", "mixer") if isinstance(keys, str) else (index, "keys", "mixer")
            bank = target.base() if name == "all" else _bank_of(scope, name, trail)
            if wiring.pre is not None and bank.feature.dim != source.feature.dim:
                raise _other_width(sorted({bank.feature.dim, source.feature.dim}))
            found.append(pre(bank))
    if len(widths := sorted({value.feature.dim for value in found})) > 1:
        raise _other_width(widths)
    return entering, inside.join(found)


def _other_width(widths: list[int]) -> ShapeError:
    """The fault of a bank that differs in width from the queries."""
    fault = ShapeError(
        f"features of several widths ({', '.join(map(str, widths))}) cannot be one",
        "`keys: {from: …, pre: [{linear: {dim: …}}]}` brings a bank to this width",
        code="E407",
    )
    fault.trail += ["keys", "mixer"]
    return fault


def _bank_of(scope: Scope, name: Any, trail: tuple[str | int, ...]) -> Value:
    """A feature for the bank of a mixer."""
    try:
        return Target(scope, name).value
    except ShapeError as fault:
        fault.trail += trail
        raise


def _windows(wiring: Wiring, x: Value) -> OpenWindows | None:
    """The windows that the operator runs in; None if there are none, or if one covers the grid."""
    windows = wiring.windows
    if windows is None:
        return None
    if x.feature.tokens:
        message = f"`windows` need a grid alone, but the feature is {x.feature}"
        raise ShapeError(message, "`at: grid` leaves the extra tokens out", ("windows",), "E408")
    grid = x.feature.grid_only.grid
    assert grid is not None
    size = (min(windows.size[0], grid[0]), min(windows.size[1], grid[1]))
    if size == grid:
        return None
    if windows.fit == "exact" and (grid[0] % size[0] or grid[1] % size[1]):
        raise ShapeError(
            f"`windows` ({size[0]}x{size[1]}) must tile the grid ({grid[0]}x{grid[1]})",
            _fitting(size, grid),
            ("windows",),
            "E403",
        )
    shift = tuple(0 if size[i] == grid[i] else windows.shift[i] % size[i] for i in (0, 1))
    return OpenWindows.trusted(size=size, shift=(shift[0], shift[1]), grid=grid)


def _fitting(size: tuple[int, int], grid: tuple[int, int]) -> str:
    """The hint for windows that do not tile: the nearest ones that do, and padding."""
    near = [
        min((k for k in range(1, g + 1) if g % k == 0), key=lambda k, s=s: (abs(k - s), k))
        for s, g in zip(size, grid, strict=True)
    ]
    text = str(near[0]) if near[0] == near[1] else f"[{near[0]}, {near[1]}]"
    return f"{text} would do, or `fit: pad`, which fills the last windows up"
