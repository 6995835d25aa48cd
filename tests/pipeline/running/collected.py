"""Collections beside the default one, and what is asked of them."""

from __future__ import annotations

from pathlib import Path

from tagdb.db.connection import Database
from tagdb.db.rights import quoted
from tagdb.models import Silent
from tagdb.pipeline import importing
from tagdb.pipeline.sync import Choice, sync
from tests.pipeline import stored

NASTY = 'Tickets "2026" – it\'s 100% {a} :b'
PLAIN = "articles"
AS_AT_0009 = """
UPDATE {schema}.alembic_version SET version_num = '0009';
ALTER TABLE {schema}.source_definition DROP condition, DROP separator;
DROP VIEW {schema}.health;
DROP TABLE {schema}.worker, {schema}.due_range, {schema}.due;
DROP TABLE {schema}.capture, {schema}.capture_table, {schema}.captured, {schema}.unfinished, {schema}.tagged
"""


def csv_file(folder: Path, name: str, numbers: range) -> str:
    """Write questions of two kinds, the tags of which hold the name."""
    kinds = ("java spring", "python numpy")
    lines = [f"{n},{kinds[n % 2]} {name}{n},{kinds[n % 2].split()[0]}" for n in numbers]
    path = folder / f"{name}.csv"
    path.write_text("\n".join(["id,tags,label", *lines, ""]))
    return str(path)


def filled(database: Database, file: str) -> None:
    """Import a file and sync."""
    importing.import_files(database, [file], Silent())
    sync(database, Choice(), Silent())


def own(database: Database, query: str) -> list[object]:
    """The first column of a query in which `{own}` stands for the collection's schema."""
    return stored.column(database, query.replace("{own}", quoted(database.schema)))


def tables(database: Database) -> list[object]:
    """The names of all tables and views that are anybody's."""
    return stored.column(
        database,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v') "
        "ORDER BY 1",
    )
