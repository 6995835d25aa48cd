"""Drops views and functions of tagdb's for them to be made again, and gives them back the rights that they had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tagdb.db.connection import Session
from tagdb.errors import InputRefused
from tagdb.shortening import named


@contextmanager
def remade(session: Session, names: Sequence[str], *, tables: Sequence[str] = ()) -> Iterator[None]:
    """Drop what is called so in the collection, for the body to make it anew; only inside a transaction.

    The body may also give the ids of `tables` another type.

    Raises
    ------
    InputRefused : something of the user's depends on one of them, or on the ids of `tables`
    """
    names = list(names)
    if dependents := [row.name for row in session.rows("remaking.dependents", names=names, tables=list(tables))]:
        raise InputRefused(
            f"question_id changes its type, and these depend on it: {named(dependents)}",
            hint="drop them first, and make them again afterwards",
        )
    rights = [row.statement for row in session.rows("remaking.rights", names=names)]
    for row in session.rows("remaking.drop", names=names):
        session.run_script(row.statement)
    yield
    for row in session.rows("remaking.drop_default_rights", names=names):
        session.run_script(row.statement)
    for statement in rights:
        session.run_script(statement)
