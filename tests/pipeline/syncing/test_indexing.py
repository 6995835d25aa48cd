"""The indexes: built, found invalid and rebuilt, dropped, and kept right by sync."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagdb.db.connection import Database
from tagdb.errors import TagdbError
from tagdb.models import Silent
from tagdb.pipeline import sync
from tagdb.pipeline.asking.nearest import nearest_questions
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.syncing import indexing
from tests.pipeline import stored

DEFINITIONS = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'tagdb' AND indexname LIKE '%hnsw' ORDER BY 1"
)


def _built(database: Database) -> dict[str, bool]:
    return {each.relation: each.built for each in indexing.show(database)}


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)


def _fill(database: Database, questions: int) -> None:
    texts = [f"text {number}" for number in range(questions)]
    drawn = np.random.default_rng(1).standard_normal((questions, stored.DIM)).astype(np.float32)
    stored.fill(database, texts, dict(zip(texts, drawn, strict=True)), tags=[[text] for text in texts])


@pytest.fixture
def tagged(database: Database) -> None:
    """40 questions of a tag each, embedded."""
    _fill(database, 40)


@pytest.mark.usefixtures("tagged")
def test_build_and_drop(database: Database) -> None:
    assert _built(database) == {"text_vector": False, "tag_vector": False}
    for each in indexing.build(database, Silent()):
        assert each.built
        assert each.bytes > 0
        assert each.vectors == 40
    first = stored.rows(database, "SELECT indexrelid, indisvalid FROM pg_index WHERE indisvalid ORDER BY 1")
    definitions = stored.rows(database, DEFINITIONS)
    assert [row.indexname for row in definitions] == ["tag_vector_1_hnsw", "text_vector_1_hnsw"]
    assert all("(embedding)::halfvec(1024)) halfvec_cosine_ops" in row.indexdef for row in definitions)
    indexing.build(database, Silent())
    assert stored.rows(database, "SELECT indexrelid, indisvalid FROM pg_index WHERE indisvalid ORDER BY 1") == first
    assert [each.built for each in indexing.drop(database)] == [False, False]
    assert stored.rows(database, DEFINITIONS) == []
    done = stored.rows(database, "SELECT command, status, written FROM tagdb.run ORDER BY id")
    assert [tuple(row) for row in done] == [
        ("index build", "done", 80),
        ("index build", "done", 0),
        ("index drop", "done", 0),
    ]


def test_nothing_to_index_builds_nothing(database: Database) -> None:
    assert indexing.build(database, Silent()) == []
    with database.session() as session:
        stored.new_embedder(session, "without vectors")
    assert [each.built for each in indexing.build(database, Silent())] == [False, False]


@pytest.mark.usefixtures("tagged")
def test_invalid_left_over_is_rebuilt(database: Database) -> None:
    indexing.build(database, Silent())
    stored.run(
        database, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tagdb.text_vector_1_hnsw'::regclass"
    )
    assert _built(database) == {"text_vector": False, "tag_vector": True}
    listener = stored.Listener()
    indexing.build(database, listener)
    assert listener.steps == ["indexing text_vector"]
    assert _built(database) == {"text_vector": True, "tag_vector": True}


@pytest.mark.usefixtures("tagged")
def test_build_goes_on_when_nobody_can_watch_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object) -> None:
        raise TagdbError("too many connections")

    monkeypatch.setattr(indexing, "_POLL_SECONDS", 0)
    with database.session() as session, exclusive(session):
        (missing, _) = indexing.status(session)
        monkeypatch.setattr(Database, "session", refused)
        indexing.build_one(database, session, missing, Silent())
        assert [each.built for each in indexing.status(session)] == [True, False]


@pytest.mark.parametrize(("questions", "outgrown"), [(330, False), (430, True)])
def test_graph_that_outgrows_the_memory_is_told_before(database: Database, questions: int, outgrown: bool) -> None:
    _fill(database, questions)
    told = Told()
    with database.session() as session, exclusive(session):
        session.run_script("SET maintenance_work_mem = '1MB'")
        indexing.build_one(database, session, indexing.status(session)[0], told)
        notices = "".join(session.cursor().connection.notices)
    assert ("graph no longer fits" in notices) == outgrown
    assert len(told.messages) == outgrown
    assert all("PGOPTIONS='-c maintenance_work_mem=1GB'" in message for message in told.messages)


@pytest.mark.usefixtures("tagged")
def test_build_waits_for_nobody(database: Database) -> None:
    with database.session() as other, exclusive(other), pytest.raises(TagdbError, match="another tagdb is at work"):
        indexing.build(database, Silent())


def test_thresholds_tell_when_an_index_pays() -> None:
    missing = indexing.IndexStatus("", 1, "starter", 1024, active=True, built=False, bytes=0, vectors=0)
    for relation, enough in {"text_vector": 20_000, "tag_vector": 2_000}.items():
        assert replace(missing, relation=relation, vectors=enough).worthwhile
        assert not replace(missing, relation=relation, vectors=enough - 1).worthwhile


def test_sync_keeps_indexed_neighbours_right(
    database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.run(
        database,
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text)",
        "INSERT INTO questions SELECT i, 'title ' || i FROM generate_series(1, 30) i",
    )
    registry.choose(database, str(tiny_embedder))
    monkeypatch.setattr(indexing, "ENOUGH", {"text_vector": 30, "tag_vector": 30})
    assert sync.sync(database, sync.Choice("title"), Silent()).indexed == ["text_vector"]
    stored.run(
        database,
        "UPDATE questions SET title = 'another one' WHERE id = 3",
        "DELETE FROM questions WHERE id = 4",
        "INSERT INTO questions VALUES (31, 'quite new')",
    )
    assert sync.sync(database, sync.Choice(), Silent()).indexed == []
    assert _built(database)["text_vector"]
    monkeypatch.setenv("PGOPTIONS", "-c enable_sort=off -c enable_seqscan=off -c enable_hashjoin=off")
    for text, number in (("another one", "3"), ("quite new", "31"), ("title 7", "7")):
        found = nearest_questions(database, text, 30, Silent())
        assert found.found[0].name == number
        assert found.found[0].distance == pytest.approx(0, abs=1e-3)
        assert {each.name for each in found.found} == {str(n) for n in range(1, 32) if n != 4}
