"""The views `source` and `source_tag` of a collection: where the user's tables become what tagdb embeds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from tagdb import config
from tagdb.db import keys, sourceviews
from tagdb.db.connection import Row, Session
from tagdb.db.sourceviews import CUSTOM, SOURCE, STAND_IN, TAGS, Definition, SourceView
from tagdb.errors import InputRefused
from tagdb.models import Reporter, Silent
from tagdb.shortening import named

__all__ = [
    "CUSTOM",
    "PRESETS",
    "Choice",
    "current",
    "ensure",
    "follow",
    "gone",
    "imported_table",
    "names_each_once",
    "require_user_tables",
]

PRESETS = ("tags", "title", "title+tags")

_INTEGERS = ("bigint", "integer", "smallint")
_SHAPE = {
    "questions": {"id": "bigint", "title": "text"},
    "tags": {"question_id": "bigint", "position": "bigint", "tag": "text"},
}
_KEYS = {"questions": "id", "tags": "question_id"}
_LONGEST_QUOTED = 400


@dataclass(frozen=True)
class Choice:
    """What to embed: one of PRESETS, or the user's own SELECT of `question_id, text` (and of `question_id, tag`)."""

    preset: str | None = None
    sql: str | None = None
    tags_sql: str | None = None

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            raise InputRefused(f"there is no text preset {self.preset!r}", hint=f"choose one of {', '.join(PRESETS)}")
        if self.preset is not None and self.sql is not None:
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


def ensure(session: Session, choice: Choice, reporter: Reporter | None = None) -> bool:
    """Make the views say what `choice` asks for; an empty choice keeps what is there, or begins with the tag list.

    A view of the user's own is replaced by another choice alone. Returns whether the views changed.

    Raises
    ------
    InputRefused : the user's tables are missing or of another shape, and no SQL maps them, or a view is gone of which
        the choice does not speak; nothing was changed
    QueryRefused : the SQL cannot be run or lacks a column; nothing was changed
    """
    before, last = current(session), sourceviews.definition(session, SOURCE)
    chosen = choice.preset is not None or choice.sql is not None
    if before is None and not chosen and (session.scalar("source.has_questions") or (last and last.sql)):
        raise gone(session)
    preset = choice.preset
    if preset is None and before is None and choice.sql is None:
        preset = last.preset if last and last.preset else PRESETS[0]
    was_custom = before == CUSTOM if last is None else last.sql is not None
    with session.transaction():
        changed = False
        if choice.sql is not None:
            changed = sourceviews.define(session, SOURCE, Definition(None, choice.sql))
        elif preset is not None and preset != before:
            _require_shape(session, with_tags=preset != "title")
            changed = sourceviews.define(session, SOURCE, Definition(preset, None))
        if choice.tags_sql is not None:
            return sourceviews.define(session, TAGS, Definition(None, choice.tags_sql)) or changed
        from_custom = choice.preset is not None and was_custom
        return _renew_tags(session, reporter or Silent(), chosen=chosen, from_custom=from_custom) or changed


def follow(session: Session, reporter: Reporter) -> bool:
    """Let the views read what the names mean now that they were made from; return whether that was something else.

    Inside the caller's transaction, in which the texts are then compared.

    Raises
    ------
    QueryRefused : the ids of the tags are not comparable with those of the source
    """
    followed = [sourceviews.follow(session, view) for view in (SOURCE, TAGS)]
    for each in followed:
        if each.said:
            reporter.say(each.said)
    sourceviews.fit_tags(session)
    return any(each.changed for each in followed)


def _renew_tags(session: Session, reporter: Reporter, *, chosen: bool, from_custom: bool) -> bool:
    """Define the view of tags where it is gone, or where the table has come that it stood in for.

    A preset that is chosen in place of the user's own SQL brings its tags along, if it has any.
    """
    state, has_tags = session.scalar("source.tags_state"), _has_tags(session)
    last = sourceviews.definition(session, TAGS)
    own = state == "own" or (state == "gone" and last is not None and last.sql is not None)
    if own and from_custom and has_tags:
        reporter.say(f"tags come from the table tags now, no longer from {TAGS.option}")
    elif own and state == "gone":
        raise gone(session, TAGS, chosen=chosen)
    elif own or state == "preset" or (state == STAND_IN and not has_tags):
        return False
    return sourceviews.define(session, TAGS, Definition("preset" if has_tags else STAND_IN, None))


