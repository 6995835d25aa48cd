"""Most questions gone at once: more likely an accident than a wish, so nothing goes until it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.errors import CheckFailed
from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.importing import import_files
from tagdb.pipeline.planning import plan
from tagdb.pipeline.running import lifting, pruning, recording
from tagdb.pipeline.sync import Choice
from tests.pipeline.world import USER_TABLES, World, load_once

N = 2_400


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """2,400 questions of three texts."""
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.run(
        f"INSERT INTO questions (id, title) SELECT n, 'title' FROM generate_series(1, {N}) n;"
        f"INSERT INTO tags SELECT n, 0, 'tag' || n % 3 FROM generate_series(1, {N}) n"
    )
    made.sync()
    return made


def _refused(world: World, choice: Choice = Choice()) -> CheckFailed:  # noqa: B008
    before, views = world.versions(), world.scalar("SELECT pg_get_viewdef('tagdb.source')")
    with pytest.raises(CheckFailed) as refused:
        world.sync(choice)
    assert world.versions() == before
    assert world.scalar("SELECT pg_get_viewdef('tagdb.source')") == views
    assert world.last_run()["status"] == "failed"
    return refused.value


def test_emptied_table_is_refused_until_it_is_asked_for(world: World) -> None:
    world.run("CREATE TABLE kept AS TABLE questions; TRUNCATE questions")
    refusal = _refused(world)
    assert refusal.exit_code == 4
    assert f"{N:,} of {N:,} questions are gone" in str(refusal)
    assert "a table was emptied" in (refusal.hint or "")
    assert "tagdb sync --allow-gone" in (refusal.hint or "")
    world.run("INSERT INTO questions TABLE kept")
    assert world.sync().changes.total == 0
    world.run("TRUNCATE questions")
    assert world.sync(allow_gone=True).changes.gone == N
    assert world.texts() == {}


def test_dry_run_says_that_sync_would_refuse(world: World) -> None:
    world.run("TRUNCATE questions")
    planned = world.plan()
    assert planned.changes.gone == N
    assert "questions are gone" in (planned.refused or "")
    assert plan(world.database, Choice(), Silent(), allow_gone=True).refused is None
    assert status.status(world.database).gone == N


@pytest.mark.parametrize(("gone", "refused"), [(1000, False), (1200, False), (1201, True), (2399, True)], ids=str)
def test_half_of_all_may_go(world: World, gone: int, refused: bool) -> None:
    world.run(f"DELETE FROM questions WHERE id <= {gone}")
    assert bool(world.plan().refused) is refused
    if refused:
        _refused(world)
    else:
        assert world.sync().changes.gone == gone


def test_texts_that_are_emptied_count_as_gone(world: World) -> None:
    world.run("CREATE TABLE kept AS TABLE tags; TRUNCATE tags")
    refusal = _refused(world)
    assert f"{N:,} of {N:,} questions are gone from what is to be embedded or have lost their text" in str(refusal)
    assert "questions are gone" in (world.plan().refused or "")
    world.run("INSERT INTO tags SELECT * FROM kept WHERE question_id <= 1200")
    assert world.sync().changes.changed == 1200
    world.run("TRUNCATE tags")
    assert world.sync(allow_gone=True).changes.changed == 1200
    assert set(world.texts().values()) == {""}


def test_few_may_go_altogether(world: World) -> None:
    world.run("DELETE FROM questions WHERE id > 1000")
    world.sync(allow_gone=True)
    world.run("TRUNCATE questions")
    assert world.sync().changes.gone == 1000


def test_those_that_come_do_not_make_up_for_those_that_go(world: World) -> None:
    world.run("UPDATE questions SET id = id + 10000; UPDATE tags SET question_id = question_id + 10000")
    assert f"{N:,} of {N:,} questions are gone" in str(_refused(world))


@pytest.mark.parametrize(
    "choice",
    [
        Choice(sql="SELECT -id AS question_id, title AS text FROM questions"),
        Choice(sql="SELECT id, title AS text FROM questions WHERE id < 100"),
    ],
)
def test_mistyped_source_is_refused_with_the_choice(world: World, choice: Choice) -> None:
    refusal = _refused(world, choice)
    assert "another source" in (refusal.hint or "")
    assert status.status(world.database).source == "tags"
    assert world.sync().changes.total == 0
    assert world.sync(choice, allow_gone=True).changes.gone > 2000
    assert status.status(world.database).source == "custom SQL"


def test_questions_that_import_replaced_may_go(world: World, tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    file.write_text("id,tags\n9001,sql\n9002,java\n", encoding="utf-8")
    import_files(world.database, [str(file)], Silent(), replace=True, confirmed=True)
    assert world.plan().refused is None
    assert world.sync().changes.gone == N
    assert world.texts().keys() == {9001, 9002}


def test_what_import_replaced_before_allows_nothing_later(world: World, tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    rows = [f"{number},tag{number % 3}" for number in range(10_001, 10_001 + N)]
    file.write_text("\n".join(["id,tags", *rows]), encoding="utf-8")
    import_files(world.database, [str(file)], Silent(), replace=True, confirmed=True)
    world.sync()
    world.run("TRUNCATE questions")
    _refused(world)


def _import(world: World, folder: Path, numbers: Iterable[int], *, replace: bool) -> None:
    file = folder / "q.csv"
    file.write_text("\n".join(["id,tags", *(f"{number},tag{number % 3}" for number in numbers)]), encoding="utf-8")
    import_files(world.database, [str(file)], Silent(), replace=replace, confirmed=replace)


def test_what_import_left_is_guarded_still(world: World, tmp_path: Path) -> None:
    _import(world, tmp_path, range(1, 1101), replace=True)
    assert world.plan().refused is None
    world.run("TRUNCATE questions")
    assert "1,100 of 1,100 questions are gone" in str(_refused(world))


def test_questions_that_were_never_stored_allow_nothing(world: World, tmp_path: Path) -> None:
    _import(world, tmp_path, range(10_001, 10_001 + N), replace=False)
    _import(world, tmp_path, range(1, N + 1), replace=True)
    world.run("TRUNCATE questions")
    _refused(world)


@pytest.mark.parametrize("replace", [False, True])
def test_questions_that_came_back_allow_nothing(world: World, tmp_path: Path, replace: bool) -> None:
    _import(world, tmp_path, range(10_001, 10_011), replace=True)
    _import(world, tmp_path, range(1, N + 1), replace=replace)
    world.run("TRUNCATE questions")
    _refused(world)


def test_another_import_takes_nothing_back(world: World, tmp_path: Path) -> None:
    _import(world, tmp_path, range(10_001, 10_011), replace=True)
    _import(world, tmp_path, range(20_001, 20_011), replace=False)
    world.run("UPDATE tagdb.run SET started_at = now() - interval '100 days' WHERE command = 'import'")
    pruning.prune(world.database, 90)
    assert world.sync().changes.gone == N


def test_run_that_was_killed_has_used_up_what_import_allowed(world: World, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        world.run("UPDATE tagdb.run SET status = 'killed' WHERE status = 'running'")
        raise Killed

    _import(world, tmp_path, range(10_001, 10_001 + N), replace=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "_finish", lambda *_: None)
        with pytest.raises(Killed):
            world.sync_while("averaging tags", kill)
    assert world.last_run()["status"] == "killed"
    assert world.texts().keys() == set(range(10_001, 10_001 + N))
    world.run("TRUNCATE questions")
    _refused(world)


def test_replaced_while_the_views_are_lifted(world: World, tmp_path: Path) -> None:
    lifting.drop(world.database)
    _import(world, tmp_path, range(10_001, 10_011), replace=True)
    lifting.restore(world.database, Silent())
    assert world.sync().changes.gone == N


def test_import_beside_ones_own_source_allows_nothing(world: World, tmp_path: Path) -> None:
    world.run("CREATE TABLE ticket AS SELECT id + 50000 AS id, title AS text FROM questions")
    world.sync(Choice(sql="TABLE ticket"), allow_gone=True)
    _import(world, tmp_path, range(10_001, 10_011), replace=True)
    assert f"{N:,} of {N:,} questions are gone" in str(_refused(world, Choice("tags")))


def test_import_into_another_schema_allows_nothing(world: World, tiny_embedder: Path, tmp_path: Path) -> None:
    elsewhere = Database(f"{world.database.dsn}&options=-csearch_path%3Dmine,public,tagdb", origin="test")
    mine = World(elsewhere, tiny_embedder, tables=f"CREATE SCHEMA mine; {USER_TABLES}")
    _import(mine, tmp_path, range(10_001, 10_011), replace=True)
    assert f"{N:,} of {N:,} questions are gone" in str(_refused(mine))
    world.run("TRUNCATE questions")
    _refused(world)
