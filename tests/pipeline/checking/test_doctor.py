"""The doctor finds what is wrong, each thing made wrong for real, and names the command that mends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2.extensions
import pytest

from tagdb import installation
from tagdb.db import wire
from tagdb.db.connection import Database
from tagdb.pipeline.checking import doctor
from tagdb.pipeline.checking import stored as stored_checks
from tagdb.pipeline.checking.findings import Finding, Level
from tagdb.pipeline.running import lifting
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.syncing import indexing
from tests.pipeline import stored
from tests.pipeline.world import World

ALL = {
    "versions",
    "connection",
    "server",
    "rights",
    "extension",
    "encoding",
    "settings",
    "schema",
    "routines",
    "source",
    "embedder",
    "indexes",
    "room",
    "leftovers",
    "runs",
}


def _of(database: Database, check: str) -> list[Finding]:
    return [each for each in doctor.examine(database.dsn).findings if each.check == check]


def _one(database: Database, check: str) -> tuple[str, str, str]:
    (found,) = _of(database, check)
    return found.level, found.found, found.mend or ""


def _name(database: Database) -> str:
    return str(psycopg2.extensions.parse_dsn(database.dsn)["dbname"])


@pytest.fixture
def as_role(execute: Callable[[str], None]) -> Iterator[Callable[[Database], Database]]:
    """Make a role of its own that may log in, and speak to a database as it."""
    execute('CREATE ROLE "doctors reader" LOGIN'.replace("''", ""))
    made: list[Database] = []

    def speak(database: Database) -> Database:
        made.append(database)
        return Database(database.dsn.replace("postgres@", "doctors%20reader@"), origin="test")

    yield speak
    for database in made:
        stored.run(database, 'DROP OWNED BY "doctors reader"')
    execute('DROP ROLE "doctors reader"')


def test_everything_is_looked_at_and_nothing_written(synced: World) -> None:
    def written() -> object:
        return synced.versions(), synced.rows("SELECT CAST(xmin AS text) FROM tagdb.run")

    before = written()
    examination = doctor.examine(synced.database.dsn)
    assert {each.check for each in examination.findings} == ALL
    assert examination.problems == []
    assert {each.check for each in examination.findings if each.level is Level.SKIPPED} == set()
    assert written() == before


def test_without_a_connection_the_rest_is_named_as_skipped() -> None:
    examination = doctor.examine("postgresql://me:s3cret@127.0.0.1:9/db")
    assert examination.unreachable is not None
    levels = {each.check: each.level for each in examination.findings}
    assert levels.keys() == ALL
    assert (levels["versions"], levels["connection"]) == (Level.OK, Level.PROBLEM)
    assert {level for check, level in levels.items() if check not in ("versions", "connection")} == {Level.SKIPPED}
    assert "s3cret" not in str(examination)


def test_embedded_database_that_is_not_made_yet_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "nowhere"))
    examination = doctor.examine(None)
    assert examination.problems == []
    assert {each.check for each in examination.findings} == ALL
    assert not (tmp_path / "nowhere").exists()


def test_missing_package_is_installed_into_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("numpy", "no-such-package"))
    (found,) = [each for each in doctor.examine("postgresql://127.0.0.1:9/db").findings if each.check == "versions"]
    assert (found.level, found.mend) == (Level.PROBLEM, installation.install_command("no-such-package"))


def test_database_is_named_without_its_password(database: Database) -> None:
    secret = database.dsn.replace("postgres@", "postgres:s3cret@")
    examination = doctor.examine(secret)
    assert "s3cret" not in str(examination.findings)
    (found,) = [each for each in examination.findings if each.check == "connection"]
    assert found.level is Level.OK
    assert found.found.endswith("on this machine")


def test_missing_schema_and_extension(empty_database: Database) -> None:
    assert _one(empty_database, "schema") == ("problem", "this database has no tagdb schema yet", "tagdb db migrate")
    assert _one(empty_database, "extension")[::2] == ("problem", "CREATE EXTENSION vector")
    assert _one(empty_database, "rights")[0] == "ok"
    assert {_one(empty_database, check)[0] for check in ("routines", "source", "room", "runs")} == {"skipped"}


def test_schema_of_another_version(database: Database) -> None:
    stored.run(database, "UPDATE tagdb.alembic_version SET version_num = '0001'")
    level, found, mend = _one(database, "schema")
    assert (level, mend) == ("problem", "tagdb db migrate")
    assert "the tagdb schema here is 0001" in found


def test_rights_on_a_database_without_the_schema(empty_database: Database, as_role: Callable[..., Database]) -> None:
    role = as_role(empty_database)
    grant = f'GRANT CREATE ON DATABASE {_name(empty_database)} TO "doctors reader"'
    assert _one(role, "rights")[::2] == ("problem", grant)
    stored.run(empty_database, grant)
    assert _one(role, "rights")[0] == "ok"


def test_rights_of_a_role_that_only_reads(synced: World, as_role: Callable[..., Database]) -> None:
    role = as_role(synced.database)
    grants = [
        'GRANT USAGE ON SCHEMA tagdb TO "doctors reader"',
        'GRANT SELECT ON ALL TABLES IN SCHEMA tagdb TO "doctors reader"',
    ]
    for grant in grants:
        assert _one(role, "rights")[::2] == ("problem", grant)
        stored.run(synced.database, grant)
    level, found, _ = _one(role, "rights")
    assert level == "note"
    assert "writes none" in found
    assert doctor.examine(role.dsn).problems == []
    stored.run(synced.database, 'GRANT INSERT, UPDATE, DELETE ON tagdb.labels TO "doctors reader"')
    assert _one(role, "rights")[0] == "problem"


def test_extension_in_a_schema_of_its_own(empty_database: Database, execute: Callable[[str], None]) -> None:
    stored.run(empty_database, 'CREATE SCHEMA "Ext"; CREATE EXTENSION vector SCHEMA "Ext"')
    assert _one(empty_database, "extension")[0] == "ok"
    execute("CREATE ROLE doctor_outside LOGIN")
    outside = Database(empty_database.dsn.replace("postgres@", "doctor_outside@"), origin="test")
    level, found, mend = _one(outside, "extension")
    assert (level, mend) == ("problem", 'GRANT USAGE ON SCHEMA "Ext" TO doctor_outside')
    assert 'in schema "Ext", which this role may not use' in found
    execute("DROP ROLE doctor_outside")


@pytest.mark.parametrize(("encoding", "level"), [("LATIN1", "note"), ("SQL_ASCII", "problem")])
def test_encoding_that_cannot_hold_every_text(
    database: Database, execute: Callable[[str], None], encoding: str, level: str
) -> None:
    execute(f"CREATE DATABASE doctor_other ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    other = Database(database.dsn.replace(f"/{_name(database)}?", "/doctor_other?"), origin="test")
    assert _one(other, "encoding")[0] == level
    assert _one(database, "encoding") == ("ok", "UTF8", "")
    execute("DROP DATABASE doctor_other")


def test_server_settings_are_advice(database: Database) -> None:
    assert {each.level for each in _of(database, "settings")} <= {Level.OK, Level.NOTE}
    name = _name(database)
    stored.run(
        database,
        f"ALTER DATABASE {name} SET maintenance_work_mem = '16MB'",
        f"ALTER DATABASE {name} SET max_parallel_workers_per_gather = 0",
    )
    told = {each.found: (each.level, each.mend) for each in _of(database, "settings")}
    level, mend = told["maintenance_work_mem is 16.0 MB"]
    assert (level, mend) == (Level.NOTE, "ALTER SYSTEM SET maintenance_work_mem = '1GB'; SELECT pg_reload_conf()")
    assert told["max_parallel_workers_per_gather is 0"][0] is Level.NOTE
    assert "settings" not in [each.check for each in doctor.examine(database.dsn).problems]


def test_server_that_only_reads(database: Database) -> None:
    stored.run(database, f"ALTER DATABASE {_name(database)} SET default_transaction_read_only = on")
    level, found, mend = _one(database, "server")
    assert (level, mend) == ("note", "ALTER ROLE postgres SET default_transaction_read_only = off")
    assert "only read by default" in found


def test_pooler_in_between(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _of(database, "pooler") == []
    monkeypatch.setattr(wire, "process", lambda _session: 12345678)
    assert _one(database, "pooler")[0] == "note"


def test_routines_that_are_gone(database: Database) -> None:
    stored.run(database, "DROP VIEW tagdb.embedding; DROP FUNCTION tagdb.nearest_tags")
    level, found, mend = _one(database, "schema")
    assert (level, mend) == ("problem", "tagdb db migrate")
    assert "nearest_tags" in found
    assert "embedding" in found


def test_routines_that_are_not_of_this_version(database: Database) -> None:
    assert _one(database, "routines")[0] == "ok"
    stored.run(database, "CREATE OR REPLACE VIEW tagdb.embedding AS SELECT * FROM (TABLE tagdb.embedding) e LIMIT 3")
    found = "gone, or not of this version: tagdb.embedding"
    assert _one(database, "routines") == ("problem", found, "tagdb db migrate")


def test_source_that_is_not_there(synced: World) -> None:
    assert _one(synced.database, "source") == ("ok", "tags, of public.questions, public.tags", "")
    lifting.drop(synced.database)
    assert _one(synced.database, "source")[::2] == ("problem", "tagdb db views restore")
    stored.run(synced.database, "TRUNCATE tagdb.lifted_view")
    gone = "the view tagdb.source is gone, dropped with a table that it read"
    assert _one(synced.database, "source") == ("problem", gone, "once that is there again: tagdb sync --text tags")


def test_source_before_the_first_sync(database: Database) -> None:
    assert _one(database, "source") == ("note", "nothing is embedded yet", "tagdb sync")


def test_source_that_reads_a_table_of_another_name_by_now(synced: World) -> None:
    synced.run("ALTER TABLE tags RENAME TO tags_old; CREATE TABLE tags (LIKE tags_old)")
    level, found, mend = _one(synced.database, "source")
    assert (level, "the views read public.tags_old" in found) == ("problem", True)
    assert mend == "tagdb sync"


def test_source_that_its_owner_may_not_read(synced: World, execute: Callable[[str], None]) -> None:
    execute("CREATE ROLE doctor_owner")
    synced.run("GRANT ALL ON SCHEMA tagdb TO doctor_owner; ALTER VIEW tagdb.source OWNER TO doctor_owner")
    synced.run("GRANT SELECT ON tags TO doctor_owner")
    level, found, mend = _one(synced.database, "source")
    assert (level, found) == ("problem", "doctor_owner, who owns the views, may not read public.questions")
    assert mend == "GRANT SELECT ON public.questions TO doctor_owner"
    synced.run("REASSIGN OWNED BY doctor_owner TO postgres; DROP OWNED BY doctor_owner")
    execute("DROP ROLE doctor_owner")


def test_source_that_fails_when_it_is_read(synced: World) -> None:
    synced.run(
        "DROP VIEW tagdb.source; CREATE VIEW tagdb.source AS "
        "SELECT id AS question_id, CAST(1 / (id - id) AS text) AS text FROM questions"
    )
    level, found, _ = _one(synced.database, "source")
    assert level == "problem"
    assert "the view cannot be read: division by zero" in found


def test_embedder_that_is_gone_or_another(synced: World, tmp_path: Path, tiny_embedder: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_embedder, copy)
    stored.run(synced.database, f"UPDATE tagdb.embedder SET directory = '{copy}'")
    assert _one(synced.database, "embedder")[0] == "ok"
    with (copy / "weights.hdf5").open("r+b") as file:
        file.seek(-8, 2)
        file.write(b"\xff" * 8)
    level, found, mend = _one(synced.database, "embedder")
    assert level == "problem"
    assert found.endswith(("its files have changed since it was chosen", "damaged"))
    assert f"tagdb embedder use {copy}" in mend
    shutil.rmtree(copy)
    assert _one(synced.database, "embedder")[0] == "problem"


def test_indexes_that_are_broken_or_missing(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _one(synced.database, "indexes")[0] == "ok"
    indexing.build(synced.database, stored.Listener())
    synced.run(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN "
        "(SELECT oid FROM pg_class WHERE relname LIKE 'text_vector%hnsw' OR relname = 'question_text_id')"
    )
    told = {each.mend for each in _of(synced.database, "indexes") if each.level is Level.PROBLEM}
    assert told == {"tagdb index build", "REINDEX INDEX tagdb.question_text_id"}
    indexing.drop(synced.database)
    synced.run("REINDEX INDEX tagdb.question_text_id")
    monkeypatch.setattr(indexing, "ENOUGH", {"text_vector": 5, "tag_vector": 1_000})
    level, _, mend = _one(synced.database, "indexes")
    assert (level, mend) == ("note", "tagdb index build")
    stored.run(synced.database, f"ALTER DATABASE {_name(synced.database)} SET maintenance_work_mem = '64kB'")
    monkeypatch.setattr(indexing, "_NODE_BYTES", 10**6)
    mend = _one(synced.database, "indexes")[2]
    assert mend == "PGOPTIONS='-c maintenance_work_mem=1GB' tagdb index build"


def test_room_for_the_vectors_that_are_due(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _one(synced.database, "room") == ("ok", "no text is due", "")
    synced.run("DELETE FROM tagdb.text_vector")
    level, found, _ = _one(synced.database, "room")
    assert (level, found.startswith("10 texts are due, 45 KB of vectors")) == ("note", True)
    embedded = Database(synced.database.dsn, origin="embedded", embedded=True)
    with embedded.session() as session:
        assert [each.level for each in stored_checks.room(session, embedded)] == [Level.OK]
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: type("Usage", (), {"free": 100})())
        (full,) = stored_checks.room(session, embedded)
    assert (full.level, full.mend) == (Level.PROBLEM, "make room there before tagdb sync")


def test_what_killed_runs_left(synced: World) -> None:
    assert _one(synced.database, "leftovers") == ("ok", "none", "")
    synced.run("INSERT INTO tagdb.run (command, args, status) VALUES ('sync', '{}', 'running')")
    synced.run("CREATE UNLOGGED TABLE tagdb.stale_label (question_id bigint)")
    with synced.database.session() as session:
        number = stored.new_embedder(session, "second")
        stored.new_embedder(session, "third")
    told = {each.found: (each.level, each.mend) for each in _of(synced.database, "leftovers")}
    assert told["1 runs were killed"][0] is Level.NOTE
    assert told["a run left tagdb.stale_label"] == (Level.PROBLEM, "DROP TABLE tagdb.stale_label")
    (unused,) = [found for found in told if "embedders that nothing uses" in found]
    assert f"{number}" in unused


def test_training_set_that_workers_share_is_a_leftover_only_when_nobody_trains(synced: World) -> None:
    synced.run("CREATE UNLOGGED TABLE tagdb.training_place (place bigint)")
    with synced.database.session() as session, exclusive(session):
        assert _one(synced.database, "leftovers") == ("ok", "none", "")
    assert _one(synced.database, "leftovers")[:2] == ("problem", "a run left tagdb.training_place")


def test_record_of_runs_that_has_grown_large(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_checks, "_MANY_RUNS", 20)
    assert _one(synced.database, "runs")[0] == "ok"
    synced.run(
        "INSERT INTO tagdb.run (command, args, status, started_at) "
        "SELECT 'status', '{}', 'done', now() - interval '100 days' FROM generate_series(1, 30)"
    )
    assert _one(synced.database, "runs")[::2] == ("note", "tagdb db prune --days 90")
