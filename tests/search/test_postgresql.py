"""A study on a real PostgreSQL server, which the tests start for themselves."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search.studies import environment, logging, states, text, toy, trials_of, vitdsl
from vitdsl import SpecError
from vitdsl.search.study import study_of

pytestmark = pytest.mark.usefixtures("plugin")


def programs() -> Path | None:
    """The folder of the newest server's programs, as Debian's package installs them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database on a server of a temporary folder, which listens on a Unix socket alone."""
    bin_, root = programs(), os.geteuid() == 0
    if bin_ is None:
        pytest.skip("no PostgreSQL server is installed in /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    # the server does not run as root; Debian's package makes a user for it
    user = pwd.getpwnam("postgres") if root else pwd.getpwuid(os.geteuid())
    os.chown(folder, user.pw_uid, user.pw_gid)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(bin_ / program), *arguments], check=True, cwd=folder, capture_output=True,
            **({"user": "postgres", "group": user.pw_gid, "extra_groups": []} if root else {}),
        )  # fmt: skip

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        run("createdb", "-h", str(folder), "-U", "tester", "studies")
        yield f"postgresql://tester@/studies?host={folder}"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def empty(server) -> Iterator[str]:
    """The server's database, without the study of another test."""
    yield server
    import optuna

    from vitdsl.search.storage import open_storage

    with open_storage(server) as storage:
        for name in optuna.study.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)


def test_two_workers_meet_the_budget(empty, tmp_path):
    log, file = tmp_path / "log", tmp_path / "toy.yaml"
    file.write_text(text(16, rungs=logging(log, 0.02), sampler="nsga2"), encoding="utf-8")
    done = vitdsl("search", file, "--workers", 2, "--storage", empty, "--heartbeat", 1, "--grace", 3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("toy: 16 complete, 0 pruned")
    assert states(trials_of(empty))["COMPLETE"] == 16
    begun = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("begin")]
    assert len(begun) == len(set(begun)) == 16
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.full
def test_a_search_that_was_killed_goes_on(empty, tmp_path):
    from tests.search.studies import command

    log, file = tmp_path / "log", tmp_path / "toy.yaml"
    file.write_text(text(6, rungs=logging(log, 0.3)), encoding="utf-8")
    log.touch()
    arguments = ["search", file, "--storage", empty, "--heartbeat", 1, "--grace", 3]
    process = subprocess.Popen(command(*arguments), env=environment(), cwd=tmp_path, start_new_session=True)
    until = time.monotonic() + 60
    while log.read_text(encoding="utf-8").count("begin") < 3 and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(process.pid, 9)
    process.wait()
    done = vitdsl(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    trials = trials_of(empty)
    assert states(trials) == {"COMPLETE": 6, "FAIL": 1}
    assert [trial.user_attrs.get("retry_of") for trial in trials if trial.user_attrs.get("retry_of") is not None] == [2]
    assert log.read_text(encoding="utf-8").count("begin") == 7


def test_another_search_and_no_database(empty):
    with study_of(toy(), empty):
        pass
    with pytest.raises(SpecError, match="is of another search"), study_of(toy(sampler="tpe"), empty):
        pass
    none, nowhere = empty.replace("/studies", "/none"), empty.replace("host=/tmp", "host=/tmq")
    for url, said in ((none, 'database "none" does not exist'), (nowhere, "No such file or directory")):
        with pytest.raises(SpecError, match=said), study_of(toy(), url):
            pass
