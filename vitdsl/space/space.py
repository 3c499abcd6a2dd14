"""A space of architectures: a spec with holes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from vitdsl.errors import Problem, SpecError, did_you_mean
from vitdsl.space import Choice, Draw, count, draw, survey
from vitdsl.space.counting import count_text, logs
from vitdsl.space.encoding import Coder
from vitdsl.space.variation import crossed, mutated
from vitdsl.spec import Spec, load, read_tree
from vitdsl.syntax.holes import Numbers

Decisions = Mapping[str, Any]
Seed = int | random.Random


class Space:
    """All ordinary specs that come of a spec when its holes are filled.

    Args:
        source: a spec, or what `load` takes: a shipped name, a path, YAML text or a mapping.
        set: values by written path, laid over the file; one that is put in for a hole decides it.

    Attributes:
        spec: the spec with its holes.

    Raises:
        SpecError: the file is wrong, an alternative is, or a hole cannot be decided.
    """

    def __init__(self, source: str | Path | Mapping[str, Any] | Spec, set: Mapping[str, Any] | None = None) -> None:
        self.spec = source if isinstance(source, Spec) and not set else load(source, set)
        self.sites = survey(self.spec.tree)
        if not self.sites.roots:
            message = "this spec has no holes, so there is nothing to decide"
            hint = "a hole is {choose: [a, b]} or {range: [low, high, step]} in place of a value"
            raise SpecError(Problem(message, mark=self.spec.tree.pos, hint=hint, code="E901"))
        self.size  # noqa: B018 - decisions that depend on themselves are found here

    @property
    def name(self) -> str:
        """The spec's name."""
        return self.spec.name

    @cached_property
    def size(self) -> int | None:
        """How many logs of decisions there are; None where too many hang together to be counted."""
        return count(self.sites)

    # ------------------------------------------------------------ one architecture

    def walk(self, choose: Callable[[Choice], Any]) -> Spec:
        """The spec that comes of deciding every hole, in the order of the file, `vars` first.

        Args:
            choose: gives one of a choice's options.

        Raises:
            SpecError: what comes of it is no spec.
        """
        return self._spec(draw(self.sites, choose))

    def decide(self, choose: Callable[[Choice], Any]) -> dict[str, Any]:
        """As `walk`, but only the log of decisions."""
        return draw(self.sites, choose).log

    def sample(self, seed: Seed) -> Spec:
        """A spec in which every decision is drawn with equal chances for its options.

        Args:
            seed: of the draw; the same gives the same spec.
        """
        rng = _random(seed)
        return self.walk(lambda choice: rng.choice(choice.options))

    def replay(self, decisions: Decisions) -> Spec:
        """The spec of a log of decisions.

        Raises:
            SpecError: a decision that is missing, impossible, or asked for by no hole.
        """
        faults: list[Problem] = []

        def chosen(choice: Choice) -> Any:
            found = _option(choice, decisions.get(choice.path))
            if found is not None:
                return choice.options[found]
            faults.append(_undecided(choice, decisions))
            return choice.options[0]

        made = draw(self.sites, chosen)
        if not faults:
            for path in decisions.keys() - made.log.keys():
                message = f"{path} is decided, but this architecture does not ask for it"
                faults.append(Problem(message, path, hint=did_you_mean(path, made.log), code="E905"))
        if faults:
            raise SpecError(faults)
        return self._spec(made)

    def _spec(self, made: Draw) -> Spec:
        spec = read_tree(made.tree())
        spec.decisions = made.log
        return spec

    def __iter__(self) -> Iterator[Spec]:
        """Every architecture, in the order of the options."""
        return (self._spec(made) for made in logs(self.sites))

    # ------------------------------------------------------------ others from some

    def mutate(self, parent: Spec | Decisions, seed: Seed) -> Spec:
        """A spec that differs from its parent by one step.

        One decision is drawn anew, two stages change their bodies as far as each has the other's options, or a
        repetition becomes longer or shorter by one step; what a longer one asks is answered as its last repetition did.

        Args:
            parent: a spec of this space, or its decisions.
            seed: of the draw.
        """
        return self.walk(mutated(self.sites, self.decide, _log(parent), _random(seed)))

    def crossover(self, first: Spec | Decisions, second: Spec | Decisions, seed: Seed) -> Spec:
        """A spec each of whose decisions is that of one parent, where it has it."""
        return self.walk(crossed(_log(first), _log(second), _random(seed)))

    def encode(self, spec: Spec | Decisions) -> list[float]:
        """Decisions as numbers, equally many for every spec of the space.

        Numbers in order become one value in 0..1, others one value an option (1 for what was decided); a decision that
        the spec does not have is -1.
        """
        return self._coder.encode(_log(spec))

    @cached_property
    def _coder(self) -> Coder:
        return Coder(self.sites)

    def __repr__(self) -> str:
        return f"<Space {self.name} {self.spec.hash} of {count_text(self.size)}>"


def _random(seed: Seed) -> random.Random:
    return seed if isinstance(seed, random.Random) else random.Random(seed)


def _log(spec: Spec | Decisions) -> Decisions:
    """The decisions of a spec."""
    if not isinstance(spec, Spec):
        return spec
    if spec.decisions is None:
        raise ValueError(f"{spec.name} was not drawn from a space: it has no decisions")
    return spec.decisions


def _option(choice: Choice, value: Any) -> int | None:
    """Which option a logged value is; numbers by value, truths only as truths."""
    options = choice.options
    if isinstance(options, Numbers):
        return options.index(value) if not isinstance(value, bool) and value in options else None
    alike = (option == value and isinstance(option, bool) == isinstance(value, bool) for option in options)
    return next((index for index, found in enumerate(alike) if found), None)


def _undecided(choice: Choice, decisions: Decisions) -> Problem:
    """What to say of a choice that a log does not settle."""
    if choice.path not in decisions:
        return Problem(f"the log of decisions says nothing of {choice.path}", choice.path, code="E905")
    value, options = decisions[choice.path], choice.options
    shown = ", ".join(map(str, options[:12])) + (f", … ({len(options):,})" if len(options) > 12 else "")
    hint = "" if isinstance(options, Numbers) else did_you_mean(str(value), map(str, options))
    return Problem(f"{value!r} is no option here: {shown}", choice.path, hint=hint, code="E905")
