"""Whether there may be something to sync: told by what it costs little to see, and never wrong for long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tagdb.db.connection import Database, Session
from tagdb.models import Silent
from tagdb.pipeline.asking import health
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.running import capturing
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import moved, pending
from tagdb.pipeline.syncing.moved import Look
from tagdb.pipeline.syncing.pending import Pending
from tests.elmo.weights import write_random_elmo
from tests.pipeline.world import SPLIT_QUERY, World, wait_until

FEW = 5
"""Looks at all rows that may come from what PostgreSQL itself writes: temporary tables that go, automatic ANALYZE."""


@pytest.fixture
def glances(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Collect one entry each time that all rows are looked at."""
    found: list[None] = []
    glance = moved.glance

    def count(session: Session, max_tokens: int) -> Look:
        found.append(None)
        return glance(session, max_tokens)

    monkeypatch.setattr(moved, "glance", count)
    return found


@pytest.fixture
def session(synced: World) -> Iterator[Session]:
    """The connection on which a watch polls."""
    with synced.database.session() as opened:
        yield opened


def _after_sync(world: World, session: Session, look_every: float = 1e9) -> Pending:
    """Return what remembers a sync that was done just now."""
    wait_until(lambda: _is_settled(session))
    found = Pending(512, look_every)
    assert found.is_pending(session)
    found.begin()
    world.sync(keep_idle=False)
    found.done()
    return found


def _is_settled(session: Session) -> bool:
    """Whether sessions that have ended have told the server all that they wrote."""
    before = session.row("watching.signs")
    time.sleep(0.1)
    after = session.row("watching.signs")
    assert before is not None
    assert after is not None
    return bool(before.writes == after.writes)


@contextmanager
def _writer(database: Database) -> Iterator[Any]:
    """A connection that stays, and tells the server of its last writes late."""
    connection = psycopg2.connect(database.dsn)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def test_first_time_and_until_a_pass_is_done_something_is_pending(synced: World, session: Session) -> None:
    found = Pending(512, 1e9)
    assert found.is_pending(session)
    assert found.is_pending(session)
    found.begin()
    assert found.is_pending(session)
    found.done()
    assert found.current_at is not None
    assert not found.is_pending(session)


def test_nothing_is_looked_at_while_nobody_writes(synced: World, session: Session, glances: list[None]) -> None:
    found = _after_sync(synced, session, look_every=0.0)
    assert not found.is_pending(session)
    known = found.current_at
    assert known is not None
    for _ in range(20):
        assert not found.is_pending(session)
    assert len(glances) < FEW
    assert found.current_at is not None
    assert found.current_at > known


def test_write_is_seen_before_the_server_counts_it(synced: World, session: Session) -> None:
    found = _after_sync(synced, session)
    with _writer(synced.database) as cursor:
        for number in range(3):  # the first is told at once, the others only later
            cursor.execute("INSERT INTO questions (id) VALUES (%s)", (1_000 + number,))
            cursor.connection.commit()
            found.begin()
            synced.sync()
            found.is_pending(session)
            found.done()
        assert not found.is_pending(session)
        cursor.execute("UPDATE tags SET tag = 'other' WHERE question_id = 3 AND position = 0")
        assert not found.is_pending(session), "what is not committed is no change"
        cursor.connection.commit()
        wait_until(lambda: found.is_pending(session))


def test_looks_take_a_small_share_of_the_time(
    synced: World, session: Session, glances: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "LOOKING_SHARE", 1e-9)
    found = _after_sync(synced, session)
    synced.run("CREATE TABLE other (n integer)")
    assert not found.is_pending(session)
    for number in range(5):
        synced.run(f"INSERT INTO other VALUES ({number})")
        assert not found.is_pending(session)
    assert len(glances) == 1
    synced.put({77: "late"})
    wait_until(lambda: found.is_pending(session))
    assert len(glances) == 1, "the server's count is enough"


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE tags",
        "DROP TABLE tags CASCADE",
        "ALTER TABLE questions RENAME TO former; CREATE TABLE questions (LIKE former INCLUDING ALL)",
        "DELETE FROM tagdb.labels WHERE question_id = 3",
        "DELETE FROM tagdb.text_vector WHERE text_id = (SELECT min(id) FROM tagdb.text)",
        "UPDATE tagdb.classifier SET active = false",
    ],
)
def test_whatever_makes_a_sync_necessary_is_pending(synced: World, session: Session, statement: str) -> None:
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    found = _after_sync(synced, session)
    assert not found.is_pending(session)
    synced.run(statement)
    wait_until(lambda: found.is_pending(session))


