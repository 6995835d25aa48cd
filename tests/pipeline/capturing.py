"""Databases whose changes are captured, and what has to hold after each sync of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions
import pytest

from tagdb.models import Silent
from tagdb.pipeline.asking import status
from tagdb.pipeline.running import capturing
from tagdb.pipeline.running.capturing import Capturing
from tagdb.pipeline.syncing import comparing, moved
from tagdb.pipeline.syncing.moved import Moved
from tests.pipeline.world import World, assert_same_centroids, expected_centroids

PARTITIONED = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text, created_at timestamptz) PARTITION BY RANGE (id);
CREATE TABLE low_questions PARTITION OF questions FOR VALUES FROM (MINVALUE) TO (5);
CREATE TABLE high_questions PARTITION OF questions FOR VALUES FROM (5) TO (MAXVALUE);
CREATE TABLE tags (question_id bigint, position smallint, tag text, PRIMARY KEY (question_id, position));
"""
_TAGS = "SELECT CAST(question_id AS text), string_agg(tag, ' ') FROM tagdb.source_tag WHERE tag IS NOT NULL GROUP BY 1"
_TAGGED = """
SELECT CAST(q.question_id AS text), q.text_id, array_agg(CAST(st.tag AS text) ORDER BY st.tag COLLATE "C")
FROM tagdb.source_tag st JOIN tagdb.question q USING (question_id)
JOIN tagdb.text_vector v ON v.text_id = q.text_id AND v.embedder_id = (SELECT id FROM tagdb.embedder WHERE active)
WHERE st.tag IS NOT NULL
GROUP BY q.question_id, q.text_id ORDER BY CAST(q.question_id AS text) COLLATE "C"
"""


def capture_on(world: World, tables: Mapping[str, str] | None = None) -> Capturing:
    """Run `tagdb capture on`."""
    return capturing.switch_on(world.database, tables or {}, Silent())


def begin(world: World, tables: Mapping[str, str] | None = None) -> None:
    """Capture changes from now on, everything being compared once more."""
    world.sync()
    capture_on(world, tables)
    world.sync()


@contextmanager
def session(world: World) -> Iterator[psycopg2.extensions.connection]:
    """Open a connection as an application has one: what it does takes effect when it commits."""
    connection = psycopg2.connect(world.database.dsn)
    try:
        yield connection
    finally:
        connection.close()


def run(connection: psycopg2.extensions.connection, sql: str) -> None:
    """Run statements inside the connection's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


def captured(world: World) -> list[str | None]:
    """Return what the triggers have written, in order."""
    lists = "tagdb.captured CROSS JOIN LATERAL unnest(question_ids) AS c (id)"
    query = f'SELECT DISTINCT id COLLATE "C" FROM {lists} ORDER BY 1'
    return [row[0] for row in world.rows(query)]


def assert_as_if_compared(world: World) -> None:
    """Compare all that is stored with what it should be; then a sync that compares everything finds nothing to do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moved, "glance", lambda *_: moved.NO_LOOK)
        found = status.status(world.database)
    assert found.reasons == []
    assert world.texts() == dict(world.rows("SELECT question_id, text FROM tagdb.source"))
    tags = dict(world.rows(_TAGS))
    expected = expected_centroids(world, {number: tags.get(str(number), "").split() for number in world.texts()})
    assert_same_centroids(world.tag_vectors(), expected, tolerance=1e-6)
    assert world.rows("SELECT question_id, text_id, tags FROM tagdb.tagged ORDER BY question_id") == world.rows(_TAGGED)
    assert world.rows("SELECT * FROM tagdb.unfinished") == []
    before = world.versions()
    result = world.sync(full=True)
    assert (result.changes.total, result.tags, result.tags_removed, result.labelled) == (0, 0, 0, 0)
    assert world.versions() == before


def collected_looks(monkeypatch: pytest.MonkeyPatch) -> list[Moved]:
    """Collect how much each sync from now on has compared."""
    found: list[Moved] = []
    compare = comparing.compare

    def collect(*arguments: object, **options: object) -> comparing.Compared:
        compared = compare(*arguments, **options)  # type: ignore[arg-type]
        found.append(compared.look.moved)
        return compared

    monkeypatch.setattr(comparing, "compare", collect)
    return found
