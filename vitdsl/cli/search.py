"""`vitdsl search`: architecture search over a space, and what it found."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vitdsl.cli.options import AsJson, Settings, to_write
from vitdsl.cli.output import echo, print_json
from vitdsl.cli.specs import settings
from vitdsl.syntax.names import file_name

if TYPE_CHECKING:
    from vitdsl.search.file import Search
    from vitdsl.search.run import Outcome

RUN = "run"
SearchName = Annotated[str, typer.Argument(metavar="FILE", help="A search: a file, or the name of a shipped one.")]
Storage = Annotated[
    str | None,
    typer.Option("--storage", metavar="URL", help="A database server in place of a file: postgresql://user@host/name."),
]
StudyFile = Annotated[
    Path | None, typer.Option("--study", metavar="FILE.db", help="The study's file; by default beside the search.")
]


class _Commands(TyperGroup):
    """What stands after `search` is a command of it, or else the search to run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands:
            args = [RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.callback()
def _search() -> None:
    """Search a space for architectures: `vitdsl search FILE`."""


@app.command(name=RUN)
def run(
    file: SearchName,
    workers: Annotated[int, typer.Option("--workers", min=1, help="How many candidates are judged at once.")] = 1,
    engine: Annotated[
        str, typer.Option("--engine", help="local: processes of this machine; ray: a cluster.")
    ] = "local",
    address: Annotated[str | None, typer.Option("--address", help="Of a running Ray cluster, such as auto.")] = None,
    study: StudyFile = None,
    storage: Storage = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="For checkpoints of candidates; all workers see it.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda for all GPUs in turn, or one: cuda:1.")] = "cpu",
    heartbeat: Annotated[
        int, typer.Option("--heartbeat", min=1, metavar="SECONDS", help="Between two signs of life of a worker.")
    ] = 60,
    grace: Annotated[
        int | None,
        typer.Option("--grace", min=1, metavar="SECONDS", help="Silence of a dead worker; by default two heartbeats."),
    ] = None,
    set_: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Run a search, `vitdsl search FILE`; the same command again goes on with it.

    `vitdsl search report` writes what was found as a page, `vitdsl search best` the winning specs.
    """
    from rich.console import Console

    from vitdsl.search.file import load_search
    from vitdsl.search.run import ENGINES, run_search

    if engine not in ENGINES:
        raise typer.BadParameter(f"'{engine}' is no engine: {', '.join(ENGINES)}", param_hint="--engine")
    search = load_search(Path(file), settings(set_))
    outcome = run_search(
        search, where(search, file, study, storage), workers=workers, engine=engine, address=address, folder=folder,
        heartbeat=heartbeat, grace=grace, device=device, console=Console(stderr=True),
    )  # fmt: skip
    if as_json:
        print_json(asdict(outcome))
    else:
        _print(search, outcome)


Name = Annotated[str | None, typer.Option("--name", help="Which study, where the storage holds several.")]


@app.command(name="report")
def report(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.html", help="The page.")],
    study: StudyFile = None,
    storage: Storage = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Write what a search found as one HTML page; the search may still run."""
    from vitdsl.search.report.page import write_report
    from vitdsl.search.study import existing_study, search_of

    to_write(output, "--output", ".html")
    with existing_study(_kept(study, storage), name) as found:
        written = write_report(found, search_of(found), output)
    if as_json:
        print_json({"written": str(output)})
    else:
        echo(written)


@app.command(name="best")
def best(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Write them to a folder.")],
    count: Annotated[
        int | None, typer.Option("-n", "--count", min=1, help="How many; by default the best, or the whole front.")
    ] = None,
    study: StudyFile = None,
    storage: Storage = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Write the winning specs, which `vitdsl build` takes."""
    from vitdsl.search.best import write_best
    from vitdsl.search.study import existing_study, search_of

    with existing_study(_kept(study, storage), name) as found:
        written = [str(path) for path in write_best(found, search_of(found), output, count)]
    if as_json:
        print_json({"written": written})
    else:
        for path in written:
            echo(path)


def _kept(study: Path | None, storage: str | None) -> str | Path:
    """Where the study is that two options name."""
    if (study is None) == (storage is None):
        raise typer.BadParameter("name the study's file, or the server that it is on", param_hint="--study")
    return storage or study or ""


def where(search: Search, file: str, study: Path | None, storage: str | None) -> str | Path:
    """The storage of a search: a server, a file that was named, or one beside the search."""
    from vitdsl.resolve.files import shipped

    if study is not None and storage is not None:
        raise typer.BadParameter("a study is in a file or on a server, not in both", param_hint="--storage")
    if storage is not None or study is not None:
        return storage or study or ""
    given = Path(file)
    # what is shipped stands where nothing is to be written
    own = given.is_file() and shipped("searches").resolve() not in given.resolve().parents
    return (given.parent if own else Path()) / file_name(search.name, ".db")


def _print(search: Search, outcome: Outcome) -> None:
    from vitdsl.units import format_measure

    echo(
        f"{outcome.study}: {outcome.complete} complete, {outcome.pruned} pruned, {outcome.failed} failed, "
        f"{outcome.retried} retries; {outcome.ended}"
    )
    if outcome.refused:
        said = ", ".join(f"{reason}: {count:,}" for reason, count in outcome.refused.items())
        echo(f"refused before they were built: {said}")
    for entry in outcome.best:
        measures = entry["measures"]
        names = dict.fromkeys([*search.file.objectives, "params", "macs"])
        said = ", ".join(f"{name} {format_measure(measures[name], name)}" for name in names if name in measures)
        echo(f"best: trial {entry['trial']}  {said}")
    echo(f"the study is in {outcome.storage}")
