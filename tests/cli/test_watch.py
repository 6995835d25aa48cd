"""`tagdb watch` as a process: a row becomes a label within seconds, through restarts of the server, until a signal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tagdb.db import schema
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tagdb.models import Silent
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice
from tests.cli.running import done, objects, tagdb
from tests.db.embedded import kill_server
from tests.pipeline.world import SPLIT_QUERY, World, wait_until


@pytest.fixture
def world(database: Database, tiny_embedder: Path) -> World:
    """Ten questions with labels."""
    return _labelled(World(database, tiny_embedder))


def _labelled(world: World) -> World:
    world.put({number: f"t{number} shared" for number in range(10)})
    world.sync()
    train(world.database, SPLIT_QUERY, TrainSettings(), Silent())
    world.sync()
    return world


class Process:
    """A watch in a process of its own; what it prints goes to files."""

    def __init__(self, folder: Path, *options: str, dsn: str | None = None) -> None:
        self._out, self._err = folder / "out", folder / "err"
        environment = {**os.environ, **({"TAGDB_DATABASE_URL": dsn} if dsn else {})}
        with self._out.open("w") as out, self._err.open("w") as err:
            command = [sys.executable, "-m", "tagdb", "watch", "--every", "0.1", *options]
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self._out.read_text().splitlines()

    @property
    def told(self) -> str:
        """What it said on stderr."""
        return self._err.read_text()

    def wait_for(self, words: str) -> None:
        """Wait until it says so."""
        wait_until(lambda: words in self.told or self.process.poll() is not None)
        assert words in self.told

    def end(self, signum: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(10)


@contextmanager
def _watching(folder: Path, *options: str, dsn: str | None = None) -> Iterator[Process]:
    process = Process(folder, *options, dsn=dsn)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()


def _label(world: World, question: int) -> str | None:
    found = world.rows("SELECT label FROM tagdb.labels WHERE question_id = :question", question=question)
    return found[0][0] if found else None


def _get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _numbers(text: str) -> dict[str, float]:
    """Parse the text as Prometheus does: numbers by name and labels, but for that of the collection."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("collection") == "tagdb"
            found["/".join([sample.name, *sample.labels.values()])] = sample.value
    return found


def test_inserted_row_is_labelled_within_seconds_until_a_signal(world: World, tmp_path: Path) -> None:
    with _watching(tmp_path) as watch:
        world.put({70: "t3 shared"})
        wait_until(lambda: _label(world, 70) is not None)
        wait_until(lambda: any("1 new" in line for line in watch.lines))
        world.put({71: "t4 shared"})
        wait_until(lambda: _label(world, 71) is not None, seconds=10)
        wait_until(lambda: len(watch.lines) == 2)
        assert watch.end() == 143
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 1 new, 2 tags averaged, 1 labelled, \d+\.\d s, changes at most \d+\.\d s old",
        watch.lines[1],
    )
    assert "stopped" in watch.told
    assert "Traceback" not in watch.told


def test_signal_in_the_middle_of_a_pass_ends_it_with_the_blocks_kept(world: World, tmp_path: Path) -> None:
    world.put({number: " ".join(f"w{number * 40 + n}" for n in range(40)) for number in range(100, 3_100)})
    with _watching(tmp_path) as watch:
        wait_until(lambda: world.scalar("SELECT count(*) FROM tagdb.text_vector") > 10)
        if watch.process.poll() is None:
            assert watch.end() == 143
    assert world.last_run()["status"] in ("stopped", "done")


def test_lines_for_logs_are_objects_until_ctrl_c(world: World, tmp_path: Path) -> None:
    with _watching(tmp_path, "--json", "-q") as watch:
        world.put({70: "t3 shared"})
        wait_until(lambda: bool(watch.lines))
        assert watch.end(signal.SIGINT) == 130
    (told,) = objects("\n".join(watch.lines))
    assert told["synced"]["new"] == 1
    assert told["fault"] is told["hint"] is None
    assert told["seconds"] > 0
    assert watch.told == "stopped\n"


