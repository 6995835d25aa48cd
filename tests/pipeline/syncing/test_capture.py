"""A sync that goes by what triggers wrote: which questions it looks at, and where it does not believe the triggers."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database, Session
from tagdb.errors import CheckFailed, InputRefused
from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.running import capturing
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing import comparing, tag_vectors
from tagdb.pipeline.syncing.moved import Moved
from tests.pipeline import stored
from tests.pipeline.capturing import (
    PARTITIONED,
    assert_as_if_compared,
    begin,
    capture_on,
    captured,
    collected_looks,
    run,
    session,
)
from tests.pipeline.world import SPLIT_QUERY, World, load_once

NONE, SOME, ALL = Moved.NONE, Moved.SOME, Moved.UNKNOWN
_ONE, _ITS = "ALTER TABLE tags", "tagdb_capture_update"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Moved]:
    """Collect how much each sync has compared."""
    return collected_looks(monkeypatch)


@pytest.fixture
def world(synced: World, looks: list[Moved]) -> World:
    """Ten questions with labels, whose changes are captured."""
    train(synced.database, SPLIT_QUERY, TrainSettings(), Silent())
    begin(synced)
    looks.clear()
    return synced


def _said(world: World, *, full: bool = False) -> list[str]:
    listener = stored.Listener()
    sync(world.database, Choice(), listener, full=full)
    return [line for line in listener.said if line.startswith("comparing everything")]


def test_only_what_changed_is_looked_at(world: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({3: "t3 other", 40: "new"})
    world.remove(5)
    seen: list[int] = []
    stage = comparing._stage_changes

    def watch(session: Session, *arguments: object, **options: object) -> None:
        if session.rows_of("SELECT to_regclass('pg_temp.moved') AS there", {})[0].there:
            seen.extend(row[0] for row in session.rows_of("SELECT question_id FROM moved ORDER BY 1", {}))
        stage(session, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(comparing, "_stage_changes", watch)
    changes = world.sync().changes
    assert (changes.new, changes.changed, changes.gone) == (1, 1, 1)
    assert seen == [3, 5, 40]
    assert_as_if_compared(world)
    world.sync()
    assert looks == [SOME, ALL, NONE]


def test_sync_of_nothing_new_counts_no_table(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted from the large tables by hand is not noticed: so nothing has read them."""
    world.run("DELETE FROM tagdb.labels WHERE question_id = 2; DELETE FROM tagdb.text_vector WHERE text_id = 3")
    world.run("UPDATE tagdb.question SET text_id = text_id + 1 WHERE question_id = 1")
    world.put({7: "t7 changed"})
    result = world.sync()
    assert (result.embedded.texts, result.labelled, result.tags) == (1, 1, 3)
    assert len(world.rows("SELECT FROM tagdb.labels")) == 9
    assert world.sync(full=True).changes.changed == 1
    assert_as_if_compared(world)


