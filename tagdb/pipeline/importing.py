"""`tagdb import`: files become rows of `questions` and `tags`, in one transaction, by COPY and set-based merges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tagdb import formats
from tagdb.db import copy, sourceviews, usertables
from tagdb.db.connection import Database, Session
from tagdb.errors import CheckFailed, InputRefused
from tagdb.formats import FORMATS, Columns, Reading
from tagdb.models import Progress, Reporter
from tagdb.pipeline.running import receiving
from tagdb.pipeline.running.locking import exclusive
from tagdb.pipeline.running.recording import Counts, recorded
from tagdb.pipeline.running.stopping import ending_on_sigterm

__all__ = ["FORMATS", "Columns", "ImportResult", "ImportedRow", "Reading", "import_files"]

_SHOWN_BAD_ROWS = 10
_SHOWN_ROWS = 5
_MOST_TAGS = 32_768
_QUESTION_COLUMNS = ("id", "place", "title", "label", "created_at", "tags")


@dataclass(frozen=True)
class ImportedRow:
    """A question as an import stores it; of one that came with tags alone and is not here, only these are known."""

    id: int
    title: str | None
    label: str | None
    created_at: datetime | None
    tags: list[str]


@dataclass
class ImportResult:
    """What an import found in the files and changed in the tables.

    Every record is a question, a row of a tags file, `skipped` or `bad`; `bad_examples` are the first few of the bad,
    and `advice` what may make good ones of them. `recognised` says what each file was taken for, and `notes` what its
    optional columns lack. Tags came for `absent` questions that are not in the table.

    With `dry_run` nothing was changed: the counts are of what would be, `first_rows` of how it would look, and
    `refused` says why the import would do none of it until it is confirmed.
    """

    records: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    tags_added: int = 0
    tags_removed: int = 0
    absent: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)
    bad_examples: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    recognised: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dry_run: bool = False
    refused: str | None = None
    first_rows: list[ImportedRow] = field(default_factory=list)


def import_files(
    database: Database,
    files: Sequence[str],
    reporter: Reporter,
    *,
    format: str | None = None,  # noqa: A002
    columns: Columns | None = None,
    reading: Reading | None = None,
    strict: bool = False,
    replace: bool = False,
    confirmed: bool = False,
    dry_run: bool = False,
    recorded_as: str = "import",
) -> ImportResult:
    """Add and update the questions and tags that `files` speak of; with `replace`, remove those they do not.

    All files together are one transaction: whatever goes wrong, the tables stay as they were. With `dry_run` it is
    taken back.

    Raises
    ------
    CheckFailed : more than half of the questions would be removed, and they may not unless that is `confirmed`;
        nothing was changed
    InputRefused : a file is of an unknown shape, or has a bad row (with `strict` or `replace`), or a table cannot
        take its rows; nothing was changed
    """
    result = ImportResult(dry_run=dry_run)
    args = {
        "files": [Path(name).name for name in files],
        "format": format,
        "strict": strict,
        "replace": replace,
    }
    with database.session() as session, exclusive(session):
        usertables.require_user_tables(session)
        session.execute("importing.create_staging")
        with _rehearsed(session) if dry_run else _done(session, recorded_as, args, result, replace=replace):
            made = receiving.make_tables(session)
            empty, first = set(made), list[int]()
            for name in files:
                with formats.open_source(name) as opened:
                    reader = formats.recognise(
                        opened, format=format, columns=columns, reading=reading, strict=strict, codec=session.codec
                    )
                    reporter.say(reader.recognised.description)
                    result.recognised.append(reader.recognised.description)
                    with reporter.step(f"reading {opened.name}", opened.size_bytes, "bytes") as progress:
                        notes = _stage(session, opened, reader, result, progress)
                    _say_notes(opened.name, notes, result, reporter)
                    if dry_run and not first:
                        first = [row.id for row in session.rows("importing.first_staged", rows=_SHOWN_ROWS)]
                    with reporter.step("writing questions and tags"):
                        _merge(session, reader.recognised.provides, empty, result, has_unread=bool(notes.unread))
                if replace:
                    session.execute("importing.note_imported")
                session.execute("importing.empty_staging")
            result.absent = session.scalar("importing.count_absent")
            if result.absent:
                reporter.say(f"tags of {result.absent:,} questions that are not here")
            if replace:
                _remove_missing(session, result, confirmed=confirmed)
            for table in sorted(empty):
                _add_key(session, table, empty)
            if "tags" in made:
                session.execute("importing.create_tags_index")
            result.first_rows = _rows(session, first)
    return result


@contextmanager
def _done(
    session: Session, command: str, args: Mapping[str, Any], result: ImportResult, *, replace: bool
) -> Iterator[None]:
    """Do what is inside as one transaction, and keep a record of it."""
    with recorded(session, command, args) as counts:
        with session.transaction():
            yield
            wanted_gone = _count_wanted_gone(session, replace=replace)
        session.execute("importing.analyze")
        _count(counts, result)
        counts.detail["wanted_gone"] = wanted_gone


@contextmanager
def _rehearsed(session: Session) -> Iterator[None]:
    """Do what is inside, and take it back; a signal ends it as it does an import."""
    with ending_on_sigterm(), session.rehearsal():
        yield


def _rows(session: Session, ids: list[int]) -> list[ImportedRow]:
    rows = session.rows("importing.show_rows", ids=ids) if ids else []
    return [ImportedRow(row.id, row.title, row.label, row.created_at, row.tags) for row in rows]


def _say_notes(name: str, notes: formats.Notes, result: ImportResult, reporter: Reporter) -> None:
    for line in notes.lines():
        result.notes.append(f"{name}: {line}")
        reporter.say(result.notes[-1])


def _stage(
    session: Session, opened: formats.Source, reader: formats.Reader, result: ImportResult, progress: Progress
) -> formats.Notes:
    """COPY the batches of one file into the staging tables, and return what is to be said of its values."""
    notes = formats.Notes()
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
        notes.add(rows)
        result.records += rows.read
        skipped.update(rows.skipped)
        bad.update(row.reason for row in rows.bad)
        for row in rows.bad[: _SHOWN_BAD_ROWS - len(result.bad_examples)]:
            result.bad_examples.append(f"{opened.name}, line {row.line}: {row.reason}: {row.excerpt}")
        progress.advance(opened.bytes_read - position)
        position = opened.bytes_read
    result.bad, result.skipped = dict(bad), dict(skipped)
    result.advice = formats.advice([formats.Reason(reason) for reason in bad])
    return notes


def _merge(
    session: Session, provides: frozenset[str], empty: set[str], result: ImportResult, *, has_unread: bool
) -> None:
    """Bring the user's tables to what the staging tables say; those that are new and `empty` still get their keys."""
    is_of_questions = "question" in provides
    if is_of_questions:
        session.execute("importing.list_questions")
    else:
        _list_tagged_questions(session)
    session.execute("importing.analyze_staging")
    if is_of_questions:
        if "questions" in empty:
            result.added += session.execute("importing.fill_questions")
            _add_key(session, "questions", empty)
        else:
            _merge_questions(session, provides, result, has_unread=has_unread)
    else:
        session.execute("importing.note_absent")
    if "tags" in provides:
        if "tags" in empty:
            result.tags_added += session.execute("importing.fill_tags")
            _add_key(session, "tags", empty)
        else:
            _merge_tags(session, result)


