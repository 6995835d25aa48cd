"""Readers of a collection: roles that may see labels and neighbours, or all there is, without being its owner."""

from __future__ import annotations

from collections.abc import Sequence

from tagdb.db.connection import Row, Session, quote_identifier
from tagdb.errors import InputRefused, Unavailable

_EVERYBODY = "public"


def grant(session: Session, readers: Sequence[str], *, wide: bool) -> list[str]:
    """Let roles read labels, neighbours and status, or with `wide` all of the schema; what they may already stays.

    Returns what they still need and only others can give, as statements.

    Raises
    ------
    InputRefused : a name is no role's, is everybody's or the owner's; nothing was granted
    Unavailable : the schema is somebody else's
    """
    found = [_find(session, name) for name in readers]
    _run(session, "wide" if wide else "narrow", found, lifted="grants.wide_lifted" if wide else None)
    return [
        *(f"GRANT CONNECT ON DATABASE {each.database} TO {each.name}" for each in found if not each.connects),
        *(f"GRANT USAGE ON SCHEMA {each.pgvector} TO {each.name}" for each in found if not each.uses_pgvector),
    ]


def revoke(session: Session, readers: Sequence[str]) -> None:
    """Take back all that roles may do in the schema.

    Raises
    ------
    InputRefused : a name is no role's, is everybody's or the owner's; nothing was revoked
    Unavailable : the schema is somebody else's
    """
    _run(session, "revoke", [_find(session, name) for name in readers], lifted="grants.revoke_lifted")


def _run(session: Session, query: str, readers: Sequence[Row], *, lifted: str | None) -> None:
    """Run a query for each of `readers`, and `lifted` for the rights that views come back with which are lifted now."""
    owner = session.scalar("grants.owner")
    with session.transaction():
        for reader in readers:
            session.run_script(session.script(f"grants.{query}", reader=reader.name, owner=owner))
            if lifted:
                session.execute(lifted, name=reader.plain_name)


def _find(session: Session, name: str) -> Row:
    if name.lower() == _EVERYBODY:
        raise InputRefused(
            "PUBLIC is everybody who can connect here",
            hint="make a role for readers, and members of it: CREATE ROLE readers; GRANT readers TO …",
        )
    reader = session.row("grants.reader", name=name)
    if reader is None:
        similar = ", ".join(row.name for row in session.rows("grants.similar", name=name))
        raise InputRefused(
            f"there is no role {name} on this server" + (f"; there is {similar}" if similar else ""),
            hint=f"CREATE ROLE {quote_identifier(name)} LOGIN, or name it as \\du of psql does, without quotes",
        )
    if not reader.grantable:
        raise Unavailable(
            f"schema {session.quoted_schema} here belongs to {reader.owner}, who alone can let others read it",
            hint=f"connect as {reader.owner}, or as a member of it",
        )
    if reader.acts_as_owner:
        raise InputRefused(f"{name} acts as the owner of schema {session.quoted_schema} already and needs no grant")
    return reader
