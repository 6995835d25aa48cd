"""Rows that a condition leaves out are gone: found fast where a row says so itself, and else found all the same."""

from __future__ import annotations

import pytest

from tagdb.db.connection import Database
from tagdb.errors import CheckFailed, QueryRefused, Unavailable
from tagdb.models import Silent
from tagdb.pipeline.asking.nearest import nearest_questions
from tagdb.pipeline.asking.status import status
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.running import lifting
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing import comparing
from tagdb.pipeline.syncing.moved import Moved
from tests.pipeline.stored import Listener
from tests.pipeline.world import SPLIT_QUERY, World, assert_nothing_due, assert_right_centroids

LIVING = Choice(where="deleted_at IS NULL")
OWN = "SELECT id AS question_id, title AS text, deleted_at FROM questions"


@pytest.fixture
def soft(synced: World) -> World:
    """Ten questions that have been synced and can be marked as deleted, in a room for many more."""
    synced.run("ALTER TABLE questions ADD deleted_at timestamptz, ADD tenant integer DEFAULT 1")
    synced.put({number: f"t{number} shared" for number in range(100, 200)})
    synced.sync(LIVING)
    return synced


def _delete(world: World, *numbers: int) -> None:
    world.run(f"UPDATE questions SET deleted_at = now() WHERE id IN ({', '.join(map(str, numbers))})")


def _expected(world: World) -> dict[int, str]:
    return {
        number: f"t{number} shared" for (number,) in world.rows("SELECT id FROM questions WHERE deleted_at IS NULL")
    }


@pytest.mark.parametrize("everything", [False, True])
def test_deleted_rows_go_and_come_back_with_their_tags_and_labels(
    soft: World, looks: list[Moved], everything: bool
) -> None:
    train(soft.database, SPLIT_QUERY, TrainSettings(), Silent())
    if everything:
        soft.sync(Choice(where="deleted_at IS NULL AND now() > '2020-01-01'"))
    soft.sync()
    _delete(soft, 3, 150)
    assert soft.plan().changes.gone == 2
    assert status(soft.database).gone == 2
    result = soft.sync()
    assert (result.changes.new, result.changes.changed, result.changes.gone) == (0, 0, 2)
    assert looks.pop() is (Moved.UNKNOWN if everything else Moved.SOME)
    assert soft.texts() == _expected(soft)
    assert soft.scalar("SELECT count(*) FROM tagdb.labels WHERE question_id IN (3, 150)") == 0
    assert soft.tag_vectors().keys().isdisjoint({"t3", "t150"})
    assert_right_centroids(soft, soft.texts())
    soft.sync()
    assert looks.pop() is (Moved.UNKNOWN if everything else Moved.NONE)
    soft.run("UPDATE questions SET deleted_at = NULL WHERE id = 3")
    assert soft.sync().changes.new == 1
    assert soft.texts() == _expected(soft)
    assert_right_centroids(soft, soft.texts())
    assert_nothing_due(soft)


def test_second_sync_writes_nothing_and_status_is_current(soft: World, compared: list[None]) -> None:
    before = soft.versions()
    soft.sync()
    soft.sync(LIVING)
    assert status(soft.database).current
    assert soft.versions() == before
    assert not compared


