"""`tagdb doctor`: looks at everything that tagdb stands on, and says of what is wrong which command mends it."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias

from tagdb import advice, config, installation
from tagdb.db.connection import Database, Session
from tagdb.db.embedded import EmbeddedServer
from tagdb.errors import ConnectionFailed, TagdbError, Unavailable
from tagdb.pipeline.checking import server, stored
from tagdb.pipeline.checking.findings import Finding, Level, note, ok, problem, skipped

Check: TypeAlias = Callable[[Session, Database], Iterable[Finding]]

_PACKAGES = ("tensorflow", "numpy", "scikit-learn", "psycopg2-binary", "sqlalchemy")
_OF_THE_SERVER: dict[str, Check] = {
    "server": server.server,
    "rights": server.rights,
    "extension": server.extension,
    "encoding": server.encoding,
    "settings": server.settings,
}
_OF_WHAT_IS_STORED: dict[str, Check] = {
    "routines": stored.routines,
    "source": stored.source_views,
    "embedder": stored.embedder_files,
    "indexes": stored.indexes,
    "room": stored.room,
    "leftovers": stored.leftovers,
    "runs": stored.runs,
}


@dataclass(frozen=True)
class Examination:
    """All that was found; `unreachable` is what kept the database from being looked at."""

    findings: Sequence[Finding]
    unreachable: Unavailable | None = None

    @property
    def problems(self) -> Sequence[Finding]:
        """What has to be mended."""
        return [each for each in self.findings if each.level is Level.PROBLEM]


def examine(db_url: str | None, *, schema: str | None = None) -> Examination:
    """Look at everything; nothing is written, and what cannot be looked at is named with the reason."""
    name = config.resolve_schema(schema)
    findings = [_versions()]
    target = config.resolve_target(db_url)
    if target.embedded and not (EmbeddedServer(config.home()).data / "PG_VERSION").exists():
        found = f"the embedded database in {config.home()} is not made yet"
        findings.append(note("connection", found, "tagdb demo, or tagdb import FILE"))
        return Examination([*findings, *_skipped(_of_all(), "there is no database yet")])
    try:
        database = Database.open(target, schema=name)
        with closing(database), database.session() as session:
            findings.append(server.connection(session, database))
            findings += (_addressed(each, name) for each in _examined(session, database))
    except Unavailable as error:  # no connection, or one that cannot be worked on
        findings.append(problem("connection", str(error), error.hint))
        done = {each.check for each in findings}
        findings += _skipped((check for check in _of_all() if check not in done), "there is no connection")
        return Examination(findings, error)
    return Examination(findings)


def _addressed(finding: Finding, schema: str) -> Finding:
    return replace(finding, mend=finding.mend and advice.addressed(finding.mend, schema))


def _of_all() -> Iterator[str]:
    yield from _OF_THE_SERVER
    yield "schema"
    yield from _OF_WHAT_IS_STORED


def _examined(session: Session, database: Database) -> Iterator[Finding]:
    for name, check in _OF_THE_SERVER.items():
        yield from _run(name, check, session, database)
    revision = _run("schema", stored.revision, session, database)
    yield from revision
    if all(each.level is Level.OK for each in revision):
        for name, check in _OF_WHAT_IS_STORED.items():
            yield from _run(name, check, session, database)
    else:
        yield from _skipped(_OF_WHAT_IS_STORED, f"schema {session.quoted_schema} cannot be worked with")


def _run(name: str, check: Check, session: Session, database: Database) -> Sequence[Finding]:
    try:
        with session.transaction(read_only=True):
            return list(check(session, database))
    except ConnectionFailed:
        raise
    except Unavailable as error:
        return [skipped(name, str(error), error.hint)]
    except TagdbError as error:
        return [problem(name, str(error), error.hint)]


def _skipped(checks: Iterable[str], reason: str) -> Iterator[Finding]:
    return (skipped(check, reason) for check in checks)


def _versions() -> Finding:
    """Name the versions without importing what they are of: that takes seconds."""
    known, missing = [f"tagdb {config.VERSION}", f"Python {platform.python_version()}"], []
    for package in _PACKAGES:
        try:
            known.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        return problem("versions", f"not installed: {', '.join(missing)}", installation.install_command(*missing))
    return ok("versions", ", ".join(known))
