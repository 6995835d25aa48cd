"""The functions and views of `sql/`: put in where they are missing or not those of this version, told by what they are.

The comment on each ends with two digests: of the file it was made from, and of what PostgreSQL then had. So a dump that
lost one in restoring, or brought that of another version, is noticed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from tagdb.db import naming
from tagdb.db.connection import Session
from tagdb.db.resources import folder

_FOLDERS: Mapping[str, str] = {"functions": "FUNCTION", "views": "VIEW"}
_MARK = re.compile(r" \[tagdb (\w+) (\w+)\]$")


@dataclass(frozen=True)
class Routine:
    """A function or view of tagdb's and the file it is made from, whose first line says what it is."""

    name: str
    kind: str
    sql: str

    @property
    def sentence(self) -> str:
        """What it is, for the comment on it."""
        return self.sql.split("\n", 1)[0].removeprefix("-- ")

    @property
    def digest(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:12]


@cache
def all_routines() -> tuple[Routine, ...]:
    """Return what this version installs, in the order in which it is made."""
    return tuple(
        Routine(path.stem, kind, path.read_text(encoding="utf-8"))
        for name, kind in _FOLDERS.items()
        for path in sorted((folder("sql") / name).glob("*.sql"))
    )


def outdated(session: Session) -> list[Routine]:
    """Return those that are missing or not as this version made them; only inside a transaction."""
    there = _there(session)
    return [routine for routine in all_routines() if not _is_current(routine, there)]


def install(session: Session, routines: list[Routine]) -> None:
    """Make `routines`, or make them anew; rights on what is there stay. Only inside a transaction."""
    for routine in routines:
        session.run_script(naming.renamed(routine.sql, session.schema))
    made = _there(session)
    for routine in routines:
        comment = f"{routine.sentence} [tagdb {routine.digest} {made[routine.name][1]}]".replace("'", "''")
        session.run_script(f"COMMENT ON {routine.kind} {session.qualified(routine.name)} IS '{comment}'")


def _there(session: Session) -> dict[str, tuple[str, str]]:
    """Return the comment on each function and view in the collection's schema, and a digest of it."""
    with _neutral_path(session):
        return {row.name: (row.comment or "", row.digest) for row in session.rows("schema.routines")}


def _is_current(routine: Routine, there: Mapping[str, tuple[str, str]]) -> bool:
    comment, digest = there.get(routine.name, ("", ""))
    mark = _MARK.search(comment)
    return mark is not None and mark.groups() == (routine.digest, digest)


@contextmanager
def _neutral_path(session: Session) -> Iterator[None]:
    """Let PostgreSQL write definitions with the same names for everybody."""
    before = session.scalar("schema.set_path", path="pg_catalog")
    yield
    session.scalar("schema.set_path", path=before)
