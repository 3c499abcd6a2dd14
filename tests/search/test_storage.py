"""Where studies are kept: what cannot be used is said, and left as it is; a waiting trial is started once."""

import sqlite3
import threading
from contextlib import closing

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from tests.search.studies import toy
from vitdsl import SpecError
from vitdsl.search.storage import display_url, open_storage, unbeaten, url_of
from vitdsl.search.study import existing_study, study_of

pytestmark = pytest.mark.usefixtures("plugin")


def refused(path):
    """What is said of a study's file; it is as it was afterwards."""
    before = path.read_bytes()
    with pytest.raises(SpecError) as caught, study_of(toy(), path):
        pass
    assert path.read_bytes() == before
    return str(caught.value)


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "toy.db"
    path.write_text("name: toy\n" * 200)
    assert "is no study: file is not a database" in refused(path)


def test_another_programs_database(tmp_path):
    path = tmp_path / "toy.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (number INTEGER)")
    assert "is another program's database, with the tables invoices" in refused(path)


def test_a_torn_database(tmp_path):
    path = tmp_path / "toy.db"
    with study_of(toy(), path):
        pass
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 4000 + whole[4100:])
    assert "malformed" in refused(path)


def test_a_locked_database(tmp_path, monkeypatch):
    monkeypatch.setattr("vitdsl.search.storage.FIRST_SECONDS", 0.1)
    path = tmp_path / "toy.db"
    with study_of(toy(), path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        said = refused(path)
        connection.execute("ROLLBACK")
    assert "database is locked" in said
    assert "another program holds it; nothing was changed" in said


def test_tables_of_another_optuna(tmp_path):
    path = tmp_path / "toy.db"
    with study_of(toy(), path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9'")
        connection.commit()
    assert "no longer compatible with the table schema" in refused(path)


def test_a_folder_and_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SpecError, match="is a folder, not a study"), study_of(toy(), tmp_path):
        pass
    with pytest.raises(SpecError, match="there is no folder"), study_of(toy(), tmp_path / "none" / "toy.db"):
        pass


def test_a_server_that_does_not_answer(tmp_path):
    url = "postgresql://me:secret@127.0.0.1:1/toy"
    with pytest.raises(SpecError) as caught, study_of(toy(), url):
        pass
    assert "postgresql+psycopg://me:***@127.0.0.1:1/toy cannot be used: " in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "refused" in str(caught.value)


@pytest.mark.parametrize(("url", "said"), [
    ("nosql://here/toy", "cannot be used: Can't load plugin"), ("mysql+mysqldb://here/toy", "needs a driver for mysql"),
    ("postgresql://", "cannot be used"), ("sqlite://nowhere", "cannot be used"),
])  # fmt: skip
def test_urls_that_name_nothing(url, said):
    with pytest.raises(SpecError, match=said), open_storage(url):
        pass


def test_files_and_urls():
    assert url_of("/a/toy.db") == "sqlite:////a/toy.db"
    assert url_of("postgres://h/n") == url_of("postgresql://h/n") == "postgresql+psycopg://h/n"
    assert display_url(url_of("/a/toy.db")) == "/a/toy.db"


def test_another_search_of_the_same_name(tmp_path):
    path = tmp_path / "toy.db"
    with study_of(toy(), path):
        pass
    with pytest.raises(SpecError) as caught, study_of(toy(sampler="tpe"), path):
        pass
    assert "is of another search; it differs from this one in [E913]\n  - sampler: random\n  + sampler: tpe" in str(
        caught.value
    )
    other = toy()
    from vitdsl.space.space import Space

    other.space = Space(other.space.spec, {"classes": 7})
    with (
        pytest.raises(SpecError, match=r"is of another space: \w{16}, while this one is \w{16}"),
        study_of(other, path),
    ):
        pass
    with existing_study(path) as study:
        assert study.user_attrs["search"] == toy().dump()


def test_more_trials_are_the_same_study(tmp_path):
    path = tmp_path / "toy.db"
    with study_of(toy(3), path), study_of(toy(30), path) as study:
        assert study.study_name == "toy"


def test_studies_that_are_not_there(tmp_path):
    path = tmp_path / "toy.db"
    with pytest.raises(SpecError, match="there is no study"), existing_study(path):
        pass
    assert not path.exists()
    with study_of(toy(), path):
        pass
    with pytest.raises(SpecError, match="has no study `toyy`") as caught, existing_study(path, "toyy"):
        pass
    assert "did you mean 'toy'?" in str(caught.value)
    with open_storage(path) as storage:
        optuna.create_study(storage=storage, study_name="other")
    with pytest.raises(SpecError, match="holds 2 studies"), existing_study(path):
        pass
    with pytest.raises(SpecError, match="was not made by `vitdsl search`"), existing_study(path, "other"):
        pass


def test_a_waiting_trial_is_started_by_one_worker(tmp_path):
    """SQLite does not lock rows: without a lock for the whole transaction several workers start the same trial."""
    path, rounds, workers = tmp_path / "toy.db", 12, 4
    barrier = threading.Barrier(workers)
    started: list[list[int]] = [[] for _ in range(rounds)]
    with study_of(toy(), path) as study:
        for _ in range(rounds):
            study.add_trial(create_trial(state=TrialState.WAITING))

    def race():
        with open_storage(path) as storage:
            own = optuna.load_study(study_name="toy", storage=storage)
            for number, trial in enumerate(own.get_trials()):
                barrier.wait()
                if storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    started[number].append(trial.number)

    threads = [threading.Thread(target=race) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert started == [[number] for number in range(rounds)]


def test_numbers_are_given_once(tmp_path):
    path, each = tmp_path / "toy.db", 10
    with study_of(toy(), path):
        pass

    def add():
        with open_storage(path) as storage:
            own = optuna.load_study(study_name="toy", storage=storage)
            for _ in range(each):
                own.add_trial(create_trial(state=TrialState.WAITING))

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with existing_study(path) as study:
        assert [trial.number for trial in study.get_trials()] == [*range(3 * each)]


def test_trials_without_a_sign_of_life(tmp_path):
    with study_of(toy(), tmp_path / "toy.db", heartbeat=1) as study, open_storage(tmp_path / "toy.db") as storage:
        for state in (TrialState.RUNNING, TrialState.RUNNING, TrialState.WAITING):
            study.add_trial(create_trial(state=state))
        storage.record_heartbeat(study.get_trials()[1]._trial_id)
        assert unbeaten(storage, "toy") == {0}
        assert unbeaten(storage, "other") == set()