def gone(session: Session, view: SourceView = SOURCE, *, chosen: bool = False) -> InputRefused:
    """Tell of a view that was dropped with a table, and what to type, beside what was `chosen`, to have it again."""
    views = [SOURCE, TAGS] if view is SOURCE and session.scalar("source.tags_state") == "gone" else [view]
    said = " ".join(words for each in views if (words := _as_typed(session, each)))
    hint = f"once that is there again{', add' if chosen else ': tagdb sync'} {said}"
    return InputRefused(
        f"the view {session.qualified(view.name)} is gone, dropped with a table that it read",
        hint=hint if said else "say again what to embed: tagdb sync --text tags, or --source-sql 'SELECT …'",
    )


def _as_typed(session: Session, view: SourceView) -> str | None:
    """Return the option that gave a view its last definition, to be pasted into a shell."""
    words = sourceviews.definition(session, view)
    if words is None or (words.preset and view is TAGS):
        return None
    if words.sql is None:
        return f"--text {words.preset}"
    sql = words.sql.strip()
    if len(sql) > _LONGEST_QUOTED or len(sql.splitlines()) > 1 or config.redact(sql) != sql:
        stored = f"SELECT sql FROM {session.qualified('source_definition')} WHERE view = '{view.name}'"
        return f'{view.option} "$(tagdb db psql -Atc {_in_shell(stored)})"'
    return f"{view.option} {_in_shell(sql)}"


def _in_shell(sql: str) -> str:
    plain = "'" in sql and not set('"$`\\!') & set(sql)
    return f'"{sql}"' if plain else shlex.quote(sql)


def imported_table(session: Session, table: str) -> str:
    """Return by which name an import finds its table: in all collections but the default one, their own."""
    return table if session.is_default else session.qualified(table)


def require_user_tables(session: Session) -> None:
    """Pass when `questions` and `tags` are absent or of tagdb's shape.

    Raises
    ------
    InputRefused : one of them is somebody's table of another shape
    """
    for table in _SHAPE:
        name = imported_table(session, table)
        if session.rows("source.user_columns", table_name=name) and (fault := _fault(session, table, name)):
            raise InputRefused(
                fault,
                hint="import into another database or schema: PGOPTIONS='-c search_path=mine' tagdb import …",
            )


def _require_shape(session: Session, *, with_tags: bool) -> None:
    tables = ("questions", "tags") if with_tags else ("questions",)
    fault = next((fault for table in tables if (fault := _fault(session, table, any_key=True))), None)
    if fault is None and with_tags:
        keys_there = [_columns(session, table)[_KEYS[table]] for table in tables]
        if keys_there[0].family != keys_there[1].family:
            fault = (
                f"the column id of the table questions here is {keys_there[0].type}, "
                f"question_id of the table tags {keys_there[1].type}"
            )
    if fault:
        raise InputRefused(
            fault,
            hint="tagdb import FILE makes and fills it; or map your own tables: "
            "tagdb sync --source-sql 'SELECT … AS question_id, … AS text FROM …'",
        )


def _has_tags(session: Session) -> bool:
    """Return whether there is a table of tags whose keys stand beside those of the source."""
    if _fault(session, "tags", any_key=True):
        return False
    key, family = keys.of_source(session), _columns(session, "tags")["question_id"].family
    stored_as = {"integers": "bigint", "uuid": "uuid"}.get(family, "text")
    return key is None or stored_as == ("bigint" if key.is_integer else key.type)


def _columns(session: Session, table: str) -> dict[str, Row]:
    return {row.name: row for row in session.rows("source.user_columns", table_name=table)}


def _fault(session: Session, table: str, found_as: str | None = None, *, any_key: bool = False) -> str | None:
    """Return what keeps the user's table, called `found_as`, from having the shape tagdb reads; None when it has it.

    An import writes integers as keys; to be read, a key may be of any type that is one.
    """
    columns = _columns(session, found_as or table)
    if not columns:
        return f"there is no table {table} here"
    for name, wanted in _SHAPE[table].items():
        if name not in columns:
            return f"the table {table} here has no column {name}; it has {named(list(columns))}"
        found = columns[name]
        if any_key and name == _KEYS[table]:
            if not found.family:
                return (
                    f"the column {name} of the table {table} here is {found.type}; "
                    "a key is an integer, a uuid or a text"
                )
        elif not (found.is_text if wanted == "text" else found.type in _INTEGERS):
            return f"the column {name} of the table {table} here is {found.type}, not {wanted}"
    return None
