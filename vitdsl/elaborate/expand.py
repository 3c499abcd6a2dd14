"""The expanded spec: uses, forms and defaults are written out; items with primitives remain."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from vitdsl.elaborate.builder import Observed
from vitdsl.errors import ExpressionError, Problem, SpecError
from vitdsl.parts.base import NONE, Fields, LateList, Part
from vitdsl.resolve.substitute import FEATURES, inline_variables, substitute
from vitdsl.resolve.variables import names_reached
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map
from vitdsl.validate import Body, Item, SpecReader, UsedStage, read_stage
from vitdsl.validate.defaults import wiring_over_expansion

KEPT = ("name", "paper", "input", "classes", "vars", "drop_path", "init")


def expanded(spec: Any, observed: Observed | None = None) -> Map:
    """The tree of an equivalent spec without defaults, defines and forms.

    Args:
        spec: a `vitdsl.spec.Spec`.
        observed: values of late arguments and bound forms in its graph. An argument that has one number as its value
            is written as that number: inside of the define, `$dim` could mean another feature. Then only the
            outermost uses and forms are written out, since those inside of them have not been observed yet.

    Raises:
        SpecError: an argument cannot be written where it is used.
    """
    expander = Expander(spec.reader, spec.tree.get("vars") or {}, observed)
    kept = KEPT if observed is None else (*KEPT, "defaults", "define")
    tree = Map({key: spec.tree[key] for key in kept if key in spec.tree})
    try:
        tree["stages"] = [expander.stage(stage) for stage in spec.model.stages]
        if spec.model.head is not None:
            tree["head"] = expander.head(spec.model.head)
    except ExpressionError as error:
        message = f"this spec cannot be written without defines: {error.message}"
        raise SpecError(Problem(message, hint=error.hint, code="E214")) from None
    return tree


class Expander:
    """Writes validated objects back as a tree, with uses and forms expanded.

    Args:
        reader: of the spec.
        variables: of the file.
        observed: values of late arguments and bound forms; if None, uses and forms are expanded at every depth.
    """

    def __init__(self, reader: SpecReader, variables: Mapping[str, Any], observed: Observed | None) -> None:
        self.reader, self._observed, self._deep = reader, observed or {}, observed is None
        self._late = {name: value for name, value in variables.items() if isinstance(value, Late)}

    # ------------------------------------------------------------ stages and head

    def stage(self, stage: Any) -> dict[str, Any]:
        """A stage. The use of a define becomes its stage; a block that never runs becomes empty."""
        if isinstance(stage, UsedStage):
            define = self.reader.define(stage.use)
            raw = substitute(define["stage"], self._arguments(stage, define))
            return self.stage(read_stage(self.reader, raw)) if self._deep else raw
        if stage.depth == 0:
            return {**self.fields(stage, without=("block",)), "block": []}
        return self.fields(stage)

    def head(self, head: Any) -> Any:
        """The head; a head with nothing but a body is written as the body."""
        return self.fields(head)["body"] if head.fields_set == {"body"} else self.fields(head)

    def _arguments(self, user: Item | UsedStage, define: Mapping[str, Any]) -> dict[str, Any]:
        made = {name: inline_variables(value, self._late) for name, value in user.args.items()}
        for name, raw in (define.get("optional") or {}).items():
            if name not in made:
                made[name] = substitute(inline_variables(raw, self._late), made)
        numbers = {name: self._observed_value(user, name) for name in made}
        return made | {name: value for name, value in numbers.items() if isinstance(value, (int, float))}

    def _observed_value(self, of: object, argument: str = "") -> Any:
        """The value of a late argument, or a bound form; None if it had several values, or was not observed."""
        return self._observed.get((id(of), argument), (of, None))[1]

    # ------------------------------------------------------------ values

    def value(self, value: Any) -> Any:
        """A validated value as a tree."""
        if isinstance(value, Body):
            return self.body(value)
        if isinstance(value, Part):
            return self.part(value)
        if isinstance(value, Fields):
            return self.fields(value)
        if isinstance(value, Item):
            return self.item(value)
        if isinstance(value, Hole):
            return value.raw
        if isinstance(value, dict):
            return {key: self.value(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple, LateList)):
            return [self.value(entry) for entry in value]
        return value

    def fields(self, fields: Fields, without: Container[str] = ()) -> dict[str, Any]:
        """The fields that the file sets, as a mapping; a part or body that is off becomes `none`."""
        if getattr(fields, "off", False) is True:
            return NONE  # type: ignore[return-value]
        made = {}
        for key, value in fields.written.items():
            if key not in without and value is not None:
                made[key] = self.value(value)
        return made

    def part(self, part: Part) -> dict[str, Any]:
        """A part with its type."""
        given = self.fields(part)
        return {"type": part.type, **{key: value for key, value in given.items() if key != "type"}}

    # ------------------------------------------------------------ bodies

    def body(self, body: Any) -> Any:
        """A body: a list of items, or one bare part."""
        if isinstance(body, Late):
            return body
        if not body.bare:
            return [made for item in body.items for made in self.items(item, alone=len(body.items) == 1)]
        part = body.items[0].part
        if part is None or isinstance(part, (Late, Hole)):
            return NONE if part is None else self.value(part)
        if not part.expands:
            return self.part(part)
        raw = self._expansion(part)
        raw = raw["body"] if raw.keys() == {"body"} else [raw]
        return self.body(self.reader.body(raw, "item")) if self._deep else self.value(raw)

    def items(self, item: Any, alone: bool) -> list[Any]:
        """The items that one item expands into; a `use` that stands alone in its body gives several."""
        if isinstance(item, (Late, Hole)):
            return [self.value(item)]
        if item.role == "use" and alone and not item.own_wiring:
            return self._used(item)
        return [self.item(item)]

    def _used(self, item: Item) -> list[Any]:
        define = self.reader.define(item.use)
        raw = substitute(define["body"], self._arguments(item, define))
        body = self.reader.body(raw, "item")
        made = [] if body is None else self.body(body) if self._deep else raw
        return made if isinstance(made, list) else [made]

    def item(self, item: Item) -> Any:
        """One item with its full wiring. A part that never runs is left out: it was never checked."""
        if item.wiring.repeat == 0:
            return {"repeat": 0, "body": []}
        if item.part is not None and not isinstance(item.part, (Late, Hole)) and item.part.expands:
            raw = wiring_over_expansion(self._expansion(item.part), item.own_wiring)
            return self.item(self.reader.item(raw)) if self._deep else self.value(raw)
        wiring = self._wiring(item)
        if item.role == "use":
            return {**wiring, "body": self._used(item)}
        if item.role == "body":
            return {**wiring, "body": self.body(item.body)}
        if item.role == "parallel":
            return {**wiring, "parallel": [self.body(branch) for branch in item.branches]}
        if not item.role:
            return wiring
        return {**wiring, item.role: NONE if item.part is None else self.value(item.part)}

    def _expansion(self, form: Any) -> dict[str, Any]:
        """The expansion of a form.

        Raises:
            ExpressionError: a late value of the form would read another feature inside of the expansion.
        """
        known = self._observed_value(form) or form
        raw = known.expand()
        behind = raw["body"][1:] if known.open and isinstance(raw.get("body"), list) else []
        if FEATURES.isdisjoint(names_reached(facts(behind).names, self._late)):
            return raw
        message = f"a late value in `{form.type}` reads the feature that enters it, and would read another one inside"
        raise ExpressionError(message, "a number in its place can be written there", "E214")

    def _wiring(self, item: Item) -> dict[str, Any]:
        """The item's wiring, with the file's defaults written into it."""
        full = self.reader.full_wiring(item.own_wiring, item.is_residual)
        if item.is_residual and "pre" not in full and full.get("residual") is not False:
            full["pre"] = NONE
        made = {}
        for key, value in full.items():
            home = {"pre": "norm", "post": "norm"}.get(key)
            if value is None:
                continue
            if home and value != NONE and not isinstance(value, (Late, Body)):
                value = self.body(self.reader.body(value, home))
            elif key == "residual" and isinstance(value, dict):
                value = self._residual(value)
            made[key] = self.value(value)
        return made

    def _residual(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(raw)
        for key, home in (("shortcut", "item"), ("after", "activation")):
            if key in made and not isinstance(made[key], (Late, Body)) and made[key] not in (NONE, "value", "query"):
                made[key] = self.body(self.reader.body(made[key], home))
        return made
