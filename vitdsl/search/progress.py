"""The progress of a running search: a live table on a terminal, else a line for each finished trial."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vitdsl.errors import printable
from vitdsl.search.ledger import COUNTED, FAILED, Ledger, history, refusals
from vitdsl.search.results import pareto
from vitdsl.units import format_clock, format_measure

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Console

    from vitdsl.search.file import Search

NEWEST = 6
"""The number of trials with a line of their own in the table."""


def leaders(search: Search, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The best complete trials, in their order: with one objective all of the best value, with several the front."""
    points = ((trial, trial.values) for trial in trials if trial.state.name == "COMPLETE")
    return sorted(pareto(points, search.file.objectives.values()), key=lambda trial: trial.number)


def line_of(search: Search, trial: FrozenTrial) -> str:
    """A finished trial in one line; what a terminal would obey or hide is escaped."""
    attributes = trial.user_attrs
    measures = attributes.get("measures", {})
    names = dict.fromkeys([*search.file.objectives, "params", "macs"])
    parts = [f"trial {trial.number}", trial.state.name.lower()]
    parts += [f"{name} {format_measure(measures[name], name)}" for name in names if name in measures]
    if "pruned" in attributes:
        parts.append(f"({attributes['pruned']})")
    if "error" in attributes:
        first, *_ = attributes["error"].split("\n")
        parts.append(f"({first})")
    elif "given_up" in attributes:
        parts.append(f"({attributes['given_up']})")
    elif trial.state.name == FAILED:
        parts.append("(its worker died or was stopped)")
    if history(trial):
        parts.append(f"retry of trial {history(trial)[-1]}")
    return printable("  ".join(parts))


class Progress:
    """Shows a search while it runs.

    Args:
        search: which.
        console: where it is shown.
        workers: gives the number of workers that run, and of those that were replaced.
    """

    def __init__(self, search: Search, console: Console, workers: Callable[[], tuple[int, int]]) -> None:
        self.search, self.console, self.workers = search, console, workers
        self.began = time.monotonic()
        self._printed: set[int] | None = None
        self._live: Any = None

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, ledger: Ledger) -> None:
        """Shows the present state of the trials."""
        if self._live is not None:
            self._live.update(self._table(ledger), refresh=True)
            return
        finished = [trial for trial in ledger.trials if trial.state.name in (*COUNTED, FAILED)]
        if self._printed is None:
            # when a search goes on, only new trials are printed
            self._printed = {trial.number for trial in finished}
            if finished:
                self.console.print(f"goes on with {self._counts(ledger)}", highlight=False, soft_wrap=True)
            return
        for trial in finished:
            if trial.number not in self._printed:
                self._printed.add(trial.number)
                done = f"{ledger.finished}/{self.search.file.budget.trials}"
                self.console.print(
                    f"{done}  {line_of(self.search, trial)}", highlight=False, markup=False, soft_wrap=True
                )

    def _counts(self, ledger: Ledger) -> str:
        counts = Counter(trial.state.name.lower() for trial in ledger.trials)
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))

    def _table(self, ledger: Ledger) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        budget, seconds = self.search.file.budget, time.monotonic() - self.began
        workers, replaced = self.workers()
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=budget.trials, completed=ledger.finished, width=30)
        head.add_row(
            Text(printable(self.search.name), style="bold"), bar,
            f"{ledger.finished}/{budget.trials}", format_clock(seconds), f"{workers} workers",
        )  # fmt: skip
        lines: list[Any] = [head, Text(self._counts(ledger))]
        if replaced:
            lines.append(Text(f"{replaced} workers died and were replaced", style="yellow"))
        refused = refusals(ledger.trials)
        if refused:
            reasons = ", ".join(f"{reason}: {count:,}" for reason, count in [*refused.items()][:5])
            lines.append(Text(printable(f"refused before they were built: {reasons}"), style="dim"))
        best = leaders(self.search, ledger.trials)
        lines += [Text(f"best: {line_of(self.search, trial)}", style="green") for trial in best[-3:]]
        finished = [trial for trial in ledger.trials if trial.state.name in (*COUNTED, FAILED)]
        lines += [Text(line_of(self.search, trial), style="dim") for trial in finished[-NEWEST:]]
        return Group(*lines)
