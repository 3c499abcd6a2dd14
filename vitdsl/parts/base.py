"""What every part is: fields, and either a node of the graph (primitive) or an expansion into such nodes (form).

What a part needs is imported from here: the bases, the types of its fields, and what surrounds it.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature
from vitdsl.fields.marks import (
    Activation,
    BodyField,
    FieldsOr,
    Items,
    Nested,
    Norm,
    NormBody,
    PartField,
    Reads,
    no_scalar,
)
from vitdsl.fields.nothing import NONE
from vitdsl.fields.record import Fields, Part
from vitdsl.parts.protocols import Reader, Scope, Value
from vitdsl.syntax.expressions import LateList, settled

if TYPE_CHECKING:
    from torch.nn import Module
else:
    Module = Any

__all__ = [
    "NONE", "Activation", "BodyField", "Fields", "FieldsOr", "Form", "Items", "LateList", "Module", "Nested", "Norm",
    "NormBody", "Part", "PartField", "Primitive", "Reader", "Reads", "Scope", "Value", "no_scalar", "settled",
]  # fmt: skip

NOTHING = Cost()


class Primitive(Part):
    """A part that is one node of the graph and one module.

    Attributes:
        on_grid: acts on the grid; extra tokens pass by.
        mixes: an output token depends on other tokens than its own.
        pairs: each place of the output is a pair of a query and a key, the queries being the first input.
        by_query: an output token depends on its own token of the first input alone, and on all of the others.
        by_statistics: while training, an output token depends on every token, by their mean or variance.
        dynamic: how the kernels that it makes of its inputs act: `point-wise` or `depth-wise`; empty: it makes none.
        activation_of_kernels: what tables call it, where it is no field of the part.
        without_map: of what makes kernels: why it has no attention map; empty: nothing is known of one.
        by_place: what becomes of a token depends on where it stands.
        layout: what the module takes: (B, N, C) `tokens`, (B, C, H, W) `map`, or `any` of the two.
        gives: what it returns, `same` as it took or one of the two.
        structural: there is no module; the compiler splices tokens, or writes one expression.
        view: the output is no new memory.
        of_part: what a spec calls that of which this is the operator, where it has another name there (`linear` over
            tokens is `token_linear`): tables call it so, and its weights start as those of that part's family.
    """

    structural: ClassVar[bool] = False
    view: ClassVar[bool] = False
    of_part: ClassVar[str] = ""
    on_grid: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    pairs: ClassVar[bool] = False
    by_query: ClassVar[bool] = False
    by_statistics: ClassVar[bool] = False
    dynamic: ClassVar[Literal["", "point-wise", "depth-wise"]] = ""
    activation_of_kernels: ClassVar[str] = ""
    without_map: ClassVar[str] = ""
    by_place: ClassVar[bool] = False
    layout: ClassVar[Literal["any", "tokens", "map"]] = "any"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "same"

    def acts_on_grid(self) -> bool:
        """As its class says."""
        return self.on_grid

    def infer(self, *inputs: Feature) -> Feature:
        """The shape rule: the output's feature; by default that of the first input. Raises ShapeError."""
        return inputs[0]

    def cost(self, *inputs: Feature) -> Cost:
        """Exact cost for one image, without activations' memory."""
        return NOTHING

    def mixes_channels(self, *inputs: Feature) -> bool:
        """Whether an output channel depends on other channels than its own; asked of what has weights."""
        return True

    def leaves_out(self, *inputs: Feature) -> tuple[int, int]:
        """Rows and columns of the grid that the operator never reads, because they fill no window of its."""
        return (0, 0)

    def layer(self, *inputs: Feature) -> partial[Module]:
        """What makes the module: its class, which is one of torch's or of `vitdsl.layers`, and the arguments.

        A part that overrides `build` instead runs as any other does, but cannot be printed.
        """
        raise NotImplementedError

    def build(self, *inputs: Feature) -> Module:
        """The module."""
        return self.layer(*inputs)()

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Fields and input features that the contract tests try; one has odd sizes."""
        return []

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """One node, then the part's own norm and activation; extra tokens pass a grid operator by."""
        if self.on_grid and x.feature.tokens and x.feature.grid is not None:
            return scope.put(x, "grid", self.emit(scope, scope.take(x, "grid"), path))
        y = scope.add(self, (x,), path)
        return self.follow(scope, y, path) if self.followers else y

    def follow(self, scope: Scope, y: Value, path: str) -> Value:
        """Appends the part's own norm and activation, its children in the module tree."""
        for name in self.followers:
            part = self.__dict__[name]
            if part is not None:
                try:
                    y = scope.emit(part, y, f"{path}.{name}")
                except ShapeError as fault:
                    fault.trail.append(name)
                    raise
        return y


class Form(Part):
    """A part that has a name but no node of its own: it expands into an item, which is validated like the file."""

    expands: ClassVar[bool] = True

    def expand(self) -> dict[str, Any]:
        """The item (role and wiring) that this form stands for; what the item itself wires is merged over it."""
        raise NotImplementedError