def test_tags_that_no_text_tells_of_are_renewed(
    world: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("UPDATE questions SET title = 'title ' || id")
    world.sync(Choice("title"))
    world.sync()
    world.run(
        "UPDATE tags SET tag = 'other' WHERE question_id = 4 AND position = 0; DELETE FROM tags WHERE question_id = 5"
    )
    world.sync()
    assert looks == [ALL, NONE, SOME]
    assert "t4" not in world.tag_vectors()
    assert world.tag_vectors()["shared"][0] == 9
    assert_as_if_compared(world)


def test_change_committed_late_is_found_by_the_next_sync(world: World, looks: list[Moved]) -> None:
    with session(world) as early, session(world) as late:
        run(late, "UPDATE tags SET tag = 'late' WHERE question_id = 1 AND position = 0")
        run(early, "UPDATE tags SET tag = 'early' WHERE question_id = 2 AND position = 0")
        early.commit()
        world.sync()
        assert (world.texts()[1], world.texts()[2]) == ("t1 shared", "early shared")
        late.commit()
    world.sync()
    assert world.texts()[1] == "late shared"
    assert looks == [SOME, SOME]
    assert_as_if_compared(world)


@pytest.mark.parametrize("step", ["comparing", "storing texts", "embedding", "averaging tags", "predicting"])
def test_change_during_a_sync_is_found_by_it_or_the_next(world: World, step: str) -> None:
    world.put({3: "t3 first"})
    world.sync_while(step, lambda: world.put({3: "t3 second", 4: "t4 meanwhile", 50: "fifty"}))
    world.sync()
    assert world.texts()[3] == "t3 second"
    assert_as_if_compared(world)


def test_writers_do_not_wait_for_a_sync_nor_it_for_them(world: World) -> None:
    world.put({3: "t3 first"})

    def write() -> None:
        with session(world) as writer:
            run(writer, "SET lock_timeout = '1s'; INSERT INTO tags VALUES (3, 7, 'seven'), (30, 0, 'thirty')")
            writer.commit()

    written = threading.Event()

    def write_beside() -> None:
        if not written.is_set():
            written.set()
            write()

    with session(world) as open_still:
        run(open_still, "INSERT INTO tags VALUES (8, 8, 'open')")
        world.sync_while("storing texts", write_beside)
        open_still.commit()
    assert written.is_set()
    world.sync()
    assert_as_if_compared(world)


def test_refusal_leaves_what_was_captured(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MANY_GONE", 3)
    world.remove(*range(7))
    with pytest.raises(CheckFailed):
        world.sync()
    assert len(captured(world)) >= 7
    assert world.sync(allow_gone=True).changes.gone == 7
    assert_as_if_compared(world)


def test_plan_takes_nothing(world: World) -> None:
    world.put({3: "t3 first"})
    before = captured(world)
    assert world.plan().changes.changed == 1
    assert captured(world) == before


class Killed(BaseException):
    """What ends a sync as a signal would that nobody can catch."""


@pytest.mark.parametrize("step", ["storing texts", "embedding", "averaging tags", "predicting"])
@pytest.mark.parametrize("preset", ["tags", "title"])
def test_sync_that_was_killed_is_completed_by_the_next(
    world: World, looks: list[Moved], step: str, preset: str
) -> None:
    def die() -> None:
        raise Killed

    world.run("UPDATE questions SET title = 'title ' || id")
    world.sync(Choice(preset))
    world.put({3: "t3 first", 60: "sixty"}, title="new title")
    world.run("UPDATE tags SET tag = 'retagged' WHERE question_id = 6 AND position = 0")
    world.remove(5)
    with pytest.raises(Killed):
        world.sync_while(step, die)
    looks.clear()
    world.put({7: "t7 after"})
    world.sync()
    assert looks == [SOME]
    assert_as_if_compared(world)


def test_part_of_the_work_stays_unfinished(world: World, looks: list[Moved]) -> None:
    world.put({number: f"n{number} fresh" for number in range(30, 34)})
    assert world.sync(limit=2).texts_left == 2
    world.put({1: "t1 again"})
    assert world.sync(limit=1).texts_left == 2
    world.sync()
    assert looks == [SOME, SOME, SOME]
    assert_as_if_compared(world)


def test_another_cap_forgets_longer_vectors(world: World) -> None:
    assert world.sync(max_tokens=1).embedded.truncated == 10
    world.put({3: "t3 some more words"})
    assert world.sync(max_tokens=1).embedded.truncated == 1
    assert world.sync().embedded.texts == 10
    assert_as_if_compared(world)


def test_another_embedder_or_classifier_is_seen_to(world: World, looks: list[Moved], another_embedder: Path) -> None:
    train(world.database, SPLIT_QUERY, TrainSettings(seed=1), Silent(), activate=True)
    assert world.sync().labelled == 10
    world.put({3: "t3 first"})
    assert world.sync().labelled == 1
    registry.choose(world.database, str(another_embedder))
    world.put({4: "t4 first"})
    assert world.sync().embedded.texts == 10
    assert looks == [NONE, SOME, SOME]


@pytest.fixture
def another_embedder(short_folder: Path) -> Path:
    from tests.elmo.weights import write_random_elmo

    return write_random_elmo(short_folder / "another", projection_dim=128, dim=8, seed=9)


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        ("ALTER TABLE tags DISABLE TRIGGER tagdb_capture_insert", "a trigger of public.tags is disabled"),
        ("DROP TRIGGER tagdb_capture_update ON questions", "triggers of public.questions are missing"),
        ("ALTER TABLE tags DISABLE TRIGGER ALL; {edit}; ALTER TABLE tags ENABLE TRIGGER ALL", "have changed since"),
        (f"{_ONE} DISABLE TRIGGER {_ITS}; {{edit}}; {_ONE} ENABLE ALWAYS TRIGGER {_ITS}", "have changed since"),
        ("TRUNCATE tags", "a table was emptied"),
        (
            "CREATE OR REPLACE FUNCTION tagdb.capture_1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD;END'",
            "of another version",
        ),
        ("DELETE FROM tagdb.capture_table WHERE name = 'public.tags'", "table public.tags are not captured"),
        ("CREATE TABLE more_tags () INHERITS (tags)", "partition or child public.more_tags are not captured"),
        ("VACUUM FULL tags", "have changed since"),
    ],
)
def test_what_triggers_cannot_have_seen_is_compared(world: World, looks: list[Moved], happens: str, why: str) -> None:
    edit = "UPDATE tags SET tag = 'unseen' WHERE question_id = 2 AND position = 0"
    for statement in happens.format(edit=edit).split("; "):
        world.run(statement)
    (said,) = _said(world)
    assert why in said
    assert looks == [ALL]
    assert dict(world.rows("SELECT question_id, text FROM tagdb.source")) == world.texts()
    assert capture_on(world).changed or why in ("a table was emptied", "have changed since")
    world.sync()
    world.sync()
    assert looks[-1] is NONE
    assert_as_if_compared(world)


