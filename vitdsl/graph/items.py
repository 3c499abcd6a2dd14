"""What an item means: its role, and the wiring around it."""

from __future__ import annotations

from typing import Any

from vitdsl.errors import ExpressionError, ShapeError, did_you_mean
from vitdsl.expressions import Late
from vitdsl.graph.frames import Place, Value, joined
from vitdsl.graph.operators import CloseWindows, OpenWindows, Take
from vitdsl.graph.scope import Scope, at_field, part_of
from vitdsl.editing import ROLE_KEYS
from vitdsl.parts.base import Form, LateList, Part, Primitive
from vitdsl.parts.fields import Refusal
from vitdsl.parts.initial import Init
from vitdsl.parts.primitives.affine import Affine
from vitdsl.parts.primitives.scale import Scale
from vitdsl.spec import NESTED, PLACES, Body, Drop, Item, Residual, Wiring

WHOLE = Residual()


# ---------------------------------------------------------------- bodies


def known_body(scope: Scope, body: Any, home: str = "item") -> Body:
    """A body, where it is an argument read at its place."""
    if not isinstance(body, Late):
        return body
    raw = value_of(body, scope.env)
    if raw is body or isinstance(raw, Late):
        raise ShapeError(f"{raw.text}: this name stands for itself here")
    try:
        return scope.around.reader.body(raw, home) or Body((), home, False, True, ())
    except Refusal as error:
        raise at_field(error.items) from None


def value_of(late: Late | LateList, env: Any, at: tuple[str | int, ...] = ()) -> Any:
    """The value of a late value, which stands `at` this place of what is read."""
    try:
        return late.evaluate(env)
    except ExpressionError as error:
        raise ShapeError(error.message, error.hint, at) from None


def read_item(scope: Scope, raw: Any) -> Item:
    """An item that was made, not written."""
    try:
        return scope.around.reader.item(raw)
    except Refusal as error:
        raise at_field(error.items) from None


def of_form(form: Part, role: str, fault: ShapeError) -> None:
    """Gives a fault inside what a form expands into a place that is written: the form's field, or the form."""
    trail = fault.trail
    while trail and trail[-1] not in form.model_fields_set - {"type"} and (isinstance(trail[-1], int) or trail[-1] in ROLE_KEYS):
        trail.pop()
    inside = trail[-1] if trail else None
    fault.trail = [*(trail if inside in form.model_fields_set - {"type"} else []), *([role] if role else [])]


def of_part(part: Part, role: str, fault: ShapeError) -> None:
    """Gives a fault in what a part is made of a place that is written: the part's field, or the part."""
    known = isinstance(part, Primitive) or (fault.trail and fault.trail[-1] in part.model_fields_set)
    fault.trail = [*(fault.trail if known else []), *([role] if role else [])]


def run_body(scope: Scope, body: Any, home: str = "item") -> None:
    """Runs the items of a body one after another on what flows in the scope."""
    body = known_body(scope, body, home)
    if body.bare:
        _run_bare(scope, body)
        return
    if scope.block is None and scope.drop == "schedule" and any(_drops(scope, item) for item in body.items):
        scope.block = scope.builder.frame.blocks
        scope.builder.frame.blocks += 1
    alone = len(body.items) == 1
    for index, item in enumerate(body.items):
        try:
            run_item(scope, item, "" if alone and _is_whole(item) else str(index))
        except ShapeError as fault:
            if body.listed:
                fault.trail.append(index)
            raise


def _is_whole(item: Any) -> bool:
    """Whether an item that stands alone is its body: a `use` that works in place, which adds no segment to paths."""
    return isinstance(item, Item) and item.role == "use" and not item.given


