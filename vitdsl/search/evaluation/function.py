"""`{type: function, function: NAME}`: what an installed Python function measures."""

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
        refuse(f"`options` must be a mapping, but is {describe(value)}")
    return plain(value)


class Function(Evaluation):
    """Calls a function that an installed package offers as entry point of the group `vitdsl.evaluations`.

    It is called as `function(candidate, **options)`, and gives a number, or a mapping of numbers by measure.

    Attributes:
        function: the entry point's name; a file never names a Python path.
        gives: the measures, by default one of the function's name.
        options: what the function gets beside the candidate.
    """

    type: Literal["function"] = "function"
    function: str
    gives: Annotated[list[str], Field(min_length=1)] | None = None
    options: Annotated[Any, Reads(_options, {"type": "object"})] = Field(default_factory=dict)

    def agree(self) -> None:
        """The function is installed, and is no evaluation of its own."""
        if self.function not in registry.foreign():
            hint = did_you_mean(self.function, registry.foreign())
            said = f"no installed package offers `{self.function}` in the entry point group `{registry.ENTRY_POINTS}`"
            refuse(said, hint, at=("function",))
        if registry.evaluation_class(self.function) is not None:
            refuse(
                f"`{self.function}` is an evaluation of its own", f"write {{type: {self.function}}}", at=("function",)
            )

    def names(self) -> tuple[str, ...]:
        """What `gives` says, in the function's own units."""
        return tuple(self.gives or (self.function,))

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """What the function gives.

        Raises:
            SpecError: it is not what `gives` says.
        """
        given = registry.foreign()[self.function].load()(candidate, **self.options)
        found = given if isinstance(given, Mapping) else {self.names()[0]: given} if len(self.names()) == 1 else None
        if found is None or set(found) != set(self.names()):
            wanted, came = ", ".join(self.names()), describe(dict(found) if found is not None else given)
            raise SpecError(Problem(f"`{self.function}` must give {wanted}, but gave {came}"))
        wrong = {name: value for name, value in found.items() if not _is_number(value)}
        if wrong:
            name, value = next(iter(wrong.items()))
            raise SpecError(Problem(f"`{name}` of `{self.function}` must be a number, but is {describe(value)}"))
        return {name: float(found[name]) for name in self.names()}


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (bool, str))
