"""Whole searches: their workers, their ends, what is printed, and what is wrong with a call."""

import json
import signal
import subprocess
import time

import pytest
from rich.console import Console

from tests.search.studies import command, environment, logging, states, text, toy, trials_of, vitdsl
from vitdsl import SpecError
from vitdsl.cli import main
from vitdsl.search.run import run_search

RUNGS = "[{type: function, function: score, options: {share: 0.5}}, {type: function, function: score}]"


@pytest.mark.usefixtures("plugin")
def test_two_workers_meet_the_budget(tmp_path):
    log, path = tmp_path / "log", tmp_path / "toy.db"
    search = toy(25, rungs=logging(log, 0.03))
    outcome = run_search(search, path, workers=2, heartbeat=1, grace=3)
    trials = trials_of(path)
    assert outcome.complete == states(trials)["COMPLETE"] == 25
    assert outcome.ended == "the budget is spent"
    assert outcome.failed == len(trials) - 25
    begun = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("begin")]
    assert len(begun) == len(set(begun)) == 25
    best = max(trials, key=lambda trial: trial.value or 0)
    assert outcome.best[0]["trial"] == best.number
    assert outcome.best[0]["decisions"] == best.user_attrs["decisions"]


@pytest.mark.full
@pytest.mark.usefixtures("plugin")
def test_a_candidate_that_kills_its_worker_is_given_up(tmp_path):
    from vitdsl.search.file import load_search
    from vitdsl.search.study import portable

    rungs = f"[{{type: function, function: deadly, gives: [score], options: {{log: '{tmp_path / 'log'}'}}}}]"
    # of seven architectures one always dies and one dies once: which workers draw them when changes nothing
    seven = {
        "space.vars.dim": {"choose": [8]}, "space.stages[0].depth": {"range": [1, 7]},
        "space.stages[0].tokenizer.size": {"choose": [2]}, "space.stages[0].block[0].mixer.heads": {"choose": [1]},
        "space.stages[0].block[1].mlp.ratio": {"choose": [2]},
    }  # fmt: skip
    search = load_search(portable(toy(6, rungs=rungs)), seven)
    outcome = run_search(search, tmp_path / "toy.db", heartbeat=1, grace=1, retries=2)
    trials = trials_of(tmp_path / "toy.db")
    assert outcome.complete == 6
    assert outcome.replaced == outcome.failed == states(trials)["FAIL"] > 0
    assert outcome.retried > 0
    for trial in trials:
        depth, retry = trial.user_attrs["decisions"]["stages[0].depth"], "retry_of" in trial.user_attrs
        assert (trial.state.name == "FAIL") == (depth == 6 or (depth == 3 and not retry))


@pytest.mark.full
@pytest.mark.usefixtures("plugin")
def test_where_workers_only_die_the_search_ends(tmp_path):
    from vitdsl.search.file import load_search
    from vitdsl.search.study import portable

    rungs = f"[{{type: function, function: deadly, gives: [score], options: {{log: '{tmp_path / 'log'}'}}}}]"
    search = load_search(portable(toy(6, rungs=rungs)), {"space.stages[0].depth": {"range": [6, 6]}})
    with pytest.raises(SpecError, match=r"5 workers died, one after another, .* the last one by signal SIGKILL"):
        run_search(search, tmp_path / "toy.db", heartbeat=1, grace=1, retries=1)


@pytest.mark.usefixtures("plugin")
def test_a_workers_error_is_that_of_the_search(tmp_path):
    search = toy(6, constraints="{params: {max: 10}}")
    with pytest.raises(SpecError, match=r"nothing in the space .* fits: .*params > 10: 300"):
        run_search(search, tmp_path / "toy.db")


@pytest.mark.usefixtures("plugin")
def test_from_the_command_line(tmp_path, capsys):
    file = tmp_path / "toy.yaml"
    file.write_text(text(6, rungs=RUNGS, pruner="median"), encoding="utf-8")
    done = vitdsl("search", file, "--set", "budget.trials=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("toy: 4 complete, 0 pruned, 0 failed, 0 retries; the budget is spent\n")
    assert f"the study is in {tmp_path / 'toy.db'}\n" in done.stdout
    assert "4/4  trial 3  complete  score " in done.stderr
    again = vitdsl("search", file, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["complete"] + json.loads(again.stdout)["pruned"] == 6
    assert again.stderr.startswith("goes on with 4 complete\n")
    assert main(["search", "report", "--study", str(tmp_path / "toy.db"), "-o", str(tmp_path / "toy.html")]) == 0
    assert "<html" in (tmp_path / "toy.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["search", "best", "--study", str(tmp_path / "toy.db"), "-o", str(tmp_path / "best")]) == 0
    (path,) = (tmp_path / "best").iterdir()
    assert capsys.readouterr().out.strip() == str(path)
    assert main(["build", str(path)]) == 0


@pytest.mark.parametrize(("more", "code", "said"), [
    (["--engine", "slurm"], 2, "'slurm' is no engine: local, ray"),
    (["--address", "auto"], 1, "an address is that of a Ray cluster"),
    (["--study", "a.db", "--storage", "postgresql://h/n"], 2, "a study is in a file or on a server"),
    (["--set", "objectives={scor: maximize}"], 1, "nothing measures `scor`"),
    (["--study", "none/toy.db"], 1, "there is no folder"),
    (["--device", "cuda"], 1, "there is no GPU here"),
])  # fmt: skip
@pytest.mark.usefixtures("plugin")
def test_what_is_wrong_with_a_call(tmp_path, more, code, said, capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    file = tmp_path / "toy.yaml"
    file.write_text(text(2), encoding="utf-8")
    assert main(["search", str(file), *more]) == code
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".db"] == ["toy.yaml"]


def test_ctrl_c_stops_in_order(tmp_path):
    """The trial that is stopped is tried again at once, not when its worker has been silent for long enough."""
    file, log = tmp_path / "toy.yaml", tmp_path / "log"
    file.write_text(text(3, rungs=logging(log, 1.5)), encoding="utf-8")
    log.touch()
    process = subprocess.Popen(
        command("search", file), env=environment(), start_new_session=True, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it may be ignored where the tests run
    )  # fmt: skip
    until = time.monotonic() + 60
    while not log.stat().st_size and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert states(trials_of(tmp_path / "toy.db")) == {"FAIL": 1}
    file.write_text(text(3, rungs=logging(log, 1.5)).replace("trials: 3", "trials: 1"), encoding="utf-8")
    done = vitdsl("search", file)
    assert "1 complete, 0 pruned, 1 failed, 1 retries" in done.stdout, done.stderr


@pytest.mark.usefixtures("plugin")
def test_what_a_terminal_shows(tmp_path):
    from tests.search.studies import job
    from vitdsl.search.progress import Progress
    from vitdsl.search.study import ledger_of, study_of
    from vitdsl.search.worker import work

    search = toy(8, rungs=RUNGS, pruner="{type: median, n_startup_trials: 2}", constraints="{params: {max: 20k}}")
    with study_of(search, tmp_path / "toy.db") as study:
        work(job(search, tmp_path / "toy.db"))
        console = Console(
            force_terminal=True, width=200, record=True, file=(tmp_path / "shown").open("w", encoding="utf-8")
        )
        with console.file, Progress(search, console, lambda: (2, 1)) as progress:
            progress.show(ledger_of(study))
    shown = (tmp_path / "shown").read_text(encoding="utf-8")
    assert "8/8" in shown
    assert "2 workers" in shown
    assert "1 workers died and were replaced" in shown
    assert "best: trial" in shown
    assert "refused before they were built: " in shown
    assert "(median after rung 0)" in shown
