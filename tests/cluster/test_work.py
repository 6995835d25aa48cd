"""Work on a database that a Ray cluster shares: classifiers fitted by several, and jobs done by whoever is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.classify import FitResult, summing
from tagdb.cluster import Cluster, Node
from tagdb.db import address
from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed, InputRefused, Unavailable
from tagdb.models import Silent
from tagdb.pipeline.learning import fitting, spread, train
from tagdb.pipeline.learning.train import TrainResult, TrainSettings
from tagdb.pipeline.running import hands
from tagdb.pipeline.running import nodes as running
from tagdb.pipeline.running.locking import exclusive
from tests.cluster.conftest import Nodes, Warned, room
from tests.pipeline import stored
from tests.pipeline.world import wait_until

pytestmark = pytest.mark.ray
SLOW = "tests.cluster.doing:SlowShares"
DEADLY = "tests.cluster.doing:DeadlyShares"


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[FitResult]:
    """Divide the texts into seven ranges, keep no matrix in memory, and collect what comes of it."""
    monkeypatch.setattr(summing, "LEAST_ROWS", 100)
    monkeypatch.setattr(fitting, "MATRIX_BYTES", 0)
    found: list[FitResult] = []
    store = train._store

    def collect(*arguments: Any) -> Any:
        found.extend(each for each in arguments if isinstance(each, FitResult))
        return store(*arguments)

    monkeypatch.setattr(train, "_store", collect)
    return found


def _train(database: Database, ray: str | None, reporter: Silent | None = None, classes: int = 3) -> TrainResult:
    query = f"{stored.LABELLED} AND label <= '{('java', 'python', 'ruby')[classes - 1]}'"
    return train.train(database, query, TrainSettings(C=0.3), reporter or Silent(), ray=ray)


def _same(one: FitResult, other: FitResult) -> bool:
    return np.array_equal(one.model.coef, other.model.coef) and np.array_equal(
        one.model.intercept, other.model.intercept
    )


def _assert_nothing_is_left(database: Database, nodes: Nodes) -> None:
    assert stored.column(database, "SELECT to_regclass('tagdb.training_place')") == [None]
    assert nodes.left() == []


def test_classifier_is_the_one_that_is_fitted_here_however_many_share_it(
    labelled: Database, nodes: Nodes, joined: Cluster, fitted: list[FitResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _train(labelled, None)
    together = _train(labelled, nodes.address)
    monkeypatch.setattr(running, "_affordable", lambda _session, found, *_: found[:1])
    alone = _train(labelled, nodes.address)

    assert together.training == alone.training == here.training
    assert together.metrics == alone.metrics == here.metrics
    held, two, one = fitted
    assert _same(one, two)
    X = stored.clustered(["java", "python", "ruby", None] * 50, seed=3, dim=64)
    np.testing.assert_allclose(two.model.predict_proba(X), held.model.predict_proba(X), rtol=0, atol=1e-6)
    assert (two.converged, two.n_iter) == (held.converged, held.n_iter)
    assert set(two.versions) == {"scipy", "numpy", "ray"}
    _assert_nothing_is_left(labelled, nodes)


def test_node_that_is_torn_away_in_mid_fit_changes_nothing(
    labelled: Database, nodes: Nodes, joined: Cluster, fitted: list[FitResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(labelled, None, classes=2)
    monkeypatch.setattr(spread, "FACTORY", SLOW)
    listener, passes = Warned(), [0]
    sums = spread.SpreadRows.sums

    def torn(self: spread.SpreadRows, *arguments: Any) -> Any:
        passes[0] += 1
        if passes[0] == 3:
            threading.Timer(0.03, nodes.tear_away).start()
        return sums(self, *arguments)

    monkeypatch.setattr(spread.SpreadRows, "sums", torn)
    result = _train(labelled, nodes.address, listener, classes=2)
    held, shared = fitted
    X = stored.clustered(["java", "python"] * 50, seed=3, dim=64)
    np.testing.assert_allclose(shared.model.predict_proba(X), held.model.predict_proba(X), rtol=0, atol=1e-6)
    assert result.training.train_texts == 420
    assert [line for line in listener.warned if "has died; the vectors that it had are fetched again" in line]
    _assert_nothing_is_left(labelled, nodes)


def test_texts_that_kill_their_worker_again_and_again_end_the_fit(
    labelled: Database, nodes: Nodes, joined: Cluster, fitted: list[FitResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread, "FACTORY", DEADLY)
    monkeypatch.setattr(spread, "MOST_LOSSES", 1)
    with pytest.raises(Unavailable, match=r"has died, as 1 before it that had the same texts"):
        _train(labelled, nodes.address)
    assert fitted == []
    assert stored.column(labelled, "SELECT status FROM tagdb.run ORDER BY id DESC LIMIT 1") == ["failed"]
    _assert_nothing_is_left(labelled, nodes)


SLOW_TRAIN = """
import sys
from tagdb.cli import main
from tagdb.classify import summing
from tagdb.pipeline.learning import spread
summing.LEAST_ROWS = 20
spread.FACTORY = "tests.cluster.doing:SlowShares"
sys.argv = ["tagdb", "train", "--query", sys.argv[1], "--ray", sys.argv[2], "--json"]
main()
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_signal_ends_it_with_all_its_workers(
    labelled: Database, nodes: Nodes, joined: Cluster, signum: int, code: int
) -> None:
    command = [sys.executable, "-c", SLOW_TRAIN, stored.LABELLED, nodes.address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        wait_until(lambda: stored.column(labelled, "SELECT to_regclass('tagdb.training_place')") != [None], seconds=120)
        process.send_signal(signum)
        output, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code, told
    assert output == ""
    wait_until(lambda: nodes.left() == [])
    wait_until(lambda: room(joined) == 2)
    if signum != signal.SIGKILL:
        assert stored.column(labelled, "SELECT status FROM tagdb.run ORDER BY id DESC LIMIT 1") == ["stopped"]
        _assert_nothing_is_left(labelled, nodes)


@pytest.fixture
def jobs(labelled: Database) -> Database:
    """200 jobs to be done once each."""
    stored.run(
        labelled,
        "CREATE TABLE job AS SELECT n, 0 AS deadly FROM generate_series(1, 200) n",
        "CREATE TABLE done (n integer PRIMARY KEY, process integer)",
    )
    return labelled


def _work(database: Database, nodes: Nodes, function: str, reporter: Silent, **options: Any) -> hands.WorkReport:
    with database.session() as session, exclusive(session):
        path = f"tests.cluster.doing:{function}"
        return hands.work(session, database, nodes.address, path, reporter, **options)


def test_jobs_are_done_once_each_though_workers_die(
    jobs: Database, nodes: Nodes, joined: Cluster, tmp_path: Path
) -> None:
    stored.run(jobs, "UPDATE job SET deadly = 2 WHERE n = 30")
    listener, ticks = Warned(), [0]

    def tick() -> None:
        ticks[0] += 1

    report = _work(jobs, nodes, "do_jobs", listener, arguments=lambda _: {"deaths": str(tmp_path)}, on_tick=tick)
    assert stored.column(jobs, "SELECT n FROM done ORDER BY n") == list(range(1, 201))
    assert stored.column(jobs, "SELECT count(*) FROM job") == [0]
    assert (report.workers, report.lost, report.restarts) == (2, 2, 2)
    assert len(stored.column(jobs, "SELECT DISTINCT process FROM done")) >= 2
    assert len(listener.warned) == 2
    assert ticks[0] > 3


def test_jobs_of_a_node_that_is_torn_away_are_done_by_the_others(
    jobs: Database, nodes: Nodes, joined: Cluster, tmp_path: Path
) -> None:
    done: list[bool] = []

    def tick() -> None:
        if not done and stored.column(jobs, "SELECT count(*) > 20 FROM done") == [True]:
            done.append(True)
            nodes.tear_away()

    report = _work(jobs, nodes, "do_jobs", Warned(), arguments=lambda _: {"deaths": str(tmp_path)}, on_tick=tick)
    assert stored.column(jobs, "SELECT n FROM done ORDER BY n") == list(range(1, 201))
    assert (report.workers, report.lost, report.restarts) == (2, 1, 0)


def test_no_password_travels(labelled: Database, nodes: Nodes, joined: Cluster) -> None:
    secret = Database(f"{labelled.dsn}&password=s3cret&sslpassword=s3cret", origin="test")
    listener = Warned()
    report = _work(
        secret, nodes, "tell", listener, arguments=lambda found: {"array": found.put(np.ones(50_000))}, workers=1
    )
    (told,) = report.results
    assert (told["sum"], told["threads"]) == (50_000.0, 1)
    assert told["dsn"] == address.public_url(labelled.dsn)
    assert "s3cret" not in str(told)
    assert "the password of the database's URL is not sent to the nodes, which log in with their own" in listener.said
    for refused in (ConnectionFailed("no password supplied"), Unavailable("another")):
        with pytest.raises(Unavailable) as raised, running._explaining(secret):
            raise refused
        assert ("~/.pgpass" in (raised.value.hint or "")) == isinstance(refused, ConnectionFailed)


def test_what_the_work_or_whoever_watches_it_raises_ends_it(jobs: Database, nodes: Nodes, joined: Cluster) -> None:
    with pytest.raises(InputRefused, match=r"node \d\S+: not today") as refused:
        _work(jobs, nodes, "refuse", Silent(), workers=1)
    assert refused.value.hint == "come back tomorrow"

    def tick() -> None:
        raise InputRefused("enough")

    with pytest.raises(InputRefused, match=r"^enough"):
        _work(jobs, nodes, "wait_for_ever", Silent(), on_tick=tick)
    wait_until(lambda: room(joined) == 2)
    assert stored.column(jobs, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [0]


def test_workers_leave_connections_to_others(labelled: Database) -> None:
    listener, found = Warned(), [Node(f"{n}", f"10.0.0.{n}", 8 - n) for n in range(3)]
    (name,) = stored.column(labelled, "SELECT current_database()")

    def affordable(limit: int, wanted: int | None = None) -> int:
        stored.run(labelled, f"ALTER DATABASE {name} CONNECTION LIMIT {limit}")
        with labelled.session() as session:
            return len(running._affordable(session, found, wanted, listener))

    assert (affordable(-1), affordable(7), affordable(4, 1)) == (3, 3, 1)
    assert listener.warned == []
    assert affordable(6) == 2
    assert "2 of 3 workers are started: the server has 5 connections free" in listener.warned[0]
    with pytest.raises(Unavailable, match="the server has 1 connections free, and a worker takes 2"):
        affordable(2)


def test_database_that_a_node_does_not_reach(
    jobs: Database, empty_database: Database, nodes: Nodes, joined: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "public_url", lambda _: "postgresql:///nowhere?host=/nowhere")
    with pytest.raises(ConnectionFailed, match=r"node \d\S+: .*"):
        _work(jobs, nodes, "refuse", Silent(), workers=1)
    jobs.embedded = True
    with pytest.raises(Unavailable, match="the embedded database is reached on this machine only"):
        _work(jobs, nodes, "refuse", Silent(), workers=1)
    jobs.embedded = False
    monkeypatch.setattr(address, "public_url", lambda _: empty_database.dsn)
    with pytest.raises(Unavailable, match="is another database there"):
        _work(jobs, nodes, "refuse", Silent(), workers=1)
