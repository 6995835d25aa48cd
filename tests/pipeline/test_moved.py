"""Where no row has moved, sync compares nothing, and where few have, little; whatever moved, wherever, is found."""

from __future__ import annotations

from pathlib import Path

import psycopg2.extensions
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database, Session
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline import comparing, embedders, indexing, moved, status, tag_vectors
from tagdb.pipeline.moved import Look, Moved
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.train import TrainSettings, train
from tests.pipeline.world import USER_TABLES, OnStep, World, load_once, refuse_poison

QUERY = "SELECT id AS question_id, CASE WHEN id < 5 THEN 'low' ELSE 'high' END AS label FROM questions"


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(embedders, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({number: f"t{number} shared" for number in range(10)})
    made.sync()
    return made


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Moved]:
    """Collect what each sync is told to compare; however few questions there are, those that moved count as few."""
    found: list[Moved] = []
    look = moved.look

    def collect(session: Session, max_tokens: int) -> Look:
        found.append((seen := look(session, max_tokens)).moved)
        return seen

    monkeypatch.setattr(moved, "look", collect)
    monkeypatch.setattr(moved, "LARGEST_SHARE", 1e9)
    return found


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Collect one entry each time that texts are compared."""
    calls: list[None] = []
    stage = comparing._stage_changes

    def count(*arguments: object) -> None:
        calls.append(None)
        stage(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(comparing, "_stage_changes", count)
    return calls


def test_second_sync_reads_no_text_and_no_vector(
    world: World, compared: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tag_vectors, "refresh")
    result = world.sync()
    assert not compared
    assert (result.changes.total, result.embedded.due, result.tags, result.labelled) == (0, 0, 0, 0)
    assert world.plan().texts_due == 0
    assert world.sync(Choice("tags")).changes.total == 0
    assert not compared
    assert world.last_run()["status"] == "done"


@pytest.mark.parametrize(
    "move",
    [
        "INSERT INTO questions VALUES (77)",
        "DELETE FROM questions WHERE id = 3",
        "UPDATE tags SET tag = 'other' WHERE question_id = 3 AND position = 0",
        "DELETE FROM tags WHERE question_id = 3 AND position = 0",
        "DELETE FROM tags WHERE question_id = 3 AND position = 0; INSERT INTO tags VALUES (3, 0, 't3')",
        "DELETE FROM tagdb.text_vector WHERE text_id = (SELECT text_id FROM tagdb.question WHERE question_id = 3)",
        "UPDATE tagdb.question SET text_id = (SELECT min(id) FROM tagdb.text)",
        "UPDATE tagdb.tag_vector SET members = 0 WHERE tag = 't3'",
        "DELETE FROM tagdb.tag_vector WHERE tag = 't3'",
        "CREATE TABLE more () INHERITS (questions)",
        "ALTER TABLE tags ENABLE ROW LEVEL SECURITY",
    ],
)
def test_whatever_moved_is_compared(world: World, compared: list[None], move: str) -> None:
    expected = world.tag_vectors().keys()
    world.run(move)
    world.sync()
    assert compared or "tag_vector" in move
    assert world.texts().keys() == {row[0] for row in world.rows("SELECT id FROM questions")}
    assert world.texts() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))
    assert world.vectors().keys() == {number for number, text in world.texts().items() if text}
    if "tagdb" in move:
        assert world.tag_vectors().keys() == expected


def test_move_that_another_session_commits_while_texts_are_compared_is_found_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put({3: "t3 edited"})
    stage = comparing._stage_changes

    def edit_after(*arguments: object) -> None:
        stage(*arguments)  # type: ignore[arg-type]
        world.put({4: "t4 edited"})

    monkeypatch.setattr(comparing, "_stage_changes", edit_after)
    world.sync()
    monkeypatch.setattr(comparing, "_stage_changes", stage)
    assert world.sync().changes.changed == 1
    assert world.texts()[4] == "t4 edited"


def test_labels_that_became_stale_come_back_though_no_text_is_compared(world: World, compared: list[None]) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    assert (world.plan().labels_due, status.status(world.database).stale) == (10, 10)
    assert world.sync().labelled == 10
    world.run("DELETE FROM labels WHERE question_id = 3")
    assert (world.plan().labels_due, status.status(world.database).stale) == (1, 1)
    assert world.sync().labelled == 1
    assert not compared


def test_labels_of_questions_that_did_not_move_are_renewed_by_another_classifier(
    world: World, looks: list[Moved]
) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    world.sync()
    world.put({3: "t3 edited"})
    train(world.database, QUERY, TrainSettings(seed=1), Silent(), activate=True)
    assert world.sync().labelled == 10
    assert looks[-1] is Moved.SOME
    _assert_nothing_due(world)


def test_status_says_the_same_without_comparing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    world.sync()
    short = status.status(world.database)
    monkeypatch.setattr(moved, "glance", lambda *_: moved.NO_LOOK)
    assert status.status(world.database) == short
    assert (short.rows, short.labelled, short.stale) == (10, 10, 0)
    monkeypatch.undo()
    monkeypatch.delattr(status, "_count_changes")
    assert status.status(world.database) == short


def _assert_nothing_due(world: World) -> None:
    """Compare all, as nobody does who believes the fingerprints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moved, "glance", lambda *_: moved.NO_LOOK)
        found = status.status(world.database)
    assert (found.new, found.changed, found.gone, found.due, found.stale) == (0, 0, 0, 0, 0)
    assert found.labelled == found.rows


