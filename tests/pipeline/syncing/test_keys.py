"""Keys of every type go the whole way: questions, labels, neighbours and files have them as the user does."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline.asking import export, nearest
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import moved
from tagdb.pipeline.syncing.moved import Moved
from tests.examples import examples
from tests.pipeline.keyed import KINDS, KeyedWorld, stored_types
from tests.pipeline.world import assert_nothing_due, assert_same_centroids, expected_centroids, load_once

LABELLED = "SELECT id, label FROM questions WHERE label IS NOT NULL"
QUESTIONS = {number: f"{'java' if number % 2 else 'python'} t{number}" for number in range(24)}
HASHED = ["uuid", "text", "varchar of another collation"]


@pytest.fixture
def world(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> KeyedWorld:
    monkeypatch.setattr(registry, "load", load_once)
    made = KeyedWorld(database, tiny_embedder, KINDS[request.param])
    made.write(QUESTIONS)
    return made


@pytest.mark.parametrize("world", KINDS, indirect=True)
def test_keys_are_the_users_own_from_the_table_to_the_files(world: KeyedWorld, tmp_path: Path) -> None:
    world.sync()
    assert set(stored_types(world)) == {world.kind.stored}
    assert world.found() == world.keyed(QUESTIONS)
    assert world.sync().changes.total == 0
    train(world.database, LABELLED, TrainSettings(), Silent())
    assert world.sync().labelled == len(QUESTIONS)
    _assert_files(world, tmp_path)
    found = nearest.nearest_questions(world.database, "java", 24, Silent()).found
    assert {each.question_id for each in found} == {_plain(key) for key in world.keyed(QUESTIONS)}
    key = world.literal(3).replace(":", "\\:")
    (asked,) = world.rows(f"SELECT count(*), count(DISTINCT nearest) FROM tagdb.nearest_questions({key}, 30)")
    assert asked == (23, 23)
    near = nearest.nearest_questions(world.database, str(world.kind.key(3)), 30, Silent(), is_id=True, exact=True).found
    assert {each.question_id for each in near} == {_plain(world.kind.key(n)) for n in QUESTIONS if n != 3}
    one = nearest.nearest_questions(world.database, "java", 5, Silent(), where=f"id = {world.literal(3)}").found
    assert [each.question_id for each in one] == [_plain(world.kind.key(3))]


def _plain(key: object) -> int | str:
    return key if isinstance(key, int) else str(key)


def _assert_files(world: KeyedWorld, folder: Path) -> None:
    rows = {_plain(key): label for key, label in world.rows("SELECT question_id, label FROM tagdb.labels")}
    assert rows.keys() == {_plain(key) for key in world.keyed(QUESTIONS)}
    for name in ("labels.csv", "labels.parquet"):
        export.export_predictions(world.database, str(folder / name), Silent())
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        assert {line["id"]: line["label"] for line in csv.DictReader(file)} == {str(k): v for k, v in rows.items()}
    table = parquet.read_table(folder / "labels.parquet")
    assert dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True)) == rows
    sizes = {"smallint": "int16", "integer": "int32", "bigint": "int64"}
    assert str(table.schema.field("id").type) == sizes.get(world.kind.stored, "string")


@pytest.mark.parametrize(
    ("world", "said"),
    [
        ("smallint", "not a smallint"),
        ("integer", "not an integer"),
        ("uuid", "not a uuid"),
        ("text", "there is no question"),
    ],
    indirect=["world"],
)
def test_question_that_is_not_there_is_told_from_an_id_that_none_can_have(world: KeyedWorld, said: str) -> None:
    world.sync()
    wrong = ["nobody", "99999999999"] if "int" in said else ["nobody"]
    for asked in wrong:
        with pytest.raises(InputRefused, match=said) as refused:
            nearest.nearest_questions(world.database, asked, 5, Silent(), is_id=True)
        assert refused.value.hint
    with pytest.raises(InputRefused, match="there is no question"):
        nearest.nearest_questions(world.database, str(world.kind.key(99)), 5, Silent(), is_id=True)


@pytest.mark.parametrize("world", KINDS, indirect=True)
@pytest.mark.parametrize("preset", ["tags", "title+tags"])
def test_edits_and_questions_that_go_are_followed(world: KeyedWorld, preset: str) -> None:
    world.sync(Choice(preset))
    train(world.database, LABELLED, TrainSettings(), Silent())
    world.sync()
    edited = {**QUESTIONS, 3: "ruby rails", 30: "java new"}
    world.write({3: edited[3], 30: edited[30]})
    world.erase(4)
    del edited[4]
    result = world.sync()
    assert (result.changes.new, result.changes.changed, result.changes.gone) == (1, 1, 1)
    assert_nothing_due(world)
    assert world.scalar("SELECT count(*) FROM tagdb.labels") == 24
    tags = {key: names.split() for key, names in world.keyed(edited).items()}
    assert_same_centroids(world.tag_vectors(), expected_centroids(world, tags), tolerance=1e-6)


@pytest.mark.parametrize("world", ["uuid", "text", "char", "enum"], indirect=True)
def test_same_seed_takes_the_same_sample(world: KeyedWorld) -> None:
    world.sync()
    settings = TrainSettings(sample=16, seed=7)
    metrics = [train(world.database, LABELLED, settings, Silent(), name=name) for name in ("one", "two")]
    weights = (
        "SELECT class, CAST(coef AS text) FROM tagdb.classifier_weight JOIN tagdb.classifier ON id = classifier_id"
    )
    one, two = (world.rows(f"{weights} WHERE name = '{name}' ORDER BY class") for name in ("one", "two"))
    assert one == two
    assert len(metrics) == 2


@pytest.mark.parametrize("world", HASHED, indirect=True)
def test_where_few_rows_moved_the_keys_around_them_alone_are_compared(
    world: KeyedWorld, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved, "HASHED_IN_BAND", 2)
    world.sync()
    train(world.database, LABELLED, TrainSettings(), Silent())
    world.sync()
    world.write({3: "ruby rails", 30: "java new"})
    world.erase(4)
    compared: list[int] = []
    stage = moved.look

    def look(*arguments: object, **options: object) -> moved.Look:
        seen = stage(*arguments, **options)  # type: ignore[arg-type]
        session = arguments[0]
        compared.append(session.rows_of("SELECT count(*) FROM moved", {})[0][0])  # type: ignore[attr-defined]
        return seen

    monkeypatch.setattr(moved, "look", look)
    result = world.sync()
    assert looks[-1] is Moved.SOME
    assert 3 <= compared[0] < 24
    assert (result.changes.new, result.changes.changed, result.changes.gone) == (1, 1, 1)
    assert_nothing_due(world)


@pytest.mark.parametrize("world", ["char", "enum", "name", "domain"], indirect=True)
def test_keys_that_are_cast_are_read_whole_where_rows_moved(world: KeyedWorld, looks: list[Moved]) -> None:
    world.sync()
    world.write({3: "ruby rails"})
    assert world.sync().changes.changed == 1
    world.sync()
    assert looks == [Moved.UNKNOWN, Moved.UNKNOWN, Moved.NONE]


@pytest.mark.parametrize("world", HASHED, indirect=True)
def test_many_more_questions_get_more_bands(
    world: KeyedWorld, looks: list[Moved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved, "HASHED_IN_BAND", 1)
    monkeypatch.setattr(moved, "GROWTH", 2)
    world.sync()
    bits = world.scalar(
        "SELECT CAST(detail->'fingerprints'->>'bits' AS integer) FROM tagdb.run ORDER BY id DESC LIMIT 1"
    )
    assert bits == 5
    world.write(dict.fromkeys(range(100, 170), "java t"))
    world.sync()
    world.sync()
    assert world.scalar("SELECT max(CAST(detail->'fingerprints'->>'bits' AS integer)) FROM tagdb.run") == 7
    world.write({3: "ruby rails"})
    world.sync()
    assert looks[-1] is Moved.SOME
    assert world.found() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))


_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "erase", "retag", "forget"]), st.integers(0, 40), st.sampled_from(["a", "b c"])
    ),
    max_size=3,
)


@settings(
    max_examples=examples(6),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(series=st.lists(_EDITS, min_size=1, max_size=3))
@example(series=[[("write", 40, "a")], [("erase", 40, "a")], [("retag", 3, "b c"), ("write", 0, "a")]])
@pytest.mark.parametrize("world", ["uuid", "text of another collation"], indirect=True)
def test_after_any_edits_nothing_is_due(
    world: KeyedWorld, looks: list[Moved], monkeypatch: pytest.MonkeyPatch, series: list[list[tuple[str, int, str]]]
) -> None:
    monkeypatch.setattr(moved, "HASHED_IN_BAND", 2)
    world.sync()
    if not world.rows("SELECT FROM tagdb.classifier"):
        train(world.database, LABELLED, TrainSettings(), Silent())
    world.sync()
    for edits in series:
        for operation, number, tags in edits:
            key = world.literal(number)
            if operation == "write":
                world.write({number: tags})
            elif operation == "erase":
                world.erase(number)
            elif operation == "retag":
                world.run(f"UPDATE tags SET tag = 'other' WHERE question_id = {key} AND position = 0")
            else:
                world.run(f"DELETE FROM tagdb.labels WHERE question_id = {key}")
        world.sync()
        assert_nothing_due(world)
        assert world.found() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))
