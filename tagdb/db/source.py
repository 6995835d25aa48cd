"""The views `source` and `source_tag` of a collection: where the user's tables become what tagdb embeds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from tagdb import config
from tagdb.db import conditions, presets, separators, sourceviews, usertables
from tagdb.db.connection import Session
from tagdb.db.sourceviews import CUSTOM, SOURCE, STAND_IN, TAGS, SourceView
from tagdb.db.viewbodies import Definition
from tagdb.errors import InputRefused
from tagdb.models import Reporter, Silent

__all__ = [
    "CUSTOM",
    "PRESETS",
    "Choice",
    "current",
    "ensure",
    "follow",
    "gone",
    "names_each_once",
    "tags_wait",
]

PRESETS = ("tags", "title", "title+tags")

_LONGEST_QUOTED = 400


@dataclass(frozen=True)
class Choice:
    """What to embed: one of PRESETS, or the user's own SELECT of `question_id, text` (and of `question_id, tag`).

    Rows that do not satisfy the SQL condition `where` are left out, and `tags_separator` stands between the tags of one
    text; an empty one of them takes back what was said before, None leaves it.
    """

    preset: str | None = None
    sql: str | None = None
    tags_sql: str | None = None
    where: str | None = None
    tags_separator: str | None = None

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
        changed = _define_texts(session, choice, preset, before, last, reporter or Silent())
        if choice.tags_sql is not None:
            return _define_tags(session, choice, choice.tags_sql, reporter or Silent()) or changed
        from_custom = choice.preset is not None and was_custom
        changed = _renew_tags(session, reporter or Silent(), chosen=chosen, from_custom=from_custom) or changed
        if choice.tags_separator is not None:
            changed = _separate_tags(session, choice, reporter or Silent()) or changed
        return changed


def _define_texts(
    session: Session,
    choice: Choice,
    preset: str | None,
    before: str | None,
    last: Definition | None,
    reporter: Reporter,
) -> bool:
    """Define the view of texts where it is to read something else, or other rows of it."""
    kept = last.condition if last else None
    condition = kept if choice.where is None else conditions.normalised(choice.where)
    if choice.sql is not None:
        words = Definition(None, choice.sql, condition)
    elif preset is not None and (preset != before or condition != kept):
        words = Definition(preset, None, condition)
        usertables.require_shape(session, with_tags=preset in presets.TAGGED)
    elif preset is None and condition != kept:
        words = replace(_standing(session, last), condition=condition)
    else:
        return False
    if not sourceviews.define(session, SOURCE, words):
        return False
    if words.preset in presets.TAGGED and words.preset != before and (order := presets.tag_order(session).said):
        reporter.say(order)
    if choice.where is None and condition is not None and before is not None:
        reporter.say(f"rows are left out as before: {conditions.OPTION} {shlex.quote(condition)}")
    return True


def _standing(session: Session, last: Definition | None) -> Definition:
    """Return the words that the view of texts was made from, if it was not made by hand since."""
    if last is None or not sourceviews.stands(session, SOURCE, last):
        raise InputRefused(
            f"the view {session.qualified(SOURCE.name)} was made by hand: no query for {conditions.OPTION} to add to",
            hint=f"say what to embed as well: tagdb sync --source-sql 'SELECT …' {conditions.OPTION} '…'",
        )
    return last


def _define_tags(session: Session, choice: Choice, sql: str, reporter: Reporter) -> bool:
    """Define the view of tags by the user's own SQL, and tell of lists in it that nobody spoke of."""
    last = sourceviews.definition(session, TAGS)
    separator = last.separator if last else None
    if choice.tags_separator is not None:
        separator = separators.normalised(choice.tags_separator)
    if not sourceviews.define(session, TAGS, Definition(None, sql, separator=separator)):
        return False
    if separator is None and (overlooked := separators.overlooked(session)):
        reporter.say(overlooked)
    return True


def _separate_tags(session: Session, choice: Choice, reporter: Reporter) -> bool:
    """Let another separator, or none, take the tags of the user's own SQL apart."""
    last = sourceviews.definition(session, TAGS)
    if last is not None and last.sql is not None and sourceviews.stands(session, TAGS, last):
        return _define_tags(session, choice, last.sql, reporter)
    if separators.normalised(choice.tags_separator or "") is None:
        return False
    raise InputRefused(
        f"{separators.OPTION} takes the tags of {TAGS.option} apart, and here tags come from the table tags",
        hint=f"tagdb sync {TAGS.option} 'SELECT question_id, tag FROM tags' {separators.OPTION} '…'",
    )


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
    """Define the view of tags where it is gone, or where the table has come that it stood in for, or has other ids now.

    A preset that is chosen in place of the user's own SQL brings its tags along, if it has any.
    """
    state, has_tags = session.scalar("source.tags_state"), usertables.has_tags(session)
    last = sourceviews.definition(session, TAGS)
    own = state == "own" or (state == "gone" and last is not None and last.sql is not None)
    if own and from_custom and has_tags:
        reporter.say(f"tags come from the table tags now, no longer from {TAGS.option}")
    elif own and state == "gone":
        raise gone(session, TAGS, chosen=chosen)
    elif state == "preset" and not has_tags and usertables.fault(session, "tags") is None:
        reporter.say(f"the table tags is not read, whose ids are not of the source's type: give {TAGS.option} for tags")
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


def tags_wait(session: Session) -> bool:
    """Return whether the table has come that the view of tags stands in for."""
    return session.scalar("source.tags_state") == STAND_IN and usertables.has_tags(session)
