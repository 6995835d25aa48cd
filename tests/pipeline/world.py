"""A small database to try the pipeline on: the user's tables, edited in one line, and what tagdb has made of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from tagdb import elmo
from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Progress, Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import installed, registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.planning import Plan, plan
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import recorded
from tagdb.pipeline.sync import Choice, SyncResult, sync
from tagdb.pipeline.syncing import moved, staging

Vector: TypeAlias = npt.NDArray[np.float64]

USER_TABLES = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text, created_at timestamptz);
CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));
"""
_PUT_QUESTIONS = """
WITH deleted AS (DELETE FROM tags WHERE question_id = ANY (:ids))
INSERT INTO questions (id, title) SELECT unnest(CAST(:ids AS bigint[])), :title
ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title RETURNING id
"""
_PUT_TAGS = """
INSERT INTO tags (question_id, position, tag)
SELECT * FROM unnest(CAST(:tagged AS bigint[]), CAST(:places AS smallint[]), CAST(:tags AS text[])) RETURNING tag
"""
_MEMBERS = """
SELECT st.tag, CAST(sum(hashint8extended(q.text_id, q.question_id)) % 9223372036854775808 AS bigint)
FROM tagdb.source_tag st JOIN tagdb.question q USING (question_id)
JOIN tagdb.text_vector v ON v.text_id = q.text_id
    AND v.embedder_id = (SELECT id FROM tagdb.embedder WHERE active)
GROUP BY st.tag
"""
_STORED_MEMBERS = """
SELECT tag, members FROM tagdb.tag_vector WHERE embedder_id = (SELECT id FROM tagdb.embedder WHERE active)
"""
AS_IT_IS = Choice()
SPLIT_QUERY = "SELECT id AS question_id, CASE WHEN id < 5 THEN 'low' ELSE 'high' END AS label FROM questions"
STORED = ("embedder", "text", "text_vector", "failure", "question", "tag_vector", "labels", "classifier")


@cache
def _loaded(directory: str, fingerprint: str) -> elmo.Elmo:
    return elmo.Elmo.load(installed.locate(directory))


def load_once(stored: StoredEmbedder, *, for_few: bool = False) -> elmo.Elmo:
    """Stand in for `registry.load` where a test loads one embedder many times."""
    return _loaded(stored.directory, stored.fingerprint)


def encoder(directory: Path) -> elmo.Elmo:
    """Return the embedder of a folder, loaded once."""
    return _loaded(str(directory), elmo.read_spec(directory).fingerprint)