def _run_bare(scope: Scope, body: Body) -> None:
    """A single part in a body's place adds no segment to the path."""
    part = body.items[0].part
    if part is None:
        return
    if isinstance(part, Late):
        run_body(scope, known_body(scope, part, body.home))
        return
    bound = scope.bound(part, scope.flow.feature)
    if bound.expands:
        expansion = _expanded(bound, {})
        raw = expansion["body"] if expansion.keys() == {"body"} else [expansion]
        try:
            run_body(scope, _read_body(scope, raw))
        except ShapeError as fault:
            of_form(bound, "", fault)
            raise
        return
    try:
        scope.flow = bound.emit(scope, scope.flow, "")
    except ShapeError as fault:
        of_part(bound, "", fault)
        raise


def _read_body(scope: Scope, raw: Any) -> Body:
    """A body that was made, not written."""
    try:
        return scope.around.reader.body(raw, "item")
    except Refusal as error:
        raise at_field(error.items) from None


def _expanded(form: Form, given: Any) -> dict[str, Any]:
    try:
        return {**form.expand(), **given}
    except Refusal as error:
        raise at_field(error.items) from None


def _drops(scope: Scope, item: Any) -> bool:
    """Whether an item is residual and may be dropped by the schedule."""
    if not isinstance(item, Item) or item.role == "peg":
        return False
    given = item.given
    residual = given.get("residual", item.wiring.residual if not item.late_wiring else item.natural or None)
    if isinstance(residual, Late):
        residual = value_of(residual, scope.env)
    drop = item.wiring.drop_path
    return bool(residual) and not (isinstance(drop, Drop) and (drop.off or drop.rate is not None or drop.at is not None))


# ---------------------------------------------------------------- items


def run_item(scope: Scope, item: Any, index: str) -> None:
    """Runs one item, as often as it says; `index` is its segment, unless it has a name."""
    if isinstance(item, Late):
        inside = scope.child(scope.current, scope.here, index)
        run_body(inside, item)
        scope.here = inside.here
        return
    wiring = item.wiring
    repeat = wiring.repeat
    if isinstance(repeat, Late) or (item.late_wiring and isinstance(item.given.get("repeat"), Late)):
        repeat = _bound_wiring(scope, item, scope.sight(scope.flow.feature)).repeat
    segment = wiring.name or index
    if repeat is None:
        perform(scope, item, segment)
        return
    from vitdsl.graph.repeats import repeat_item

    repeat_item(scope, item, int(repeat), segment)


def perform(scope: Scope, item: Item, path: str) -> None:
    """Runs one item once."""
    env = scope.env
    at, from_ = _place(item.wiring.at, env), _place(item.wiring.from_, env)
    if not item.role:
        _keep(scope, item, from_)
        return
    role = item.role
    part = item.part
    if isinstance(part, Late):
        part = _late_part(scope, role, part)
    target = target_at(scope, at, "at")
    source = target.value if from_ is None else target_at(scope, from_, "from").value
    try:
        if part is not None:
            part = scope.bound(part, source.feature)
    except ShapeError as fault:
        fault.trail.append(role)
        raise
    if part is not None and part.expands:
        given = {**_bound_given(item, scope.sight(source.feature))}
        try:
            perform(scope, read_item(scope, _expanded(part, given)), path)
        except ShapeError as fault:
            own = fault.trail[-1] if fault.trail else None
            if own not in item.given or own in part.model_fields_set:
                of_form(part, role, fault)
            raise
        return
    wiring = _bound_wiring(scope, item, scope.sight(source.feature))
    residual = _residual(wiring)
    if role in ("body", "use") and target.whole and from_ is None and not _own_value(wiring, residual):
        _in_place(scope, item, wiring, target, path)
    else:
        y = _branch(scope, item, part, wiring, residual, target, source, path)
        target.put(y)
    if wiring.write:
        _write(scope, wiring.write, target.value_now())


def _late_part(scope: Scope, role: str, late: Late) -> Part | None:
    """The part that an argument stands for."""
    raw = value_of(late, scope.env, (role,))
    try:
        part = scope.around.reader.part(role, raw)
    except Refusal as error:
        raise at_field([((role, *at), message, hint) for at, message, hint in error.items]) from None
    if part is None and role not in ("norm", "activation"):
        raise ShapeError(f"`{role}` cannot be none", "", (role,))
    return part