@pytest.mark.parametrize(
    ("condition", "change", "gone"),
    [
        ("id NOT IN (SELECT id FROM banned)", "INSERT INTO banned VALUES (5), (105)", {5, 105}),
        (
            "(SELECT count(*) FROM questions) < 111 OR id < 100",
            "INSERT INTO questions VALUES (500)",
            set(range(100, 200)),
        ),
        (
            "NOT hidden(id)",
            "CREATE OR REPLACE FUNCTION hidden(bigint) RETURNS boolean IMMUTABLE AS 'SELECT $1 = 7' LANGUAGE sql",
            {7},
        ),
        (
            "NOT id @@@ 4",
            "CREATE OR REPLACE FUNCTION hidden(bigint, int) RETURNS boolean IMMUTABLE AS 'SELECT $1 = 8' LANGUAGE sql",
            {8},
        ),
        (
            "id <> 9 OR current_setting('my.tenant', true) IS NULL",
            "ALTER DATABASE {database} SET my.tenant = 'one'",
            {9},
        ),
    ],
)
def test_what_no_row_tells_is_found_all_the_same(
    soft: World, looks: list[Moved], condition: str, change: str, gone: set[int]
) -> None:
    soft.run(
        "CREATE TABLE banned (id bigint);"
        "CREATE FUNCTION hidden(bigint) RETURNS boolean IMMUTABLE AS 'SELECT false' LANGUAGE sql;"
        "CREATE FUNCTION hidden(bigint, int) RETURNS boolean IMMUTABLE AS 'SELECT false' LANGUAGE sql;"
        "CREATE OPERATOR @@@ (LEFTARG = bigint, RIGHTARG = int, FUNCTION = hidden)"
    )
    soft.sync(Choice(where=condition))
    everything = soft.texts().keys()
    soft.sync()
    soft.run(change.format(database=soft.scalar("SELECT current_database()")))
    assert status(soft.database).gone == len(gone)
    soft.sync()
    assert soft.texts().keys() - {500} == everything - gone
    assert looks.pop() is Moved.UNKNOWN


def test_column_of_another_type_is_compared_though_no_row_was_written(soft: World, looks: list[Moved]) -> None:
    soft.run("ALTER TABLE questions ADD until timestamp; UPDATE questions SET until = '2020-01-01' WHERE id = 6")
    soft.sync(Choice(where="until IS NULL OR until > timestamp '2019-12-31 22:00'"))
    soft.sync()
    assert looks.pop() is Moved.NONE
    assert 6 in soft.texts()
    name = soft.scalar("SELECT current_database()")
    soft.run(f"ALTER DATABASE {name} SET timezone = 'UTC'")
    lifting.drop(soft.database)
    soft.run("ALTER TABLE questions ALTER until TYPE timestamptz")
    lifting.restore(soft.database, Listener())
    soft.run(f"ALTER DATABASE {name} SET timezone = 'America/New_York'")
    assert status(soft.database).gone == 1
    soft.sync()
    assert looks.pop() is Moved.UNKNOWN
    assert 6 not in soft.texts()


@pytest.mark.parametrize(
    "choice", [Choice(where="1 / (id - 3) < 5"), Choice(sql=OWN, where="1 / (question_id - 3) < 5")]
)
def test_condition_that_fails_at_a_row_is_named_and_changes_nothing(soft: World, choice: Choice) -> None:
    before, words = soft.versions(), soft.rows("SELECT * FROM tagdb.source_definition ORDER BY 1")
    for attempt in (soft.sync, soft.plan):
        with pytest.raises(QueryRefused, match=r"\(--where\) cannot be run: division by zero") as refused:
            attempt(choice)
        assert "tagdb sync --where" in (refused.value.hint or "")
    assert soft.versions() == before
    assert soft.rows("SELECT * FROM tagdb.source_definition ORDER BY 1") == words


def test_condition_that_fails_later_is_named(soft: World) -> None:
    soft.sync(Choice(where="1 / tenant > 0"))
    soft.run("UPDATE questions SET tenant = 0 WHERE id = 5")
    before = soft.versions()
    with pytest.raises(QueryRefused, match=r"the condition \(--where\) cannot be run: division by zero"):
        soft.sync()
    assert soft.versions() == before
    (reason, *_) = status(soft.database).reasons
    assert "division by zero" in reason.why


