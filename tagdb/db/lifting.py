"""Takes the views over the user's tables away and puts them back: PostgreSQL alters no column that a view reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tagdb.db import sourceviews, userquery
from tagdb.db.connection import Row, Session, quote_identifier
from tagdb.db.source import Choice
from tagdb.errors import InputRefused, QueryRefused, Unavailable
from tagdb.models import Reporter
from tagdb.shortening import cut, named

_RESTORE = "tagdb db views restore"
_LONGEST_DEFINITION = 600
_PLACEHOLDERS = {
    "source": 'SELECT NULL::bigint AS question_id, NULL::text COLLATE "default" AS text WHERE false',
    "source_tag": 'SELECT NULL::bigint AS question_id, NULL::text COLLATE "default" AS tag WHERE false',
}


def lifted(session: Session) -> bool:
    """Return whether a view is kept instead of standing; where both stand, nothing else is looked at."""
    return bool(session.scalar("lifting.may_be")) and bool(session.scalar("lifting.any"))


def require_standing(session: Session) -> None:
    """Pass unless the views are lifted.

    Raises
    ------
    Unavailable : they are; nothing was changed
    """
    if lifted(session):
        raise Unavailable("the views over your tables are lifted", hint=_RESTORE)


def lift(session: Session) -> Sequence[str]:
    """Drop the views, keeping all that there is to say of them, in one transaction; return their names.

    Raises
    ------
    InputRefused : there are none, or others depend on them; nothing was changed
    Unavailable : one is somebody else's, who could not be given it back; nothing was changed
    """
    with session.transaction():
        session.execute("lifting.wait_a_while")
        standing = session.rows("lifting.standing")
        if not standing:
            raise InputRefused("there is no view over your tables to lift", hint="tagdb sync --source-sql 'SELECT …'")
        for view in standing:
            if not view.returnable:
                called = session.qualified(view.name)
                raise Unavailable(
                    f"the view {called} belongs to {view.owner}, to whom {view.me} could not give it back",
                    hint=f"have {view.owner} or a superuser run: ALTER VIEW {called} OWNER TO {view.me}",
                )
        with _bare_path(session):
            if dependents := [row.name for row in session.rows("lifting.dependents")]:
                raise InputRefused(
                    f"these depend on the views over your tables: {named(dependents)}",
                    hint="drop them first, for a while",
                )
            session.execute("lifting.keep")
        session.execute("lifting.drop")
    return [view.name for view in standing]


def restore(session: Session, reporter: Reporter) -> Sequence[str]:
    """Put back the views that are kept, in one transaction; return their names.

    One that stands again by now is left as it is.

    Raises
    ------
    QueryRefused : a definition no longer fits the tables; nothing was changed
    """
    with session.transaction():
        kept = session.rows("lifting.kept")
        missing = [row for row in kept if not session.scalar("lifting.stands", name=row.name)]
        for row in missing:
            _put_back(session, row.name, row.definition, reporter)
        session.execute("lifting.forget")
    return [row.name for row in missing]


def make_way(session: Session, choice: Choice, reporter: Reporter) -> None:
    """Let `choice` define lifted views anew, inside the caller's transaction; those it does not name are put back.

    Raises
    ------
    Unavailable : the views are lifted, and `choice` says nothing of what is embedded
    QueryRefused : the view of tags no longer fits the tables, and `choice` does not define it anew
    """
    if not (choice.sql or choice.preset):
        require_standing(session)
    elif lifted(session):
        for row in session.rows("lifting.kept"):
            if row.name == "source" or choice.tags_sql:
                _put_back(session, row.name, _PLACEHOLDERS[row.name], reporter, as_was=False)
            else:
                _put_tags_back(session, row, choice, reporter)
        session.execute("lifting.forget")


def _put_tags_back(session: Session, tags: Row, choice: Choice, reporter: Reporter) -> None:
    """Put the view of tags back as it was; one that no longer fits may stay away where a preset brings its own."""
    try:
        with session.transaction():
            _put_back(session, tags.name, tags.definition, reporter)
    except QueryRefused:
        if not choice.preset:
            raise


def _put_back(session: Session, name: str, definition: str, reporter: Reporter, *, as_was: bool = True) -> None:
    option = _option(session, name)
    with _bare_path(session):
        try:
            query = userquery.check_inside(session, definition)
            with userquery.refusals():
                session.run_script(f"CREATE VIEW {session.qualified(quote_identifier(name))} AS {query.sql}")
        except QueryRefused as refused:
            was = cut(" ".join(definition.split()), _LONGEST_DEFINITION)
            raise QueryRefused(
                f"the view {session.qualified(name)} cannot be put back: {refused}; it was: {was}",
                hint=f"say what it reads now: tagdb sync {option}",
            ) from refused
        statements: list[tuple[str, str | None]] = [
            (row.statement, None) for row in session.rows("lifting.drop_default_grants", name=name)
        ]
        statements += [(row.statement, row.missing) for row in session.rows("lifting.finish", name=name)]
        for statement, missing in statements:
            if missing is not None:
                reporter.warn(f"the role {missing} is gone, which {session.qualified(name)} named: {statement}")
            elif as_was or not statement.startswith("COMMENT ON VIEW"):  # what it is the new definition will say
                session.run_script(statement)


def _option(session: Session, name: str) -> str:
    """Return what to type for a view to be made anew; a preset may be as before, over what the tables are now."""
    texts, tags = (sourceviews.definition(session, view) for view in (sourceviews.SOURCE, sourceviews.TAGS))
    option = f"--text {texts.preset}" if texts and texts.preset else "--source-sql 'SELECT …'"
    return option if name == "source" or (tags and tags.preset) else f"{option} --source-tags-sql 'SELECT …'"


@contextmanager
def _bare_path(session: Session) -> Iterator[None]:
    """Let PostgreSQL write and read every name in full, inside the caller's transaction."""
    before = session.scalar("lifting.search_path")
    session.execute("lifting.set_search_path", path="")
    yield
    session.execute("lifting.set_search_path", path=before)