def _place(place: Any, env: Any) -> Any:
    """`at` or `from`, once its late names are known."""
    if isinstance(place, (Late, LateList)):
        place = value_of(place, env)
    return tuple(place) if isinstance(place, list) else place


def _bound_given(item: Item, env: Any) -> dict[str, Any]:
    """The wiring as written, late values put in."""
    given: dict[str, Any] = {}
    for key, value in item.given.items():
        if isinstance(value, Late):
            given[key] = value_of(value, env, (key,))
        elif isinstance(value, list) and any(isinstance(v, Late) for v in value) and key in ("at", "from"):
            given[key] = [value_of(v, env, (key,)) if isinstance(v, Late) else v for v in value]
        elif key in NESTED and isinstance(value, dict):
            given[key] = {k: _nested(v, env, (key, k)) if k in NESTED[key] else v for k, v in value.items()}
        else:
            given[key] = value
    return given


def _nested(value: Any, env: Any, at: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_nested(v, env, at) for v in value]
    return value_of(value, env, at) if isinstance(value, Late) else value


def _bound_wiring(scope: Scope, item: Item, env: Any) -> Wiring:
    if not item.late_wiring:
        return item.wiring
    try:
        return scope.around.reader.wiring(_bound_given(item, env), item.natural)
    except Refusal as error:
        raise at_field(error.items) from None


def _residual(wiring: Wiring) -> Residual | None:
    """The residual form, or None."""
    if wiring.residual is True:
        return WHOLE
    return wiring.residual or None


def _own_value(wiring: Wiring, residual: Residual | None) -> bool:
    """Whether wiring makes an item work on a value of its own."""
    return bool(residual or wiring.pre or wiring.post or wiring.layer_scale is not None or wiring.windows)


def drop_of(scope: Scope, drop: Drop | None) -> str | Place:
    """What stochastic depth does below an item."""
    if drop is None or scope.drop == "none":
        return scope.drop
    if drop.off:
        return "none"
    if drop.rates is not None:
        index = scope.env.get("index", 0)
        if not isinstance(index, int) or index >= len(drop.rates):
            message = f"`rates` has {len(drop.rates)} entries, but this is repetition {index}, counted from 0"
            raise ShapeError(message, "", ("drop_path", "rates"))
        return Place(rate=drop.rates[index])
    return Place(rate=drop.rate, at=drop.at)


# ---------------------------------------------------------------- where an item acts


class Target:
    """What an item is at: a stream or the current value, whole or in part."""

    def __init__(self, scope: Scope, at: Any) -> None:
        self.scope = scope
        places = at if isinstance(at, tuple) else ("all" if at is None else at,)
        found: list[Any] = []
        try:
            for place in places:
                found.append(locate(scope, place))
        except ShapeError as fault:
            fault.trail += [len(found)] if isinstance(at, tuple) else []
            raise
        streams = {stream for stream, _ in found}
        if len(streams) > 1:
            raise ShapeError("a list in `at` or `from` must name parts of one feature", "`keys` of a mixer may list several")
        self.stream = found[0][0]
        self.parts = [part for _, part in found]
        self.whole = self.parts == ["all"]
        base = self.base()
        self.value = base if self.whole else scope.join([scope.take(base, part) for part in self.parts])

    def base(self) -> Value:
        """The feature of which the target is a part."""
        return self.scope.flow if self.stream is None else self.scope.builder.read(self.stream)

    def value_now(self) -> Value:
        """What stands at the target now."""
        base = self.base()
        return base if self.whole else self.scope.join([self.scope.take(base, part) for part in self.parts])

    def put(self, y: Value) -> None:
        """Puts a result where the target is."""
        scope, base = self.scope, self.base()
        if len(self.parts) == 1:
            whole = y if self.whole else scope.put(base, self.parts[0], y)
        else:
            whole, start = base, 0
            for part in self.parts:
                feature = part_of(base.feature, part)[2]
                stop = start + feature.num_tokens
                if stop > y.feature.num_tokens:
                    raise ShapeError(f"what goes back to {self.parts} must have as many tokens, but is {y.feature}")
                piece = scope.add(Take(start=start, stop=stop, feature=feature.with_dim(y.feature.dim)), (y,), None)
                whole, start = scope.put(whole, part, piece), stop
        if self.stream is None:
            scope.flow = whole
        else:
            guard(scope, self.stream)
            scope.builder.write(self.stream, whole)


