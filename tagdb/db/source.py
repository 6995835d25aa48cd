"""The views `tagdb.source` and `tagdb.source_tag`: where the user's tables become what tagdb embeds."""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.db import userquery
from tagdb.db.connection import Session
from tagdb.db.resources import folder
from tagdb.errors import InputRefused
from tagdb.shortening import named

PRESETS = ("tags", "title", "title+tags")
CUSTOM = "custom SQL"

_INTEGERS = ("bigint", "integer", "smallint")
_TEXTS = ("text", "character varying")
_SHAPE = {
    "questions": {"id": _INTEGERS, "title": _TEXTS},
    "tags": {"question_id": _INTEGERS, "position": _INTEGERS, "tag": _TEXTS},
}
_NO_TAGS = "SELECT NULL::bigint AS question_id, NULL::text AS tag WHERE false"


@dataclass(frozen=True)
class Choice:
    """What to embed: one of PRESETS, or the user's own SELECT of `question_id, text` (and of `question_id, tag`)."""

    preset: str | None = None
    sql: str | None = None
    tags_sql: str | None = None

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            raise InputRefused(f"there is no text preset {self.preset!r}", hint=f"choose one of {', '.join(PRESETS)}")
        if self.preset and self.sql:
            raise InputRefused("--text and --source-sql both say what to embed", hint="give one of them")


def current(session: Session) -> str | None:
    """Return what is embedded in this database: a preset's name or CUSTOM; None before the first choice."""
    if not session.scalar("source.exists"):
        return None
    description: str | None = session.scalar("source.description")
    return description or CUSTOM


def names_each_once(session: Session) -> bool:
    """Return whether no question can stand twice in the view: what it selects and a key of the user's see to that."""
    return current(session) in PRESETS and session.scalar("source.has_unique_id")


def ensure(session: Session, choice: Choice) -> bool:
    """Make the views say what `choice` asks for; an empty choice keeps what is there, or begins with the tag list.

    Returns whether the views changed.

    Raises
    ------
    InputRefused : the user's tables are missing or of another shape, and no SQL maps them; nothing was changed
    QueryRefused : the SQL cannot be run or lacks a column; nothing was changed
    """
    before = current(session)
    if before is None and not (choice.preset or choice.sql) and session.scalar("source.has_questions"):
        raise InputRefused(
            "the view tagdb.source is gone, dropped with a table that it read",
            hint="say again what to embed: tagdb sync --text tags, or --source-sql 'SELECT …'",
        )
    preset = choice.preset or (None if before or choice.sql else PRESETS[0])
    with session.transaction():
        if preset is not None and preset != before:
            _require_shape(session, with_tags=preset != "title")
            _define(session, (folder("sql") / "sources" / f"{preset}.sql").read_text(encoding="utf-8"), preset)
        elif choice.sql:
            _define(session, choice.sql, CUSTOM)
        if choice.tags_sql:
            _define_tags(session, choice.tags_sql)
        else:
            _renew_tags(session, anew=before is None or (preset is not None and preset != before))
    return bool(choice.sql or choice.tags_sql or (preset and preset != before))


def _renew_tags(session: Session, *, anew: bool) -> None:
    """Define the view of tags `anew`, or where it is gone, or where the table has come that it stood in for."""
    state, has_tags = session.scalar("source.tags_state"), _fault(session, "tags") is None
    if has_tags and (anew or state != "defined"):
        _define_tags(session, (folder("sql") / "sources" / "source_tag.sql").read_text(encoding="utf-8"))
        session.run_script("COMMENT ON VIEW tagdb.source_tag IS 'preset'")
    elif not has_tags and (anew or state == "gone"):
        _define_tags(session, _NO_TAGS)
        session.run_script("COMMENT ON VIEW tagdb.source_tag IS 'stand-in'")


def require_user_tables(session: Session) -> None:
    """Pass when `questions` and `tags` are absent or of tagdb's shape.

    Raises
    ------
    InputRefused : one of them is somebody's table of another shape
    """
    for table in _SHAPE:
        if session.rows("source.user_columns", table_name=table) and (fault := _fault(session, table)):
            raise InputRefused(
                fault,
                hint="import into another database or schema: PGOPTIONS='-c search_path=mine' tagdb import …",
            )


def _require_shape(session: Session, *, with_tags: bool) -> None:
    for table in ("questions", "tags") if with_tags else ("questions",):
        if fault := _fault(session, table):
            raise InputRefused(
                fault,
                hint="tagdb import FILE makes and fills it; or map your own tables: "
                "tagdb sync --source-sql 'SELECT … AS question_id, … AS text FROM …'",
            )


def _fault(session: Session, table: str) -> str | None:
    """Return what keeps the user's table from having the shape tagdb reads, None when it has it."""
    columns = {row.name: row.type for row in session.rows("source.user_columns", table_name=table)}
    if not columns:
        return f"there is no table {table} here"
    for name, types in _SHAPE[table].items():
        if name not in columns:
            return f"the table {table} here has no column {name}; it has {named(list(columns))}"
        if columns[name] not in types:
            return f"the column {name} of the table {table} here is {columns[name]}, not {types[0]}"
    return None


def _define(session: Session, sql: str, description: str) -> None:
    query = userquery.check_inside(session, sql)
    question_id, text = query.integer_column("question_id", "id"), query.column("text")
    body = query.selecting(
        f"""q.{question_id}::bigint AS question_id, coalesce(q.{text}::text, '') COLLATE "default" AS text"""
    )
    with userquery.refusals():
        session.run_script(f"CREATE OR REPLACE VIEW tagdb.source AS {body}")
    session.run_script(f"COMMENT ON VIEW tagdb.source IS '{description}'")


def _define_tags(session: Session, sql: str) -> None:
    query = userquery.check_inside(session, sql)
    question_id, tag = query.integer_column("question_id", "id"), query.column("tag")
    body = query.selecting(f"""q.{question_id}::bigint AS question_id, q.{tag}::text COLLATE "default" AS tag""")
    with userquery.refusals():
        session.run_script(f"CREATE OR REPLACE VIEW tagdb.source_tag AS {body}")
    session.run_script("COMMENT ON VIEW tagdb.source_tag IS NULL")