def test_sync_compares_everything_when_it_is_told_to(world: World, looks: list[Moved]) -> None:
    assert _said(world, full=True) == []
    assert looks == [ALL]


def test_rows_of_a_replica_are_captured_too(world: World) -> None:
    with session(world) as replica:
        run(replica, "SET session_replication_role = replica; UPDATE tags SET tag = 'r' WHERE question_id = 1")
        replica.commit()
    assert captured(world) == ["1"]


def test_update_that_changes_nothing_that_is_read_is_none(world: World) -> None:
    world.run(
        "UPDATE questions SET label = 'l', title = title; UPDATE tags SET tag = tag; DELETE FROM tags WHERE false"
    )
    assert captured(world) == []
    world.run("UPDATE questions SET title = title || CASE id WHEN 4 THEN ' more' ELSE '' END")
    assert captured(world) == []
    world.run("UPDATE questions SET title = 'a' WHERE id = 4; UPDATE questions SET id = 77 WHERE id = 3")
    assert captured(world) == ["3", "4", "77"]


def test_equal_values_that_read_otherwise_are_changes(world: World) -> None:
    world.run(
        "CREATE TABLE notes (id bigint PRIMARY KEY, body numeric, data json);"
        "INSERT INTO notes VALUES (1, 1.0, '{\"a\": 1}'), (2, 2, NULL)"
    )
    world.sync(Choice(sql="SELECT id AS question_id, concat_ws(' ', body, data->>'a') AS text FROM notes"))
    capture_on(world, {"notes": "id"})
    world.sync()
    world.run("UPDATE notes SET body = 1.00 WHERE id = 1; UPDATE notes SET data = '{\"a\": 2}' WHERE id = 2")
    world.sync()
    assert world.texts() == {1: "1.00 1", 2: "2 2"}


def test_cascades_are_captured(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", load_once)
    world = World(
        database,
        tiny_embedder,
        tables="CREATE TABLE areas (id bigint PRIMARY KEY); INSERT INTO areas SELECT generate_series(1, 3);"
        "CREATE TABLE tickets (no uuid PRIMARY KEY, area bigint REFERENCES areas ON DELETE CASCADE, subject text);"
        "INSERT INTO tickets SELECT gen_random_uuid(), n % 3 + 1, 'ticket ' || n FROM generate_series(1, 9) n",
    )
    world.sync(Choice(sql="SELECT no AS question_id, subject AS text FROM tickets"))
    capture_on(world, {"tickets": "no"})
    world.sync()
    world.run("DELETE FROM areas WHERE id = 2")
    assert len(captured(world)) == 3
    assert world.sync().changes.gone == 3
    assert_as_if_compared(world)


def test_partition_that_comes_later_is_not_taken_for_captured(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch, looks: list[Moved]
) -> None:
    monkeypatch.setattr(registry, "load", load_once)
    world = World(database, tiny_embedder, tables=PARTITIONED.replace("(MAXVALUE)", "(100)"))
    world.put({1: "a b", 7: "b c"})
    begin(world)
    world.run(
        "CREATE TABLE later (LIKE questions INCLUDING ALL); INSERT INTO later (id, title) VALUES (200, 'x');"
        "INSERT INTO tags VALUES (200, 0, 'attached')"
    )
    world.sync()
    world.run("ALTER TABLE questions ATTACH PARTITION later FOR VALUES FROM (100) TO (300)")
    (said,) = _said(world)
    assert "partition or child public.later are not captured" in said
    assert world.texts()[200] == "attached"
    assert capture_on(world).changed
    world.sync()
    world.run("INSERT INTO later (id, title) VALUES (201, 'y')")
    assert captured(world) == ["201"]
    world.run("ALTER TABLE questions DETACH PARTITION later")
    assert "have changed since" in _said(world)[0]
    assert set(world.texts()) == {1, 7}
    assert_as_if_compared(world)


def test_many_changes_are_compared_as_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from tagdb.pipeline.syncing import captured as captured_room

    monkeypatch.setattr(captured_room, "FEW", 3)
    world.run("ANALYZE tagdb.question; UPDATE tags SET tag = 'many' WHERE position = 1")
    assert "10 questions have changed" in _said(world)[0]
    assert_as_if_compared(world)


def test_many_moves_are_not_kept_aside(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_vectors, "MOST_CHANGES", 3)
    world.run("UPDATE tags SET tag = 'many' WHERE position = 1")
    world.sync()
    assert_as_if_compared(world)


def test_centroids_are_averaged_by_the_tags_that_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_vectors, "MOST_STEPS", 2)
    for number in range(4):
        world.put({number: f"shared other{number % 2} again", 90 + number: "shared"})
        world.sync()
    assert_as_if_compared(world)