def target_at(scope: Scope, place: Any, key: str) -> Target:
    """A target; what is wrong with it is at the key that names it."""
    try:
        return Target(scope, place)
    except ShapeError as fault:
        fault.trail.append(key)
        raise


def locate(scope: Scope, place: Any) -> tuple[str | None, Any]:
    """The stream (None: the current value) and the part that a name in `at` or `from` means."""
    if isinstance(place, int) or place in PLACES:
        return None, place
    if place in scope.flow.feature.tokens:
        return None, place
    if scope.builder.has(place):
        return (None if place == scope.current else place), "all"
    stream, _, part = str(place).partition(".")
    if part and scope.builder.has(stream):
        return (None if stream == scope.current else stream), int(part) if part.isdigit() else part
    feature = scope.flow.feature
    known = (*feature.tokens, *PLACES, *(name for name in scope.builder.streams if name and name[0] != "@"))
    raise ShapeError(f"there is no stream or part `{place}` here; the feature is {feature}", did_you_mean(str(place), known))


def guard(scope: Scope, stream: str, at: tuple[str, ...] = ("at",)) -> None:
    """Refuses to write a stream that the value of this body will be put back into."""
    if stream in scope.forbidden:
        raise ShapeError(
            f"what is written to `{stream}` here would be overwritten: this body's own value goes back there",
            f"write `{stream}` after the body, or let the body work in place",
            at,
        )


def _write(scope: Scope, name: str, value: Value) -> None:
    """Keeps a value as a stream, or appends it to one."""
    if name.endswith("[]"):
        if value.feature.grid is not None:
            message, hint = f"`{name}` appends tokens, but the feature is {value.feature}", "pool it first, or take a token"
            raise ShapeError(message, hint, ("write",))
        scope.builder.append(name[:-2], value)
        return
    guard(scope, name, ("write",))
    scope.builder.write(name, value)


def _keep(scope: Scope, item: Item, from_: Any) -> None:
    """`from` alone goes on with that value; `write` keeps it, or what flows."""
    write = item.wiring.write
    value = scope.flow if from_ is None else target_at(scope, from_, "from").value
    if write is not None:
        _write(scope, write, value)
    else:
        scope.flow = value


# ---------------------------------------------------------------- the branch


def _in_place(scope: Scope, item: Item, wiring: Wiring, target: Target, path: str) -> None:
    """A body that works on the stream that it is at."""
    inside = scope.child(scope.current if target.stream is None else target.stream, scope.here, path)
    inside.drop = drop_of(scope, wiring.drop_path)
    if target.stream is not None:
        guard(scope, target.stream)
    fill(inside, item)
    if target.stream is None:
        scope.here = inside.here


def fill(inside: Scope, item: Item) -> None:
    """Runs what a `body` or a `use` holds."""
    if item.role == "body":
        try:
            run_body(inside, item.body)
        except ShapeError as fault:
            fault.trail.append("body")
            raise
        return
    from vitdsl.graph.repeats import run_use

    run_use(inside, item)


