"""Workers placed by Ray; a machine of the cluster is lost."""

from __future__ import annotations

import time

import pytest

from tests.search.studies import environment, logging, states, toy, trials_of
from vitdsl import SpecError
from vitdsl.search.ledger import history
from vitdsl.search.run import run_search

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("plugin")]


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one CPU each, on this machine."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Ray, as it is on other systems than Linux, stays on the loopback
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from ray.cluster_utils import Cluster

    given = {"num_cpus": 1, "object_store_memory": 200 * 10**6, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=given | {"node_ip_address": "127.0.0.1"})
    made.other = made.add_node(num_cpus=1, object_store_memory=200 * 10**6, node_ip_address="127.0.0.1")
    yield made
    made.shutdown()


def test_a_lost_machine(cluster, tmp_path):
    log, path = tmp_path / "log", tmp_path / "toy.db"
    search = toy(24, rungs=logging(log, 0.5))
    log.touch()
    lost = []

    class Killer:
        """Shown nothing, it loses a node once both of them have begun."""

        is_terminal = False

        def print(self, *said, **how):
            if not lost and log.read_text(encoding="utf-8").count("end") >= 4:
                cluster.remove_node(cluster.other, allow_graceful=False)
                lost.append(time.monotonic())

    outcome = run_search(
        search, path, workers=2, engine="ray", address=cluster.address, heartbeat=1, grace=3, console=Killer()
    )
    trials = trials_of(path)
    assert lost
    assert outcome.complete == states(trials)["COMPLETE"] == 24
    killed = [trial for trial in trials if trial.state.name == "FAIL" and "given_up" not in trial.user_attrs]
    assert killed
    assert [history(trial)[-1] for trial in trials if history(trial)] == [trial.number for trial in killed]
    begun = [line.split()[1] for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("begin")]
    assert len(begun) <= 24 + len(killed)


def test_a_cluster_of_its_own_and_a_workers_error(tmp_path):
    outcome = run_search(toy(6), tmp_path / "toy.db", workers=2, engine="ray", heartbeat=1, grace=3)
    assert outcome.complete == 6
    with pytest.raises(SpecError, match=r"nothing in the space .* fits: "):
        run_search(toy(6, constraints="{params: {max: 10}}"), tmp_path / "none.db", engine="ray")
    with pytest.raises(SpecError, match=r"there is no Ray cluster at 127\.0\.0\.1:1"):
        run_search(toy(6), tmp_path / "toy.db", engine="ray", address="127.0.0.1:1")