def test_server_that_goes_and_comes_back_is_waited_for(
    short_folder: Path, tmp_path: Path, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(short_folder / "restarted")
    dsn = server.acquire()
    monkeypatch.setenv("TAGDB_DATABASE_URL", dsn)
    database = Database(dsn, origin="test")
    schema.migrate(database)
    try:
        world = _labelled(World(database, tiny_embedder))
        with _watching(tmp_path, "--metrics", "0", dsn=dsn) as watch:
            world.put({70: "t3 shared"})
            wait_until(lambda: _label(world, 70) is not None)
            health = re.search(r"http://\S+/", watch.told)
            assert health
            for number, stop in ((71, lambda: server.stop(force=True)), (72, lambda: kill_server(server))):
                stop()
                wait_until(lambda n=number: watch.told.count("waiting for it to come back") == n - 70)  # type: ignore[misc]
                assert _get(f"{health[0]}healthz")[0] == 503
                assert _numbers(_get(f"{health[0]}metrics")[1])["tagdb_watch_up"] == 0
                assert server.acquire() == dsn
                world.put({number: "t3 shared"})
                wait_until(lambda n=number: _label(world, n) is not None)  # type: ignore[misc]
                wait_until(lambda: _get(f"{health[0]}healthz") == (200, "ok\n"))
            assert watch.told.count("the server is back") == 2
            assert watch.end() == 143
    finally:
        server.stop(force=True)


def test_metrics_are_those_of_what_was_done(world: World, tmp_path: Path) -> None:
    with _watching(tmp_path, "--metrics", "0", "--max-lag", "1h") as watch:
        watch.wait_for("metrics on ")
        address = watch.told.split("metrics on ")[1].split()[0]
        assert address.startswith("http://127.0.0.1:")
        world.put({70: "t3 shared", 71: "t4 new"})
        wait_until(lambda: _label(world, 71) is not None)
        wait_until(lambda: _numbers(_get(address)[1])["tagdb_watch_labels_total/written"] == 2)
        found = _numbers(_get(address)[1])
        assert found["tagdb_watch_questions_total/new"] == 2
        assert found["tagdb_watch_texts_total/embedded"] == 1
        assert found["tagdb_watch_pass_seconds_count"] >= 1
        assert found["tagdb_watch_pass_seconds_sum"] > 0
        assert (found["tagdb_watch_up"], found["tagdb_watch_failing"], found["tagdb_watch_failures_total"]) == (1, 0, 0)
        assert _get(address.replace("metrics", "healthz")) == (200, "ok\n")
        assert _get(address.replace("metrics", "other"))[0] == 404
        wait_until(lambda: _numbers(_get(address)[1])["tagdb_watch_lag_seconds"] < 2)
        taken = tagdb("watch", "--metrics", address.split("/")[2])
        assert taken.exit_code == 3
        assert "nothing can listen on 127.0.0.1" in taken.stderr


def test_failing_pass_is_told_once_and_by_healthz(world: World, tmp_path: Path) -> None:
    world.sync(Choice(sql="SELECT id AS question_id, title AS text FROM questions WHERE 1 / (id - 70) IS NOT NULL"))
    world.put({70: "breaks it"})
    with _watching(tmp_path, "--metrics", "0") as watch:
        watch.wait_for("trying again")
        address = watch.told.split("metrics on ")[1].split()[0]
        status, reason = _get(address.replace("metrics", "healthz"))
        assert status == 503
        assert reason.strip() in watch.told
        assert _numbers(_get(address)[1])["tagdb_watch_failing"] == 1
        world.remove(70)
        wait_until(lambda: _get(address.replace("metrics", "healthz"))[0] == 200)
        assert watch.end() == 143
    assert watch.told.count("trying again") == 1
    assert "passes succeed again" in watch.told


@pytest.mark.parametrize(
    "options",
    [
        ("--every", "0"),
        ("--every", "often"),
        ("--full-every", "5x"),
        ("--metrics", "everywhere"),
        ("--metrics", "1:2:3"),
        ("--metrics", "99999"),
        ("--max-lag", "-3"),
    ],
)
def test_wrong_options_are_usage_errors(database: Database, options: tuple[str, ...]) -> None:
    refused = tagdb("watch", *options)
    assert refused.exit_code == 2, refused.output


def test_without_a_server_it_does_not_begin() -> None:
    refused = tagdb("watch", "--db-url", "postgresql://me@127.0.0.1:9/x")
    assert refused.exit_code == 3


def _aged(world: World, interval: str) -> None:
    world.run(
        f"UPDATE tagdb.run SET started_at = started_at - interval '{interval}', "
        f"finished_at = finished_at - interval '{interval}'"
    )


def test_check_of_the_lag(world: World) -> None:
    for given in ("90", "90s", "1.5m", "1h", "1d"):
        done("status", "--check", "--max-lag", given)
    world.put({70: "not seen yet"})
    told = done("status", "--check", "--max-lag", "15m").stdout
    assert re.search(r"known to be current +\d+ s ago", told)
    _aged(world, "20 minutes")
    late = tagdb("status", "--check", "--max-lag", "15m")
    assert late.exit_code == 4
    assert re.search(r"error: labels were last known to be current 20:\d\d ago", late.stderr)
    done("status", "--check", "--max-lag", "30m")
    (shown,) = objects(tagdb("status", "--check", "--max-lag", "15m", "--json").stdout)
    assert 1_200 < shown["lag_seconds"] < 1_300
    for options in (("--max-lag", "5m"), ("--prometheus", "--json"), ("--prometheus", "--check"), ("--max-lag", "x")):
        assert tagdb("status", *options).exit_code == 2, options


def test_collection_that_was_never_synced_is_late(database: Database) -> None:
    never = tagdb("status", "--check", "--max-lag", "100d")
    assert never.exit_code == 4
    assert "there has been no complete sync" in never.stderr
    assert _numbers(done("status", "--prometheus").stdout)["tagdb_texts_due"] == 0


def test_prometheus_text_is_the_view(world: World) -> None:
    world.put({70: "poison"})
    _aged(world, "1 hour")
    world.run("INSERT INTO tagdb.failure (text_id, embedder_id, reason) SELECT 1, id, 'x' FROM tagdb.embedder")
    world.run("DELETE FROM tagdb.text_vector WHERE text_id IN (1, 2, 3)")
    found = _numbers(done("status", "--prometheus", "-q").stdout)
    view: dict[str, Any] = json.loads(world.scalar("SELECT CAST(to_json(h) AS text) FROM tagdb.health h"))
    assert (view["failed"], view["due"]) == (1, 2)
    assert (found["tagdb_texts_failed"], found["tagdb_texts_due"]) == (1, 2)
    assert found["tagdb_lag_seconds"] == pytest.approx(view["lag_seconds"], abs=30)
    assert found["tagdb_lag_seconds"] >= 3_600
    assert (found["tagdb_running"], found["tagdb_last_sync_failed"]) == (0, 0)
    assert found["tagdb_workers"] == 0
    assert "tagdb_running_seconds" not in found