def _branch(
    scope: Scope, item: Item, part: Any, wiring: Wiring, residual: Residual | None, target: Target, source: Value, path: str
) -> Value:
    """shortcut(t) + output · drop_path(layer_scale · post(op(pre(input · s)))), then `after`."""
    inside = scope.child(None, source, path)
    inside.drop = drop_of(scope, wiring.drop_path)
    inside.exposed = {}
    own = target.stream or scope.current
    inside.forbidden = scope.forbidden | ({own} if own is not None else set())
    x, bank = _banked(scope, inside, part, wiring, residual, target, source)
    opened = _opened(wiring, x)
    if opened is not None:
        x = inside.add(opened, (x,), None)
        bank = inside.add(opened, (bank,), None) if bank is not None else None
        inside.opened, inside.times = opened, inside.times * opened.counts[0] * opened.counts[1]
    y = _operate(inside, item, part, x, bank, residual)
    if opened is not None:
        inside.opened, inside.times = scope.opened, scope.times
        y = inside.add(CloseWindows(opened=opened), (y,), None)
    y = _wired(inside, wiring.post, y, "post", "norm")
    if wiring.layer_scale is not None:
        scale = Affine(bias=False, init=Init(type="constant", value=wiring.layer_scale))
        y = inside.add(scale, (y,), "layer_scale")
    if residual is None:
        return y
    y = inside.drop_path(y)
    if residual.output != 1:
        y = inside.add(Scale(value=residual.output), (y,), None)
    return _summed(inside, residual, target.value, y)


def _wired(inside: Scope, body: Any, x: Value, name: str, home: str, above: str = "") -> Value:
    """A body of the wiring; faults in it are at its key."""
    if body is None:
        return x
    try:
        return inside.run(known_body(inside, body, home), x, name)
    except ShapeError as fault:
        fault.trail += [name, above] if above else [name]
        raise


def _summed(inside: Scope, residual: Residual, t: Value, y: Value) -> Value:
    shortcut = residual.shortcut
    if isinstance(shortcut, str):
        if shortcut not in inside.exposed:
            message = f"`shortcut: {shortcut}` needs a mixer that makes a {shortcut}"
            raise ShapeError(message, "", ("residual", "shortcut"))
        t = inside.exposed[shortcut]
    else:
        t = _wired(inside, shortcut, t, "shortcut", "item", "residual")
    y = inside.combine("add", (t, y))
    return _wired(inside, residual.after, y, "after", "activation", "residual")


def _scaled(inside: Scope, x: Value, residual: Residual | None) -> Value:
    factor = 1.0 if residual is None else residual.input
    return x if factor == 1 else inside.add(Scale(value=factor), (x,), None)


def _banked(
    scope: Scope, inside: Scope, part: Any, wiring: Wiring, residual: Residual | None, target: Target, source: Value,
    role: str = "mixer",
) -> tuple[Value, Value | None]:
    """What enters the operator, and the bank of a mixer; `pre` acts on both with the same weights."""

    def pre(x: Value) -> Value:
        return _wired(inside, wiring.pre, _scaled(inside, x, residual), "pre", "norm")

    keys = part.keys if part is not None and part.banked else None
    if keys is None:
        return pre(source), None
    if keys == "all" and source is target.value:
        whole = pre(target.base())
        return scope_take(inside, whole, target), whole
    if not isinstance(keys, (str, tuple, list)):
        bank = _bank_of(scope, keys.from_, ("from", "keys", role))
        return pre(source), bank if keys.pre is None else _wired(inside, keys.pre, bank, "keys", "norm", role)
    names = [keys] if isinstance(keys, str) else list(keys)
    entering = pre(source)
    found = []
    for index, name in enumerate(names):
        if name == "self":
            found.append(entering)
        else:
            trail = ("keys", role) if isinstance(keys, str) else (index, "keys", role)
            found.append(pre(target.base() if name == "all" else _bank_of(scope, name, trail)))
    try:
        return entering, inside.join(found)
    except ShapeError as fault:
        fault.hint = "`keys: {from: …, pre: [{linear: {dim: …}}]}` brings a bank to this width"
        fault.trail += ["keys", role]
        raise


