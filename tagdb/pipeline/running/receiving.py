"""The user's tables as an import needs them: made where they are absent, refused where they cannot take its rows."""

from __future__ import annotations

from tagdb.db import usertables
from tagdb.db.connection import Session, quote_identifier
from tagdb.errors import InputRefused, Unavailable

_TABLES = {
    "questions": (("id",), ("title", "label", "created_at")),
    "tags": (("question_id", "position"), ("tag",)),
}
"""The user's tables: the columns of their keys, and the others that an import writes."""


def make_tables(session: Session) -> set[str]:
    """Create those of the user's tables that are absent, and return their names; the others have to take the rows.

    Raises
    ------
    InputRefused : a table that is there cannot take the rows
    Unavailable : no schema is there to create them in
    """
    names = {table: usertables.imported_table(session, table) for table in _TABLES}
    absent = {table for table in _TABLES if not session.rows("source.user_columns", table_name=names[table])}
    for table in _TABLES.keys() - absent:
        _require_writable(session, table, names[table])
    schema = session.scalar("source.user_schema") if session.is_default else session.schema
    if absent and schema is None:
        raise Unavailable(
            "the search path names no schema for your tables",
            hint="PGOPTIONS='-c search_path=public' tagdb import …",
        )
    for table in absent:
        session.run_script(session.script(f"importing.create_{table}", schema=quote_identifier(schema)))
    if not session.is_default:
        session.execute("session.find_own_tables")
    return absent


def _require_writable(session: Session, table: str, name: str) -> None:
    columns = {row.name for row in session.rows("source.user_columns", table_name=name)}
    key, others = _TABLES[table]
    hint = "import into another database or schema: PGOPTIONS='-c search_path=mine' tagdb import …"
    if missing := [name for name in (*key, *others) if name not in columns]:
        raise InputRefused(f"the table {table} here has no column {missing[0]} to import into", hint=hint)
    if not session.scalar("importing.is_key", table_name=name, columns=sorted(key)):
        raise InputRefused(f"the table {table} here has no unique key on {', '.join(key)}", hint=hint)
