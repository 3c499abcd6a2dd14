"""What a running search shows: a live table on a terminal, a line for each finished trial elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vitdsl.search.ledger import COUNTED, Ledger, history, refusals
from vitdsl.search.results import dominates
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Console

    from vitdsl.search.file import Search

NEWEST = 6
"""So many trials are shown one by one."""


def leaders(search: Search, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The complete trials that no other is better than: with one objective the best, with several the Pareto front."""
    signs = [1 if direction == "maximize" else -1 for direction in search.file.objectives.values()]
    scored = [
        ([sign * value for sign, value in zip(signs, trial.values, strict=True)], trial)
        for trial in trials if trial.state.name == "COMPLETE"
    ]  # fmt: skip

    return [trial for mine, trial in scored if not any(dominates(other, mine) for other, _ in scored)]


def line_of(search: Search, trial: FrozenTrial) -> str:
    """A finished trial in one line."""
    attributes = trial.user_attrs
    measures = attributes.get("measures", {})
    wanted = dict.fromkeys([*search.file.objectives, "params", "macs"])
    parts = [f"trial {trial.number}", trial.state.name.lower()]
    parts += [f"{name} {format_measure(measures[name], name)}" for name in wanted if name in measures]
    if "pruned" in attributes:
        parts.append(f"({attributes['pruned']})")
    if "error" in attributes:
        parts.append(f"({attributes['error'].splitlines()[0]})")
    elif "given_up" in attributes:
        parts.append(f"({attributes['given_up']})")
    elif trial.state.name == "FAIL":
        parts.append("(its worker died or was stopped)")
    if history(trial):
        parts.append(f"retry of trial {history(trial)[-1]}")
    return "  ".join(parts)


class Progress:
    """Shows a search while it runs.

    Args:
        search: which.
        console: where.
        workers: gives how many workers run, and how many were replaced.
    """

    def __init__(self, search: Search, console: Console, workers: Callable[[], tuple[int, int]]) -> None:
        self.search, self.console, self.workers = search, console, workers
        self.began = time.monotonic()
        self._shown: set[int] | None = None
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
        """Shows what the trials say now."""
        if self._live is not None:
            self._live.update(self._table(ledger), refresh=True)
            return
        finished = [trial for trial in ledger.trials if trial.state.name in (*COUNTED, "FAIL")]
        if self._shown is None:
            # of a search that is gone on with, only what is new
            self._shown = {trial.number for trial in finished}
            if finished:
                self.console.print(f"goes on with {self._counts(ledger)}", highlight=False, soft_wrap=True)
            return
        for trial in finished:
            if trial.number not in self._shown:
                self._shown.add(trial.number)
                done = f"{ledger.finished}/{self.search.file.budget.trials}"
                self.console.print(
                    f"{done}  {line_of(self.search, trial)}", highlight=False, markup=False, soft_wrap=True
                )

    def _counts(self, ledger: Ledger) -> str:
        counts: dict[str, int] = {}
        for trial in ledger.trials:
            counts[trial.state.name.lower()] = counts.get(trial.state.name.lower(), 0) + 1
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))

    def _table(self, ledger: Ledger) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        budget, seconds = self.search.file.budget, time.monotonic() - self.began
        workers, replaced = self.workers()
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(self.search.name, style="bold"), ProgressBar(total=budget.trials, completed=ledger.finished, width=30),
            f"{ledger.finished}/{budget.trials}", _clock(seconds), f"{workers} workers",
        )  # fmt: skip
        lines: list[Any] = [head, Text(self._counts(ledger))]
        if replaced:
            lines.append(Text(f"{replaced} workers died and were replaced", style="yellow"))
        refused = refusals(ledger.trials)
        if refused:
            said = ", ".join(f"{reason}: {count:,}" for reason, count in [*refused.items()][:5])
            lines.append(Text(f"refused before they were built: {said}", style="dim"))
        best = leaders(self.search, ledger.trials)
        lines += [Text(f"best: {line_of(self.search, trial)}", style="green") for trial in best[-3:]]
        finished = [trial for trial in ledger.trials if trial.state.name in (*COUNTED, "FAIL")]
        lines += [Text(line_of(self.search, trial), style="dim") for trial in finished[-NEWEST:]]
        return Group(*lines)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
