"""`tagdb import`: files become rows of `questions` and `tags`, in one transaction, by COPY and set-based merges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tagdb import formats
from tagdb.db import copy, sourceviews, usertables
from tagdb.db.connection import Database, Session, quote_identifier
from tagdb.errors import InputRefused, Unavailable
from tagdb.formats import FORMATS, Columns
from tagdb.models import Progress, Reporter
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import Counts, recorded

__all__ = ["FORMATS", "Columns", "ImportResult", "import_files"]

_SHOWN_BAD_ROWS = 10
_QUESTION_COLUMNS = ("id", "place", "title", "label", "created_at", "tags")
_TABLES = {
    "questions": (("id",), ("title", "label", "created_at")),
    "tags": (("question_id", "position"), ("tag",)),
}
"""The user's tables: the columns of their keys, and the others that an import writes."""


@dataclass
class ImportResult:
    """What an import found in the files and changed in the tables.

    Every record is a question, a row of a tags file, `skipped` or `bad`; `bad_examples` are the first few of the bad.
    """

    records: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    tags_added: int = 0
    tags_removed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)
    bad_examples: list[str] = field(default_factory=list)


def import_files(
    database: Database,
    files: Sequence[str],
    reporter: Reporter,
    *,
    format: str | None = None,  # noqa: A002
    columns: Columns | None = None,
    strict: bool = False,
    replace: bool = False,
    recorded_as: str = "import",
) -> ImportResult:
    """Add and update the questions and tags that `files` speak of; with `replace`, remove those they do not.

    All files together are one transaction: whatever goes wrong, the tables stay as they were.

    Raises
    ------
    InputRefused : a file is of an unknown shape, or has a bad row (with `strict` or `replace`), or a table cannot
        take its rows; nothing was changed
    """
    result = ImportResult()
    args = {
        "files": [Path(name).name for name in files],
        "format": format,
        "strict": strict,
        "replace": replace,
    }
    with database.session() as session, exclusive(session), recorded(session, recorded_as, args) as counts:
        usertables.require_user_tables(session)
        session.execute("importing.create_staging")
        with session.transaction():
            made = _make_tables(session)
            empty = set(made)
            for name in files:
                with formats.open_source(name) as opened:
                    reader = formats.recognise(
                        opened, format=format, columns=columns, strict=strict, codec=session.codec
                    )
                    reporter.say(reader.recognised.description)
                    with reporter.step(f"reading {opened.name}", opened.size_bytes, "bytes") as progress:
                        _stage(session, opened, reader, result, progress)
                    with reporter.step("writing questions and tags"):
                        _merge(session, reader.recognised.provides, empty, result)
                if replace:
                    session.execute("importing.note_imported")
                session.execute("importing.empty_staging")
            if replace:
                _remove_missing(session, result)
            for table in sorted(empty):
                _add_key(session, table, empty)
            if "tags" in made:
                session.execute("importing.create_tags_index")
            wanted_gone = _count_wanted_gone(session, replace=replace)
        session.execute("importing.analyze")
        _count(counts, result)
        counts.detail["wanted_gone"] = wanted_gone
    return result


def _make_tables(session: Session) -> set[str]:
    """Create those of the user's tables that are absent, and return their names; the others have to take the rows."""
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


def _stage(
    session: Session, opened: formats.Source, reader: formats.Reader, result: ImportResult, progress: Progress
) -> None:
    """COPY the batches of one file into the staging tables."""
    cursor, position, bad, skipped = (
        session.cursor(),
        0,
        Counter[str](result.bad),
        Counter[str](result.skipped),
    )
    for rows in reader:
        if rows.questions:
            columns = [*zip(*rows.questions, strict=True), rows.tag_lists]
            copy.copy_text_columns_in(cursor, "staged_question", _QUESTION_COLUMNS, columns)
        copy.copy_text_in(cursor, "staged_tag", ("question_id", "place", "tag"), rows.tags)
        result.records += rows.read
        skipped.update(rows.skipped)
        bad.update(row.reason for row in rows.bad)
        for row in rows.bad[: _SHOWN_BAD_ROWS - len(result.bad_examples)]:
            result.bad_examples.append(f"{opened.name}, line {row.line}: {row.reason}: {row.excerpt}")
        progress.advance(opened.bytes_read - position)
        position = opened.bytes_read
    result.bad, result.skipped = dict(bad), dict(skipped)


def _merge(session: Session, provides: frozenset[str], empty: set[str], result: ImportResult) -> None:
    """Bring the user's tables to what the staging tables say; those that are new and `empty` still get their keys."""
    session.execute("importing.list_questions" if "question" in provides else "importing.list_tagged_questions")
    session.execute("importing.analyze_staging")
    if "question" in provides:
        if "questions" in empty:
            result.added += session.execute("importing.fill_questions")
            _add_key(session, "questions", empty)
        else:
            _merge_questions(session, provides, result)
    if "tags" in provides:
        if "tags" in empty:
            result.tags_added += session.execute("importing.fill_tags")
            _add_key(session, "tags", empty)
        else:
            _merge_tags(session, result)


def _add_key(session: Session, table: str, empty: set[str]) -> None:
    """Give a table its key after the rows: an index grows much faster all at once."""
    session.execute(f"importing.add_key_to_{table}")
    empty.remove(table)


def _merge_questions(session: Session, provides: frozenset[str], result: ImportResult) -> None:
    merged = session.row(
        "importing.merge_questions",
        has_title="title" in provides,
        has_label="label" in provides,
        has_created_at="created_at" in provides,
    )
    assert merged is not None
    result.added += merged.added
    result.updated += merged.updated
    result.unchanged += merged.listed - merged.added - merged.updated


def _merge_tags(session: Session, result: ImportResult) -> None:
    session.execute("importing.collect_incoming_tags")
    session.execute("importing.analyze_incoming_tags")
    result.tags_removed += session.scalar("importing.delete_changed_tags")
    result.tags_added += session.scalar("importing.insert_tags")


def _remove_missing(session: Session, result: ImportResult) -> None:
    """Remove what the files do not have, provided that they are whole: a bad row may be any question."""
    if result.bad:
        raise InputRefused(
            f"{sum(result.bad.values()):,} rows cannot be read, and --replace would remove their questions; "
            f"the first is {result.bad_examples[0]}",
            hint="correct them, or leave out --replace",
        )
    if not (result.added or result.updated or result.unchanged):
        raise InputRefused("--replace with no question in the files would empty the tables", hint="leave out --replace")
    result.tags_removed += session.execute("importing.delete_missing_tags")
    result.removed = session.execute("importing.delete_missing_questions")


def _count_wanted_gone(session: Session, *, replace: bool) -> int:
    """Count the stored questions that the tables no longer have because an import removed them: sync lets them go."""
    words = sourceviews.definition(session, sourceviews.SOURCE)
    if words is None or words.sql or not (replace or session.scalar("sync.count_wanted_gone")):
        return 0
    missing: int = session.scalar("importing.count_stored_missing")
    return missing


def _count(counts: Counts, result: ImportResult) -> None:
    counts.read = result.records
    counts.skipped = dict(result.skipped)
    counts.failed = sum(result.bad.values())
    counts.written = counts.read - counts.failed - sum(result.skipped.values())
    counts.detail = {
        "added": result.added,
        "updated": result.updated,
        "removed": result.removed,
        "bad": result.bad,
    }
