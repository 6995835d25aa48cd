"""What `sync` promises: everything current, nothing done twice, nothing lost to those who edit meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psycopg2
import pytest

from tagdb import elmo
from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed, InputRefused
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.syncing.embedding import NO_TOKEN
from tests.pipeline.world import World, assert_same_vectors, load_once


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put({1: "python pandas", 2: "python", 3: "sql postgresql", 4: "python pandas", 5: ""})
    return made


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that reaches the encoder, in the order it does."""
    seen: list[str] = []
    original = elmo.Elmo.embed_tokens

    def spy(self: elmo.Elmo, tokenized: Sequence[Sequence[str]]) -> np.ndarray:
        seen.extend(" ".join(tokens) for tokens in tokenized)
        return original(self, tokenized)

    monkeypatch.setattr(elmo.Elmo, "embed_tokens", spy)
    return seen


def test_first_sync_embeds_each_distinct_text_once(world: World, embedded: list[str], tiny_embedder: Path) -> None:
    result = world.sync()
    assert sorted(embedded) == ["python", "python pandas", "sql postgresql"]
    assert (result.changes.new, result.changes.changed, result.changes.gone) == (5, 0, 0)
    assert (result.embedded.due, result.embedded.texts, result.without_token, result.texts_left) == (4, 3, 1, 0)
    assert world.texts() == {1: "python pandas", 2: "python", 3: "sql postgresql", 4: "python pandas", 5: ""}
    expected = elmo.Elmo.load(tiny_embedder).embed(["python pandas", "python", "sql postgresql", "python pandas"])
    assert_same_vectors(world.vectors(), dict(enumerate(expected, 1)))


def test_second_sync_writes_nothing(world: World, embedded: list[str]) -> None:
    world.sync()
    before = world.versions()
    assert all(before[table] for table in ("text", "text_vector", "failure", "question", "tag_vector"))
    embedded.clear()
    result = world.sync()
    assert world.versions() == before
    assert not embedded
    assert result.changes.total == result.embedded.due == result.tags == result.tags_removed == 0


def test_sync_with_nothing_due_never_imports_tensorflow(world: World) -> None:
    world.sync()
    program = (
        "import sys; from tagdb import config; from tagdb.db.connection import Database; "
        "from tagdb.models import Progress, Silent; from tagdb.pipeline.sync import Choice, sync; "
        "sync(Database.open(config.resolve_target(None)), Choice(), Silent()); "
        "print(sorted({'tensorflow', 'h5py', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    assert world.last_run()["status"] == "done"


def test_only_texts_nobody_had_are_embedded(world: World, embedded: list[str]) -> None:
    world.sync()
    embedded.clear()
    world.put({2: "python pandas", 6: "python", 7: "rust", 3: "postgresql sql"})
    world.remove(4)
    result = world.sync()
    assert sorted(embedded) == ["postgresql sql", "rust"]
    assert (result.changes.new, result.changes.changed, result.changes.gone) == (2, 2, 1)


def test_text_nobody_has_any_more_vanishes_with_its_vector(world: World) -> None:
    world.sync()
    world.remove(3)
    world.put({5: "python"})
    world.sync()
    assert sorted(world.rows("SELECT text FROM tagdb.text")) == [("python",), ("python pandas",)]
    assert world.scalar("SELECT count(*) FROM tagdb.text_vector") == 2
    assert not world.failures()
    assert 3 not in world.vectors()


def test_text_without_token_is_noted_once_and_comes_right_when_edited(world: World, embedded: list[str]) -> None:
    world.sync()
    assert world.failures() == {"": NO_TOKEN}
    assert 5 not in world.vectors()
    before = world.versions()["failure"]
    assert world.sync().embedded.due == 0
    assert world.versions()["failure"] == before
    assert "" not in embedded
    world.put({5: "rust"})
    world.sync()
    assert not world.failures()
    assert np.linalg.norm(world.vectors()[5]) > 0


def test_text_edited_back_and_forth_ends_where_it_was(world: World) -> None:
    world.sync()
    before = world.vectors()
    for tags in ("rust", "python pandas", "go", "python pandas"):
        world.put({1: tags})
        world.sync()
        assert world.texts()[1] == tags
    assert_same_vectors(world.vectors(), before, tolerance=0)


def test_question_deleted_and_inserted_again_keeps_its_vector(world: World) -> None:
    world.sync()
    before = world.vectors()
    world.remove(3)
    world.sync()
    world.put({3: "sql postgresql"})
    world.sync()
    assert_same_vectors(world.vectors(), before)


@pytest.mark.parametrize("moment", ["storing texts", "embedding", "averaging tags", "predicting"])
def test_text_edited_during_a_sync_is_right_after_the_next(world: World, moment: str) -> None:
    world.sync_while(moment, lambda: world.put({1: "rust"}))
    assert world.texts()[1] == "python pandas"
    assert world.sync().changes.changed == 1
    assert world.texts()[1] == "rust"
    stored = world.vectors()
    world.forget()
    world.sync()
    assert_same_vectors(stored, world.vectors())


def test_row_committed_late_is_found(world: World) -> None:
    writer = psycopg2.connect(world.database.dsn)
    with writer.cursor() as cursor:
        cursor.execute(
            "INSERT INTO questions (id, created_at) VALUES (0, '2001-01-01'); INSERT INTO tags VALUES (0, 0, 'go')"
        )
    world.put({9: "rust"})
    assert world.sync().changes.new == 6
    writer.commit()
    writer.close()
    assert world.sync().changes.new == 1
    assert world.texts()[0] == "go"
    assert 0 in world.vectors()


def test_limit_leaves_the_rest_due(world: World, embedded: list[str]) -> None:
    first = world.sync(limit=2)
    assert (first.embedded.due, first.texts_left) == (2, 2)
    assert len(world.texts()) == 5
    second = world.sync(limit=1)
    assert (second.embedded.due, second.texts_left) == (1, 1)
    last = world.sync(limit=10)
    assert (last.embedded.due, last.texts_left) == (1, 0)
    assert len(embedded) == len(set(embedded)) == 3
    assert world.vectors().keys() == {1, 2, 3, 4}


def test_broken_connection_is_one_clear_error_and_the_next_sync_completes(world: World) -> None:
    terminate = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(ConnectionFailed):
        world.sync_while("averaging tags", lambda: world.rows(terminate))
    assert world.scalar("SELECT count(*) FROM tagdb.text_vector") == 3
    result = world.sync()
    assert (result.embedded.due, result.tags) == (0, 4)
    assert world.rows("SELECT status FROM tagdb.run ORDER BY id") == [("killed",), ("done",)]


def test_missing_tables_are_refused_with_what_to_type(database: Database, tiny_embedder: Path) -> None:
    world = World(database, tiny_embedder, tables="SELECT 1")
    with pytest.raises(InputRefused, match="no table questions") as refused:
        world.sync()
    assert "tagdb import" in (refused.value.hint or "")
    assert world.scalar("SELECT to_regclass('tagdb.source') IS NULL")