_NUMBERS = st.integers(-3, 200)
_EDIT = st.one_of(
    st.tuples(st.just("put"), _NUMBERS, st.sampled_from(["t1 shared", "t2", "other words"])),
    st.tuples(st.just("remove"), _NUMBERS, st.just("")),
    st.tuples(st.just("retag"), _NUMBERS, st.just("other")),
    st.tuples(st.just("forget label"), _NUMBERS, st.just("")),
    st.tuples(st.just("forget vector"), _NUMBERS, st.just("")),
)


def _edit(world: World, operation: str, number: int, tags: str) -> None:
    if operation == "put":
        world.put({number: tags})
    elif operation == "remove":
        world.remove(number)
    elif operation == "retag":
        world.run(f"UPDATE tags SET tag = '{tags}' WHERE question_id = {number} AND position = 0")
    elif operation == "forget label":
        world.run(f"DELETE FROM tagdb.labels WHERE question_id = {number}")
    else:
        world.run(
            "DELETE FROM tagdb.text_vector WHERE text_id = "
            f"(SELECT text_id FROM tagdb.question WHERE question_id = {number})"
        )


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(series=st.lists(st.lists(_EDIT, max_size=3), min_size=1, max_size=3))
@example(series=[[("put", 77, "t1 shared")], [("remove", 77, "")], [("retag", 3, "other"), ("put", -1, "t2")]])
def test_after_any_edits_nothing_is_due(
    world: World, looks: list[Moved], series: list[list[tuple[str, int, str]]]
) -> None:
    world.put({number: f"t{number} shared" for number in range(10)})
    world.sync()
    if not world.rows("SELECT FROM tagdb.classifier"):
        train(world.database, QUERY, TrainSettings(), Silent())
    world.sync()
    for edits in series:
        for edit in edits:
            _edit(world, *edit)
        world.sync()
        _assert_nothing_due(world)
        assert world.texts() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))
    assert Moved.SOME in looks or all(op in ("forget label", "forget vector") for edits in series for op, *_ in edits)


def test_only_the_band_that_moved_is_compared_and_labelled(
    world: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put({number: f"t{number} shared" for number in range(100, 400)})
    world.sync()
    train(world.database, QUERY, TrainSettings(), Silent())
    world.sync()
    world.put({200: "moved", 1000: "new"})
    moved_ids: list[int] = []
    stage = comparing._stage_changes

    def stage_and_tell(session: Session, *arguments: object) -> None:
        stage(session, *arguments)  # type: ignore[arg-type]
        moved_ids.extend(row[0] for row in session.rows_of("SELECT question_id FROM moved ORDER BY 1", {}))

    monkeypatch.setattr(comparing, "_stage_changes", stage_and_tell)
    result = world.sync()
    assert looks[-1] is Moved.SOME
    assert moved_ids == [*range(192, 256), *range(960, 1024)]
    assert (result.changes.new, result.changes.changed, result.changes.gone, result.labelled) == (1, 1, 0, 2)
    _assert_nothing_due(world)


def test_where_many_bands_moved_all_is_compared(
    world: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved, "LARGEST_SHARE", 6)
    world.put(dict.fromkeys(range(0, 256, 64), "t"))
    world.sync()
    world.put({0: "other"})
    world.sync()
    world.put({0: "third", 64: "third"})
    world.sync()
    assert looks[-2:] == [Moved.SOME, Moved.UNKNOWN]
    assert world.texts() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))


@pytest.mark.parametrize(
    "lacking",
    [
        "ALTER TABLE questions ALTER id TYPE integer",
        "ALTER TABLE tags DROP CONSTRAINT tags_pkey",
        """
        ALTER TABLE tags DROP CONSTRAINT tags_pkey;
        ALTER TABLE tags ALTER question_id DROP NOT NULL;
        CREATE INDEX ON tags (question_id)
        """,
    ],
)
def test_tables_in_which_no_question_can_be_looked_up_are_read_whole(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch, looks: list[Moved], lacking: str
) -> None:
    monkeypatch.setattr(embedders, "load", load_once)
    world = World(database, tiny_embedder, tables=f"{USER_TABLES}; {lacking}")
    world.put({1: "a", 2: "b"})
    world.sync()
    world.put({2: "c"})
    assert world.sync().changes.changed == 1
    world.sync()
    assert looks[-2:] == [Moved.UNKNOWN, Moved.NONE]