class World:
    """A database with `questions` and `tags`, whose texts the given embedder embeds."""

    def __init__(self, database: Database, embedder: Path | str, *, tables: str = USER_TABLES) -> None:
        self.database = database
        registry.choose(database, str(embedder))
        self.run(tables)

    def run(self, statements: str) -> None:
        """Run SQL as the user would."""
        with self.database.session() as session:
            session.run_script(statements)

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query; a colon of SQL's own is written backslash, colon."""
        with self.database.session() as session:
            return [tuple(row) for row in session.rows_of(query, parameters)]

    def scalar(self, query: str, **parameters: Any) -> Any:
        """Return the only value of a query."""
        ((value,),) = self.rows(query, **parameters)
        return value

    def put(self, questions: Mapping[int, str], *, title: str | None = None) -> None:
        """Insert or update questions, each with its tags separated by blanks."""
        places = [(n, place, tag) for n, tags in questions.items() for place, tag in enumerate(tags.split())]
        parameters: dict[str, Any] = {"ids": list(questions), "title": title}
        for column, values in zip(("tagged", "places", "tags"), zip(*places, strict=True), strict=False):
            parameters[column] = list(values)
        with self.database.session() as session, session.transaction():
            session.rows_of(_PUT_QUESTIONS, parameters)
            if places:
                session.rows_of(_PUT_TAGS, parameters)

    def remove(self, *questions: int) -> None:
        """Delete questions with their tags."""
        numbers = ", ".join(map(str, questions))
        self.run(f"DELETE FROM questions WHERE id IN ({numbers}); DELETE FROM tags WHERE question_id IN ({numbers})")

    def sync(self, choice: Choice = AS_IT_IS, **options: Any) -> SyncResult:
        """Run `tagdb sync`."""
        return sync(self.database, choice, Silent(), **options)

    def sync_while(self, step: str, happens: Callable[[], object]) -> SyncResult:
        """Run `tagdb sync`, and let something happen as that step of it begins."""
        return sync(self.database, AS_IT_IS, OnStep(lambda now: happens() if now == step else None))

    def plan(self, choice: Choice = AS_IT_IS) -> Plan:
        """Run `tagdb sync --dry-run`."""
        return plan(self.database, choice, Silent())

    def forget(self) -> None:
        """Empty tagdb's tables, so that the next sync builds everything anew."""
        self.run("TRUNCATE tagdb.text, tagdb.question, tagdb.tag_vector, tagdb.labels CASCADE")

    def versions(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return where each stored row lies and which transaction wrote it: equal only if nothing was written."""
        return {
            table: self.rows(f"SELECT CAST(ctid AS text), CAST(xmin AS text) FROM tagdb.{table} ORDER BY ctid")
            for table in STORED
        }

    def texts(self) -> dict[int, str]:
        """Return the stored text of each question."""
        return dict(self.rows("SELECT question_id, text FROM tagdb.question JOIN tagdb.text t ON t.id = text_id"))

    def vectors(self) -> dict[int, Vector]:
        """Return the vector of each question, as the view `embedding` shows it."""
        found = self.rows("SELECT question_id, CAST(embedding AS real[]) FROM tagdb.embedding")
        return {number: np.array(vector) for number, vector in found}

    def tag_vectors(self) -> dict[str, tuple[int, Vector]]:
        """Return how many questions each tag has, and its centroid, by the active embedder."""
        found = self.rows(
            "SELECT tag, questions, CAST(t.embedding AS real[]) FROM tagdb.tag_vector t "
            "JOIN tagdb.embedder e ON e.id = embedder_id AND active"
        )
        return {tag: (questions, np.array(vector)) for tag, questions, vector in found}

    def failures(self) -> dict[str, str]:
        """Return the reason for each text that has no vector."""
        return dict(self.rows("SELECT text, reason FROM tagdb.failure JOIN tagdb.text t ON t.id = text_id"))

    def last_run(self) -> dict[str, Any]:
        """Return the last row of `run`."""
        with self.database.session() as session:
            return dict(session.rows_of("SELECT * FROM tagdb.run ORDER BY id DESC LIMIT 1", {})[0]._mapping)


@contextmanager
def sync_running(database: Database) -> Iterator[None]:
    """Let a sync be at work, with nothing to embed."""
    with database.session() as session, exclusive(session), recorded(session, "sync", {}) as counts:
        embedder = registry.chosen(session)
        staging.stage(session, counts.run, embedder, limit=0, max_tokens=512, block_size=None)
        yield


class OnStep(Silent):
    """A reporter that lets something happen as each step begins."""

    def __init__(self, happens: Callable[[str], object]) -> None:
        self._happens = happens

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:
        """Open a step that nobody watches."""
        self._happens(name)
        with super().step(name, total, unit) as progress:
            yield progress


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait for another process to bring something about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def assert_same_vectors(left: Mapping[int, Vector], right: Mapping[int, Vector], *, tolerance: float = 1e-5) -> None:
    """Compare vectors question by question."""
    assert left.keys() == right.keys()
    for number, vector in left.items():
        np.testing.assert_allclose(vector, right[number], atol=tolerance, rtol=0, err_msg=str(number))


def assert_same_centroids(
    left: Mapping[str, tuple[int, Vector]], right: Mapping[str, tuple[int, Vector]], *, tolerance: float = 1e-5
) -> None:
    """Compare the numbers of questions and the centroids tag by tag."""
    assert {tag: n for tag, (n, _) in left.items()} == {tag: n for tag, (n, _) in right.items()}
    for tag, (_, vector) in left.items():
        np.testing.assert_allclose(vector, right[tag][1], atol=tolerance, rtol=0, err_msg=tag)


def expected_centroids(world: World, tags: Mapping[int, Sequence[str]]) -> dict[str, tuple[int, Vector]]:
    """Average, in numpy, the stored vectors of the questions that have each tag."""
    vectors, members = world.vectors(), dict[str, list[Vector]]()
    for number, names in tags.items():
        for tag in set(names):
            if number in vectors:
                members.setdefault(tag, []).append(vectors[number])
    return {tag: (len(found), np.mean(found, axis=0)) for tag, found in members.items()}


def refuse_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the embedder refuse every text with the token "poison"."""
    encode = elmo.Elmo.embed_tokens

    def embed(self: elmo.Elmo, tokenized: Sequence[Sequence[str]]) -> np.ndarray:
        if any("poison" in tokens for tokens in tokenized):
            raise InputRefused("poison")
        return encode(self, tokenized)

    monkeypatch.setattr(elmo.Elmo, "embed_tokens", embed)


def assert_nothing_due(world: World) -> None:
    """Compare all, as nobody does who believes the fingerprints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moved, "glance", lambda *_: moved.NO_LOOK)
        found = status.status(world.database)
    assert (found.new, found.changed, found.gone, found.due, found.stale) == (0, 0, 0, 0, 0)
    assert found.labelled == found.rows


def assert_right_centroids(world: World, tags: Mapping[int, str]) -> None:
    """Compare centroids and their checksums with what the questions' tags, separated by blanks, ask for."""
    expected = expected_centroids(world, {number: names.split() for number, names in tags.items()})
    assert_same_centroids(world.tag_vectors(), expected, tolerance=1e-6)
    stored, members = dict(world.rows(_STORED_MEMBERS)), dict(world.rows(_MEMBERS))
    assert stored.keys() == members.keys()
    assert all((stored[tag] - members[tag]) % 2**63 == 0 for tag in members)


def titled_world(database: Database, embedder: Path) -> World:
    """Return a world of twelve questions, each with a title, a tag of its own and one that all share."""
    made = World(database, embedder)
    for number in range(12):
        made.put({number: f"t{number} shared"}, title=f"title {number}")
    return made