@pytest.mark.parametrize("own", [False, True])
def test_condition_that_most_rows_fail_is_refused_and_said_to_be_why(
    soft: World, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    monkeypatch.setattr(comparing, "MANY_GONE", 2)
    if own:
        soft.run("UPDATE questions SET title = 'x'")
        soft.sync(Choice(sql=OWN, where=""))
    choice = Choice(where="deleted_at > '2020-01-01'")
    before = soft.versions()
    with pytest.raises(CheckFailed, match="110 of 110 questions are gone") as refused:
        soft.sync(choice)
    assert (refused.value.hint or "").startswith(
        "110 of them are there still and do not satisfy the condition (--where)"
    )
    assert soft.versions() == before
    assert "110 of 110" in (soft.plan(choice).refused or "")
    assert soft.sync().changes.total == 0
    assert soft.sync(choice, allow_gone=True).changes.gone == 110


def test_mass_of_rows_marked_later_is_refused_for_the_condition(soft: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MANY_GONE", 2)
    soft.run("DELETE FROM questions WHERE id = 100; UPDATE questions SET deleted_at = now()")
    with pytest.raises(CheckFailed, match="110 of 110") as refused:
        soft.sync()
    assert (refused.value.hint or "").startswith("109 of them are there still")
    soft.run("TRUNCATE questions")
    with pytest.raises(CheckFailed) as refused:
        soft.sync()
    assert (refused.value.hint or "").startswith("maybe a table was emptied")


def test_dry_run_foretells_and_changes_nothing(soft: World) -> None:
    planned = soft.plan(Choice(where="id < 5"))
    assert planned.changes.gone == 105
    assert soft.sync().changes.total == 0
    assert soft.scalar("SELECT condition FROM tagdb.source_definition WHERE view = 'source'") == LIVING.where
    assert soft.sync(Choice(where="")).changes.total == 0


def test_status_tells_the_condition(soft: World) -> None:
    assert status(soft.database).as_json()["condition"] == LIVING.where
    soft.sync(Choice(where="true"))
    assert status(soft.database).as_json()["condition"] is None


def test_condition_is_kept_with_other_texts_and_that_is_said(soft: World) -> None:
    _delete(soft, 3)
    listener = Listener()
    sync(soft.database, Choice("title"), listener)
    assert "rows are left out as before: --where 'deleted_at IS NULL'" in listener.said
    assert 3 not in soft.texts()
    soft.run("DROP VIEW tagdb.source")
    soft.sync(Choice("title"))
    assert 3 not in soft.texts()


def test_column_under_the_name_of_another_one_is_read(soft: World) -> None:
    soft.run("ALTER TABLE questions RENAME deleted_at TO gone_at")
    listener = Listener()
    sync(soft.database, Choice(), listener)
    assert any('column "deleted_at" does not exist; questions has' in line for line in listener.said)
    soft.run("UPDATE questions SET gone_at = now() WHERE id = 3")
    assert soft.sync().changes.gone == 1
    soft.run("ALTER TABLE questions ADD deleted_at timestamptz; UPDATE questions SET deleted_at = now() WHERE id = 4")
    listener = Listener()
    sync(soft.database, Choice(), listener)
    assert any("reads column deleted_at of table questions instead of column gone_at" in line for line in listener.said)
    assert 3 in soft.texts()
    assert 4 not in soft.texts()


def test_views_that_are_lifted_come_back_with_the_condition(soft: World) -> None:
    lifting.drop(soft.database)
    with pytest.raises(Unavailable, match="lifted"):
        soft.sync(Choice(where="id = 1"))
    soft.run("ALTER TABLE questions ALTER tenant TYPE bigint")
    lifting.restore(soft.database, Listener())
    _delete(soft, 5)
    assert soft.sync().changes.gone == 1


def test_own_source_leaves_rows_out(soft: World) -> None:
    soft.run("UPDATE questions SET title = 'x'")
    soft.sync(Choice(sql=OWN, where=""))
    _delete(soft, 1, 2)
    assert soft.sync().changes.total == 0
    assert soft.sync(LIVING).changes.gone == 2
    assert soft.sync(Choice(where="")).changes.new == 2


def test_neighbours_and_their_condition_are_another_matter(soft: World, database: Database) -> None:
    _delete(soft, 3)
    soft.sync()
    found = nearest_questions(database, "t3 shared", 200, Listener(), where="deleted_at IS NOT NULL OR id < 5")
    assert {each.name for each in found.found} == {"0", "1", "2", "4"}
