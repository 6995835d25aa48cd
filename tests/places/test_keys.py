"""Keys that are no integers, on a DBA's server: an ordinary owner's, read by others, dumped and restored."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db import schema
from tagdb.db.connection import Database
from tests.cli.running import done
from tests.pipeline import stored
from tests.places import world
from tests.places.dba import DbaServer
from tests.places.test_dumps import _dump_and_restore, _prepared

TABLES = """
CREATE TABLE questions (id {type} PRIMARY KEY, title text, label text);
CREATE TABLE tags (question_id {type}, position smallint, tag text, PRIMARY KEY (question_id, position));
INSERT INTO questions SELECT {key}, 'title', (ARRAY['java', 'python'])[1 + n % 2] FROM generate_series(1, 60) n;
INSERT INTO tags SELECT {key}, 0, 't' || n FROM generate_series(1, 60) n
"""
TRAINING = "SELECT id AS question_id, label FROM questions"


@pytest.mark.parametrize(
    ("type_", "key"),
    [("uuid", "md5(n::text)::uuid"), ("text", "'acme/' || n"), ('varchar COLLATE "C"', "'acme/' || n")],
)
def test_owner_and_reader_and_a_dump_of_keys_of_other_types(
    dba: DbaServer, owner: str, tiny_embedder: Path, tmp_path: Path, type_: str, key: str
) -> None:
    with (
        _prepared(dba, "before", owner, "extensions") as source,
        _prepared(dba, "after", owner, "extensions") as target,
        dba.role("key_reader") as reader,
    ):
        environment = {"TAGDB_DATABASE_URL": source}
        stored.run(Database(source, origin="test"), TABLES.format(type=type_, key=key))
        done("db", "migrate", **environment)
        done("db", "grant", reader, **environment)
        done("embedder", "use", str(tiny_embedder), **environment)
        assert "60 new" in done("sync", **environment).stdout
        done("train", "--query", TRAINING, **environment)
        assert "60 written" in done("sync", **environment).stdout
        joined = f"SELECT count(*) FROM generate_series(1, 60) n JOIN tagdb.labels l ON l.question_id = {key}"
        near = f"SELECT count(*) FROM generate_series(1, 1) n, LATERAL tagdb.nearest_questions({key}, 5)"
        for query, count in ((joined, 60), (near, 5), ("SELECT count(*) FROM tagdb.embedding", 60)):
            assert world.rows_of(dba.url(reader, "before"), query) == [(count,)]
        _dump_and_restore(dba, source, target, tmp_path, plain=True)
        assert schema.migrate(Database(target, origin="test")) is False
        again = done("sync", "--json", TAGDB_DATABASE_URL=target).stdout
        assert '"new": 0, "changed": 0, "gone": 0' in again
        assert world.rows_of(target, joined) == [(60,)]
        assert done("status", "--check", TAGDB_DATABASE_URL=target).exit_code == 0
        dba.admin(f"DROP OWNED BY {reader}", "before")
        dba.admin(f"DROP OWNED BY {reader}", "after")