def test_condition_that_is_not_told_by_rows_is_compared_each_time(world: World) -> None:
    world.sync(Choice(where="created_at IS NULL OR created_at < now()"))
    assert "depends on more than the rows of its tables: now()" in _said(world)[0]


def test_what_is_doubted_is_said_the_same_wherever_it_is_asked(world: World) -> None:
    world.sync()
    assert capturing.status(world.database).doubt is None
    assert status.status(world.database).capture_doubt is None
    world.run("ALTER TABLE tags DISABLE TRIGGER ALL")
    (said,) = _said(world)
    doubt = capturing.status(world.database).doubt
    assert said == f"comparing everything: {doubt}"
    assert status.status(world.database).capture_doubt == doubt
    assert str(doubt).endswith("tagdb capture on mends that")


def test_what_waits_is_counted(world: World) -> None:
    world.put({1: "t1 a", 2: "t2 b"})
    assert capturing.status(world.database).waiting == 2
    assert status.status(world.database).captured == 2
    assert status.status(world.database).changed == 2
    world.sync()
    assert capturing.status(world.database).waiting == 0


def test_two_collections_capture_the_same_tables(world: World, tiny_embedder: Path) -> None:
    other = world.database.beside("other")
    schema.migrate(other)
    registry.choose(other, str(tiny_embedder))
    sync(other, Choice("title"), Silent())
    assert capturing.switch_on(other, {}, Silent()).changed
    sync(other, Choice(), Silent())
    world.run("UPDATE tags SET tag = 'both' WHERE question_id = 1 AND position = 0")
    waiting = [capturing.status(each).waiting for each in (world.database, other)]
    assert waiting == [1, 1]
    sync(other, Choice(), Silent())
    assert capturing.switch_off(other).changed
    assert captured(world) == ["1"]
    world.sync()
    assert_as_if_compared(world)
    assert not capture_on(world).changed


def test_older_schema_leaves_no_trigger(world: World) -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "alembic", "downgrade", "-1"]
    environment = {"TAGDB_DATABASE_URL": world.database.dsn, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    world.put({1: "t1 a"})
    assert world.rows("SELECT FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'tagdb%'") == []


def test_source_without_an_index_is_read_through(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch, looks: list[Moved]
) -> None:
    monkeypatch.setattr(registry, "load", load_once)
    filled = "INSERT INTO notes SELECT n, 'b' || n FROM generate_series(1, 2000) n"
    tables = f"CREATE TABLE notes (id bigint, body text); {filled}"
    world = World(database, tiny_embedder, tables=f"{tables}; ANALYZE notes")
    world.sync(Choice(sql="SELECT id AS question_id, body AS text FROM notes"))
    capture_on(world, {"notes": "id"})
    world.sync()
    world.run("UPDATE notes SET body = 'other' WHERE id BETWEEN 10 AND 300")
    assert world.sync().changes.changed == 291
    assert looks[-1] is SOME
    world.run("INSERT INTO notes VALUES (5, 'again')")
    with pytest.raises(InputRefused, match="names question 5 more than once"):
        world.sync()
    world.run("DELETE FROM notes WHERE body = 'again'")
    world.sync()
    assert_as_if_compared(world)