def test_label_that_somebody_deletes_meanwhile_comes_back(world: World, looks: list[Moved]) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    world.sync()
    world.put({3: "t3 edited"})

    def delete_at(step: str) -> None:
        if step == "averaging tags":
            world.run("DELETE FROM tagdb.labels WHERE question_id = 7")

    sync(world.database, Choice("tags"), OnStep(delete_at))
    assert looks[-1] is Moved.SOME
    _assert_nothing_due(world)


@pytest.mark.parametrize("table", ["tag_vector", "labels"])
def test_what_somebody_deletes_while_the_index_is_built_comes_back(
    world: World, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    rows = world.scalar(f"SELECT count(*) FROM tagdb.{table}")

    def delete(_: Session) -> list[indexing.IndexStatus]:
        world.run(f"DELETE FROM tagdb.{table}")
        return []

    monkeypatch.setattr(indexing, "status", delete)
    world.put({3: "t3 edited"})
    world.sync()
    monkeypatch.undo()
    world.sync()
    assert world.scalar(f"SELECT count(*) FROM tagdb.{table}") >= max(rows, 10)


def test_refused_text_that_somebody_lets_try_again_meanwhile_gets_its_labels(
    world: World, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(world.database, QUERY, TrainSettings(), Silent())
    world.put({100: "poison"})
    with monkeypatch.context() as patches:
        refuse_poison(patches)
        assert world.sync().failed == 1
    world.put({3: "t3 edited"})

    def retry_at(step: str) -> None:
        if step == "storing texts":
            world.run("DELETE FROM tagdb.failure")

    sync(world.database, Choice("tags"), OnStep(retry_at))
    assert looks[-1] is Moved.SOME
    _assert_nothing_due(world)
    assert "poison" in world.tag_vectors()


def test_role_that_may_not_read_the_tables_below_the_views_still_has_a_status(world: World) -> None:
    role = f"reader_{world.scalar('SELECT oid FROM pg_database WHERE datname = current_database()')}"
    world.run(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA tagdb TO {role}")
    world.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA tagdb TO {role}")
    dsn = psycopg2.extensions.make_dsn(world.database.dsn, options=f"-c role={role} -c search_path=public,tagdb")
    try:
        assert status.status(Database(dsn, origin="test")).rows == 10
    finally:
        world.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_fingerprints_of_a_sync_that_was_killed_before_its_end_are_not_believed(
    world: World, looks: list[Moved]
) -> None:
    world.put({3: "t3 edited"})
    world.sync()
    world.run("UPDATE tagdb.run SET status = 'failed' WHERE id = (SELECT max(id) FROM tagdb.run)")
    world.sync()
    world.sync()
    assert looks == [Moved.SOME, Moved.UNKNOWN, Moved.NONE]


def test_model_is_loaded_ahead_but_missed_only_where_it_is_needed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: object) -> None:
        raise InputRefused("no model here")

    monkeypatch.setattr(embedders, "load", load)
    world.put({50: "t3 shared"})
    assert world.sync().changes.new == 1
    world.put({51: "unseen"})
    with pytest.raises(InputRefused, match="no model here"):
        world.sync()


def test_another_cap_on_tokens_is_no_second_run(world: World, compared: list[None]) -> None:
    assert world.sync(max_tokens=1).embedded.due == 10
    assert world.sync(max_tokens=1).embedded.due == 0
    assert len(compared) == 1


def test_what_a_limit_left_is_not_forgotten(world: World, compared: list[None]) -> None:
    world.put({number: f"new{number}" for number in range(20, 30)})
    assert world.sync(limit=4).texts_left == 6
    assert world.sync().embedded.texts == 6
    world.sync()
    assert len(compared) == 2


@pytest.mark.parametrize(
    "choice",
    [
        Choice(sql="SELECT id AS question_id, title AS text FROM questions"),
        Choice(tags_sql="SELECT question_id, tag FROM tags WHERE now() < '2020-01-01'"),
    ],
)
def test_own_sql_is_always_run(world: World, compared: list[None], choice: Choice) -> None:
    world.sync(choice)
    world.sync()
    assert len(compared) == 2


def test_index_is_built_though_nothing_has_moved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "ENOUGH", {"text_vector": 5, "tag_vector": 5})
    assert set(world.sync().indexed) == {"text_vector", "tag_vector"}