def _list_tagged_questions(session: Session) -> None:
    """List the questions of a tags file; with a question of too many tags, its ids are those of something else."""
    ids = [row.question_id for row in session.rows("importing.list_tagged_questions", most=_MOST_TAGS)]
    most = session.row("importing.most_tagged", ids=ids) if ids else None
    if most and most.tags > _MOST_TAGS:
        raise InputRefused(
            f"question {most.question_id} has {most.tags:,} tags; there is room for {_MOST_TAGS:,}",
            hint="name the column of the questions' ids with --id-column",
        )


def _add_key(session: Session, table: str, empty: set[str]) -> None:
    """Give a table its key after the rows: an index grows much faster all at once."""
    session.execute(f"importing.add_key_to_{table}")
    empty.remove(table)


def _merge_questions(session: Session, provides: frozenset[str], result: ImportResult, *, has_unread: bool) -> None:
    merged = session.row(
        "importing.merge_questions",
        has_title="title" in provides,
        has_label="label" in provides,
        has_created_at="created_at" in provides,
        keeps_created_at=has_unread,
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


def _remove_missing(session: Session, result: ImportResult, *, confirmed: bool) -> None:
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
    there = session.scalar("importing.count_questions") - result.added + result.removed
    if confirmed or 2 * result.removed <= there:
        return
    result.refused = f"--replace would remove {result.removed:,} of the {there:,} questions that are here"
    if not result.dry_run:
        raise CheckFailed(result.refused, hint="if they shall go: tagdb import … --replace --yes; --dry-run shows more")


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