def test_another_embedder_is_pending(synced: World, session: Session, short_folder: Path) -> None:
    found = _after_sync(synced, session)
    assert not found.is_pending(session)
    registry.choose(synced.database, str(write_random_elmo(short_folder / "pending", projection_dim=8, dim=8, seed=5)))
    assert found.is_pending(session)


def test_sql_of_ones_own_is_believed_to_the_server_and_asked_again_now_and_then(
    synced: World, session: Session, glances: list[None]
) -> None:
    synced.run("CREATE VIEW seen AS SELECT * FROM questions")
    synced.sync(Choice(sql="SELECT id AS question_id, title AS text FROM seen"), allow_gone=True)
    found = _after_sync(synced, session)
    synced.run("CREATE TABLE other (n integer)")
    assert not found.is_pending(session)
    synced.put({77: "late"}, title="late")
    wait_until(lambda: found.is_pending(session))
    assert not glances
    often = _after_sync(synced, session, look_every=0.0)
    assert often.is_pending(session)


def test_partition_of_a_table_is_watched_like_the_table(database: Database, tiny_embedder: Path) -> None:
    world = World(
        database,
        tiny_embedder,
        tables="CREATE TABLE questions (id bigint PRIMARY KEY, title text) PARTITION BY HASH (id);"
        "CREATE TABLE part PARTITION OF questions FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "INSERT INTO questions SELECT n, 'title ' || n FROM generate_series(1, 9) n",
    )
    world.sync(Choice("title"))
    with world.database.session() as session:
        found = _after_sync(world, session)
        assert not found.is_pending(session)
        world.run("UPDATE part SET title = 'other' WHERE id = 3")
        wait_until(lambda: found.is_pending(session))


def test_database_is_told_that_everything_is_current_and_no_look_follows_from_it(
    synced: World, session: Session, glances: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _after_sync(synced, session)
    assert not found.is_pending(session)
    before = synced.scalar("SELECT current_at FROM tagdb.health")
    runs = synced.rows("SELECT id, finished_at FROM tagdb.run")
    monkeypatch.setattr(pending, "NOTE_EVERY_SECONDS", 0.0)
    wait_until(lambda: not found.is_pending(session) and synced.scalar("SELECT current_at FROM tagdb.health") > before)
    glances.clear()
    for _ in range(20):
        assert not found.is_pending(session)
    assert len(glances) < FEW
    assert synced.scalar("SELECT lag_seconds FROM tagdb.health") < 5
    assert synced.rows("SELECT id, finished_at FROM tagdb.run") == runs
    synced.put({77: "late"})
    wait_until(lambda: found.is_pending(session))


def test_captured_changes_tell_at_once_and_spare_every_look(
    synced: World, session: Session, glances: list[None]
) -> None:
    capturing.switch_on(synced.database, {}, Silent())
    found = _after_sync(synced, session, look_every=0.0)
    glances.clear()
    for _ in range(3):
        assert not found.is_pending(session)
    waiting = health.health(synced.database)
    assert (waiting.waiting, waiting.waiting_seconds) == (0, None)
    synced.put({901: "captured", 902: "captured too"})
    assert found.is_pending(session)
    waiting = health.health(synced.database)
    assert waiting.waiting == 2
    assert waiting.waiting_seconds is not None
    assert 0 <= waiting.waiting_seconds < 60
    found.begin()
    synced.sync(keep_idle=False)
    found.done()
    assert health.health(synced.database).waiting == 0
    assert glances == []