def _bank_of(scope: Scope, name: Any, trail: tuple[str | int, ...]) -> Value:
    """A feature that fills a bank."""
    try:
        return Target(scope, name).value
    except ShapeError as fault:
        fault.trail += trail
        raise


def scope_take(inside: Scope, whole: Value, target: Target) -> Value:
    """The target's part of a feature that was worked on as a whole."""
    return whole if target.whole else inside.join([inside.take(whole, part) for part in target.parts])


def _opened(wiring: Wiring, x: Value) -> OpenWindows | None:
    """The windows in which the operator runs; one that covers the grid is no window."""
    windows = wiring.windows
    if windows is None:
        return None
    if x.feature.tokens:
        message = f"`windows` need a grid alone, but the feature is {x.feature}"
        raise ShapeError(message, "`at: grid` leaves the extra tokens out", ("windows",))
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
        )
    shift = tuple(0 if size[i] == grid[i] else windows.shift[i] % size[i] for i in (0, 1))
    return OpenWindows(size=size, shift=(shift[0], shift[1]), grid=grid)


def _fitting(size: tuple[int, int], grid: tuple[int, int]) -> str:
    """The hint where windows do not tile: the nearest ones that do, and padding."""
    near = [min((k for k in range(1, g + 1) if g % k == 0), key=lambda k, s=s: (abs(k - s), k)) for s, g in zip(size, grid, strict=True)]
    text = str(near[0]) if near[0] == near[1] else f"[{near[0]}, {near[1]}]"
    return f"{text} would do, or `fit: pad`, which fills the last windows up"


def _operate(inside: Scope, item: Item, part: Any, x: Value, bank: Value | None, residual: Residual | None) -> Value:
    role = item.role
    if part is not None:
        try:
            if bank is not None:
                return part.emit(inside, x, role, bank)  # type: ignore[call-arg]
            return part.emit(inside, x, role)
        except ShapeError as fault:
            of_part(part, role, fault)
            raise
    if role == "parallel":
        return _parallel(inside, item, x, residual)
    if part is None and role not in ("body", "use"):
        return x
    body = inside.child(None, x)
    body.drop, body.block = inside.drop, inside.block
    fill(body, item)
    return body.flow


def _parallel(inside: Scope, item: Item, x: Value, residual: Residual | None) -> Value:
    how = item.wiring.merge or "add"
    frame = inside.builder.frame
    start, most, found = frame.blocks, frame.blocks, []
    for index, branch in enumerate(item.branches):
        try:
            branch = known_body(inside, branch)
            if residual is not None and how == "add" and all(_is_residual(entry) for entry in branch.items):
                raise ShapeError(
                    "x would count twice: this `parallel` is residual, and this branch adds x as well",
                    "`residual: false` on the branch's items, or on the `parallel`",
                )
            scope = inside.child(None, x, str(index))
            frame.blocks = start
            run_body(scope, branch)
            most = max(most, frame.blocks)
            found.append(scope.flow)
        except ShapeError as fault:
            fault.trail += [index, "parallel"]
            raise
    frame.blocks = most
    if not found:
        raise ShapeError("`parallel` needs at least one branch, but has none", "", ("parallel",))
    try:
        return inside.combine(how, found)
    except ShapeError as fault:
        fault.hint = f"all branches must give the same tokens and width for `{how}`"
        fault.trail.append("parallel")
        raise


def _is_residual(item: Any) -> bool:
    return isinstance(item, Item) and bool(item.wiring.residual)


def expand_part(scope: Scope, part: Part, x: Value, path: str) -> Value:
    """Lets a bound part write its nodes; a form is expanded first."""
    if not part.expands:
        return part.emit(scope, x, path)
    inside = scope.child(None, x, path)
    try:
        run_body(inside, _read_body(inside, [_expanded(part, {})]))
    except ShapeError as fault:
        of_form(part, "", fault)
        raise
    return inside.flow


__all__ = ["expand_part", "fill", "joined", "run_body", "run_item"]
