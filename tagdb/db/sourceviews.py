"""How the views `source` and `source_tag` are made from SQL, of which the words are kept.

PostgreSQL binds a view to tables, words name them: the words tell when a name has come to mean another table, and what
a view was that was dropped with a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace

from tagdb.db import conditions, keys, presets, remaking, userquery, viewbodies
from tagdb.db.connection import Row, Session
from tagdb.db.userquery import UserQuery
from tagdb.db.viewbodies import Definition
from tagdb.errors import ConnectionFailed, DatabaseError, QueryRefused, Unavailable

CUSTOM = "custom SQL"
STAND_IN = "stand-in"
_UNFIT_TAGS = """SELECT NULL::boolean AS question_id, NULL::text COLLATE "default" AS tag WHERE false"""
_FAULTY_ROWS = ("21", "22", "2F", "38", "39", "42", "P0")
"""Classes of errors that come from what a query says or finds, rather than from the server."""


@dataclass(frozen=True)
class SourceView:
    """One of the two views: the option that gives its query, what to call that, and how the view is made from it."""

    name: str
    option: str
    called: str
    made_from: Callable[[Session, UserQuery, Definition], str]

    @property
    def hint(self) -> str:
        """How to mend a query that fails."""
        return f"try it in tagdb db psql, then say it anew: tagdb sync {self.option} 'SELECT …'"

    def refusals(self) -> AbstractContextManager[None]:
        """Let what PostgreSQL says of a statement that reads the view become a refusal of its query."""
        return userquery.refusals(self.called, self.hint)


@dataclass(frozen=True)
class Followed:
    """Whether a view has come to read something else, and what is to be said of it."""

    changed: bool
    said: str | None = None


SOURCE = SourceView("source", "--source-sql", "the source query (--source-sql)", viewbodies.texts)
TAGS = SourceView("source_tag", "--source-tags-sql", "the tags query (--source-tags-sql)", viewbodies.tags)


def definition(session: Session, view: SourceView) -> Definition | None:
    """Return the words that a view was last made from, None before the first time."""
    row = session.row("source.definition", view=view.name)
    return None if row is None else Definition(row.preset, row.sql, row.condition, row.separator)


def define(session: Session, view: SourceView, words: Definition) -> bool:
    """Make a view from words, inside the caller's transaction; return whether it was another one.

    Raises
    ------
    QueryRefused : they are not one SELECT, lack a column or have one of a type that is no text; or the condition is not
        one expression on its rows
    """
    body = _body(session, view, words)
    before = session.row("source.view", view=session.qualified(view.name))
    difference = _difference(session, view, body) if before else None
    if difference and definition(session, view) == words and difference.same:
        return False
    options = f" WITH ({before.options})" if before and before.options else ""
    with _making_way(session, view) if difference and difference.retyped else nullcontext(), view.refusals():
        session.run_script(f"CREATE OR REPLACE VIEW {session.qualified(view.name)}{options} AS {body}")
    session.run_script(f"COMMENT ON VIEW {session.qualified(view.name)} IS '{words.preset or CUSTOM}'")
    session.execute("source.remember", view=view.name, **asdict(words))
    if view is TAGS and words.sql:
        require_runs(session, view, words)
    return True


@contextmanager
def _making_way(session: Session, view: SourceView) -> Iterator[None]:
    """Drop a view, for one with columns of other types to take its place; tags that are read from it come back with it.

    Where their words do not fit the new one, something of no type that ids have stands in for them, see `fit_tags`.
    """
    words = definition(session, TAGS)
    along = view is SOURCE and words is not None and session.scalar("source.tags_read_source")
    tags = session.row("source.view", view=session.qualified(TAGS.name)) if along else None
    with remaking.remade(session, [view.name, TAGS.name] if tags else [view.name]):
        yield
        if tags and words:
            options = f" WITH ({tags.options})" if tags.options else ""
            session.run_script(f"CREATE VIEW {session.qualified(TAGS.name)}{options} AS {_UNFIT_TAGS}")
            session.run_script(f"COMMENT ON VIEW {session.qualified(TAGS.name)} IS '{words.preset or CUSTOM}'")
    if tags and words:
        with suppress(QueryRefused), session.transaction():
            define(session, TAGS, words)


def fit_tags(session: Session) -> None:
    """Pass where the ids of the view of tags are comparable with those of the source, made so where they can be.

    Raises
    ------
    QueryRefused : the words of the view of tags give others
    """
    ids, words = keys.of_tags(session), definition(session, TAGS)
    key = viewbodies.key(session)
    if ids and words and not (key.takes(ids) or key.is_narrower(ids)):
        define(session, TAGS, words)


def blaming(view: SourceView, words: Definition | None) -> AbstractContextManager[None]:
    """Let what PostgreSQL says of a statement that reads the view become a refusal of what the user wrote of it."""
    if words is None or not words.condition:
        return view.refusals() if words is None or words.sql else nullcontext()
    called = f"{view.called} with {conditions.CALLED}" if words.sql else conditions.CALLED
    return userquery.refusals(called, conditions.HINT)


def require_runs(session: Session, view: SourceView, words: Definition) -> None:
    """Read all rows of a view.

    Raises
    ------
    QueryRefused : its query, or the condition on it, fails at one of them
    """
    column = "text" if view is SOURCE else "tag"
    with blaming(view, words):
        session.run_script(f"SELECT count(question_id), count({column}) FROM {session.qualified(view.name)}")


def count_left_out(session: Session) -> int:
    """Return how many of the questions staged as gone the query of texts has still, and its condition leaves out."""
    words = definition(session, SOURCE)
    if words is None or words.condition is None or not stands(session, SOURCE, words):
        return 0
    every = _body(session, SOURCE, replace(words, condition=None))
    with SOURCE.refusals():
        session.run_script(f"CREATE TEMP VIEW {SOURCE.name}_now AS {every}")
    count: int = session.scalar("source.count_left_out")
    session.run_script(f"DROP VIEW pg_temp.{SOURCE.name}_now")
    return count


def follow(session: Session, view: SourceView) -> Followed:
    """Let a view read what the names in its words mean now, inside the caller's transaction.

    What the words cannot be read for any more (a table is on its way from one name to another) leaves it as it is.
    """
    words = definition(session, view)
    if words is None or not stands(session, view, words):
        return Followed(False)
    try:
        with session.transaction():
            difference = _difference(session, view, _body(session, view, words))
    except (QueryRefused, Unavailable) as error:
        if isinstance(error, ConnectionFailed):
            raise
        return Followed(
            False,
            f"the view {session.qualified(view.name)} is left as it is, for its words cannot be read anew: {error}",
        )
    if difference.same:
        return Followed(False)
    define(session, view, words)
    said = list(_said(session, view, words, difference))
    return Followed(bool(said), "; ".join(said) or None)


def _said(session: Session, view: SourceView, words: Definition, difference: Row) -> Iterator[str]:
    if reads := _what_is_new(difference):
        called = session.qualified(view.name)
        yield f"the view {called} {reads} from now on: that is what the names in its words mean"
    if view is SOURCE and words.preset in presets.TAGGED:
        order = presets.tag_order(session).said
        if order is None and difference.columns_now and not reads:
            order = "the tags of a question are in the order of their position from now on"
        if order:
            yield order


def meaning(session: Session, view: SourceView) -> str | None:
    """Say how what a view of the user's own SQL would read, were it made anew now, differs from what it reads.

    None where it does not. Only inside a transaction that is taken back.

    Raises
    ------
    QueryRefused : the words cannot be read any more
    """
    words = definition(session, view)
    if words is None or words.sql is None or not stands(session, view, words):
        return None
    difference = _difference(session, view, _body(session, view, words))
    return None if difference.same else _what_is_new(difference)


def _what_is_new(difference: Row) -> str | None:
    """Say what is read now; None where that is only more columns of the same tables, as an asterisk has."""
    before, now = difference.before, difference.now
    if not (before or now) and difference.columns_before:
        before, now = difference.columns_before, difference.columns_now
    if before and now:
        return f"reads {now} instead of {before}"
    if before:
        return f"no longer reads {before}"
    return f"also reads {now}" if now else None


@contextmanager
def naming_the_query(session: Session) -> Iterator[None]:
    """Say whose fault it is when a statement fails that reads a view: outside of the transaction of that statement.

    Raises
    ------
    QueryRefused : one of the user's queries fails at some row
    """
    try:
        yield
    except (DatabaseError, Unavailable) as error:
        if (getattr(error.__cause__, "pgcode", None) or "")[:2] in _FAULTY_ROWS:
            for view in (SOURCE, TAGS):
                words = definition(session, view)
                if words and (words.sql or words.condition) and stands(session, view, words):
                    require_runs(session, view, words)
        raise


def _body(session: Session, view: SourceView, words: Definition) -> str:
    sql = words.sql
    if words.preset == STAND_IN:
        sql = f"SELECT NULL::{viewbodies.key(session).type} AS question_id, NULL::text AS tag WHERE false"
    elif words.preset:
        sql = presets.sql(session, words.preset if view is SOURCE else view.name, words.condition)
    called = view.called if words.preset is None else userquery.THE_QUERY if view is SOURCE else "the table tags"
    return view.made_from(session, userquery.check_inside(session, sql or "", called), words)


def stands(session: Session, view: SourceView, words: Definition) -> bool:
    """Return whether there is such a view, one that was made from `words`."""
    description = session.row("source.view", view=session.qualified(view.name))
    return description is not None and description.comment == (words.preset or CUSTOM)


def _difference(session: Session, view: SourceView, body: str) -> Row:
    with view.refusals():
        session.run_script(f"CREATE TEMP VIEW {view.name}_now AS {body}")
    found = session.row("source.difference", view=session.qualified(view.name), now=f"pg_temp.{view.name}_now")
    session.run_script(f"DROP VIEW pg_temp.{view.name}_now")
    assert found is not None
    return found
