"""`{type: function, function: NAME}`: a Python function of an installed package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from vitdsl.errors import Problem, SpecError, did_you_mean, refuse
from vitdsl.fields.messages import describe
from vitdsl.parts.base import Reads
from vitdsl.search.evaluation import registry
from vitdsl.search.evaluation.base import Evaluation
from vitdsl.syntax.printer import plain

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate


def _options(value: Any, reader: Any) -> Any:
    if not isinstance(value, dict):
        refuse(f"`options` must be a mapping, but is {describe(value)}", code="E203")
    return plain(value)


class Function(Evaluation):
    """Calls a function of the entry point group `vitdsl.evaluations`.

    The call is `function(candidate, **options)`; it returns a number, or a mapping of numbers by measure.

    Attributes:
        function: the name of the entry point; files cannot name Python paths.
        gives: the measures; by default one with the function's name.
        options: keyword arguments of the function.
    """

    type: Literal["function"] = "function"
    function: str
    gives: Annotated[list[str], Field(min_length=1)] | None = None
    options: Annotated[Any, Reads(_options, {"type": "object"})] = Field(default_factory=dict)

    def agree(self) -> None:
        """The function is installed, and is not an evaluation class."""
        if self.function not in registry.installed():
            hint = did_you_mean(self.function, registry.installed())
            message = (
                f"no installed package offers `{self.function}` in the entry point group `{registry.ENTRY_POINTS}`"
            )
            refuse(message, hint, at=("function",), code="E908")
        if registry.evaluation_class(self.function) is not None:
            refuse(
                f"`{self.function}` is an evaluation of its own",
                f"write {{type: {self.function}}}",
                at=("function",),
                code="E908",
            )

    def names(self) -> tuple[str, ...]:
        """The names in `gives`; their units are the function's."""
        return tuple(self.gives or (self.function,))

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Calls the function.

        Raises:
            SpecError: its result has other names than `gives`, or a value that is not a number.
        """
        names = self.names()
        result = registry.installed()[self.function].load()(candidate, **self.options)
        if not isinstance(result, Mapping) and len(names) == 1:
            result = {names[0]: result}
        if not isinstance(result, Mapping) or set(result) != set(names):
            description = describe(dict(result) if isinstance(result, Mapping) else result)
            raise SpecError(
                Problem(f"`{self.function}` must give {', '.join(names)}, but gave {description}", code="E908")
            )
        for name, value in result.items():
            if not hasattr(value, "__float__") or isinstance(value, (bool, str)):
                raise SpecError(
                    Problem(f"`{name}` of `{self.function}` must be a number, but is {describe(value)}", code="E908")
                )
        return {name: float(result[name]) for name in names}
