"""Workers placed by Ray; a machine of the cluster is lost."""

from __future__ import annotations

import threading
import time

import pytest

from tests.search.studies import environment, logging, states, toy, trials_of
from vitdsl import SpecError
from vitdsl.search.ledger import history
from vitdsl.search.run import run_search

SECONDS = 3.0
"""Of one evaluation."""

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


class Loss(threading.Thread):
    """Loses a node while both workers are amid an evaluation."""

    def __init__(self, cluster, log):
        super().__init__(daemon=True)
        self.cluster, self.log = cluster, log
        self.lost = False

    def run(self):
        begun: dict[str, float] = {}
        while not self.lost:
            time.sleep(0.05)
            for line in self.log.read_text(encoding="utf-8").splitlines():
                what, name, _ = line.split()
                begun.setdefault(name, time.monotonic())
                if what == "end":
                    begun[name] = float("inf")
            amid = [since for since in begun.values() if 0.2 < time.monotonic() - since < SECONDS / 2]
            if len(amid) == 2 and len(begun) >= 4:
                self.cluster.remove_node(self.cluster.other, allow_graceful=False)
                self.lost = True


def test_a_lost_machine(cluster, tmp_path):
    log, path = tmp_path / "log", tmp_path / "toy.db"
    log.touch()
    loss = Loss(cluster, log)
    loss.start()
    search = toy(10, rungs=logging(log, SECONDS))
    outcome = run_search(search, path, workers=2, engine="ray", address=cluster.address, heartbeat=1, grace=3)
    trials = trials_of(path)
    assert loss.lost
    assert outcome.complete == states(trials)["COMPLETE"] == 10
    (killed,) = [trial for trial in trials if trial.state.name == "FAIL" and "given_up" not in trial.user_attrs]
    (again,) = [trial for trial in trials if history(trial) and "given_up" not in trial.user_attrs]
    assert history(again) == [killed.number] == [again.user_attrs["retry_of"]]
    begun = [line.split()[1] for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("begin")]
    assert len(begun) == 11


def test_a_cluster_of_its_own_and_a_workers_error(tmp_path):
    outcome = run_search(toy(6), tmp_path / "toy.db", workers=2, engine="ray", heartbeat=1, grace=3)
    assert outcome.complete == 6
    with pytest.raises(SpecError, match=r"nothing in the space .* fits: "):
        run_search(toy(6, constraints="{params: {max: 10}}"), tmp_path / "none.db", engine="ray")
    with pytest.raises(SpecError, match=r"there is no Ray cluster at 127\.0\.0\.1:1"):
        run_search(toy(6), tmp_path / "toy.db", engine="ray", address="127.0.0.1:1")
