"""What `tagdb doctor` looks at of tagdb's own in the database, and of the files that belong to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from tagdb import config, elmo
from tagdb.db import lifting, schema, source
from tagdb.db import routines as made
from tagdb.db.connection import Database, Session
from tagdb.db.embedded import EmbeddedServer
from tagdb.errors import TagdbError, Unavailable
from tagdb.pipeline.checking.findings import Finding, note, ok, problem, size, skipped
from tagdb.pipeline.embedders import installed
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.syncing import indexing
from tagdb.shortening import named

_BYTES_A_NUMBER, _BYTES_A_ROW = 4.4, 120
_ENOUGH_TO_MEASURE = 1_000
_MANY_RUNS, _RUNS_BYTES, _OLD_DAYS = 50_000, 2**26, 90


def revision(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether the schema is the one this version works on."""
    try:
        schema.require_current(session)
    except TagdbError as error:
        yield problem("schema", str(error), error.hint)
    else:
        yield ok("schema", f"revision {schema.head()}")


def routines(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether tagdb's views and functions are all there, and as this version makes them."""
    if missing := [session.qualified(routine.name) for routine in made.outdated(session)]:
        yield problem("routines", f"gone, or not of this version: {named(missing)}", "tagdb db migrate")
    else:
        yield ok("routines", f"all {len(made.all_routines())} views and functions are there")


def source_views(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether the views over the user's tables stand, and can be read."""
    now = source.current(session)
    if lifting.lifted(session):
        yield problem("source", "the views over your tables are lifted", "tagdb db views restore")
    elif now is None and session.scalar("source.has_questions"):
        gone = source.gone(session)
        yield problem("source", str(gone), gone.hint)
    elif now is None:
        yield note("source", "nothing is embedded yet", "tagdb sync")
    else:
        yield from _read(session, now)


def _read(session: Session, now: str) -> Iterator[Finding]:
    tables = session.rows("doctor.source_tables", presets=list(source.PRESETS))
    for row in tables:
        if not row.readable:
            found = f"{row.reader}, who owns the views, may not read {row.name}"
            yield problem("source", found, f"GRANT SELECT ON {row.name} TO {row.reader}")
        elif row.former:
            found = f"the views read {row.name}, and the names questions and tags mean others now"
            yield problem("source", found, "tagdb sync")
    if not any(not row.readable or row.former for row in tables):
        yield _sampled(session, f"{now}, of {named([row.name for row in tables]) or 'no table'}")


def _sampled(session: Session, told: str) -> Finding:
    """Read a row of each view."""
    session.execute("doctor.no_long_read")
    try:
        session.rows("doctor.read_source")
        session.rows("doctor.read_source_tag")
    except Unavailable as error:
        return skipped("source", f"{told}: {error}", error.hint)
    except TagdbError as error:
        return problem("source", f"the view cannot be read: {error}", error.hint)
    return ok("source", told)


def embedder_files(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether the embedder that sync uses is here, and is the one that made the vectors."""
    row = session.row("embedder.chosen")
    if row is None:
        yield note("embedder", "none is chosen yet; sync begins with starter")
        return
    stored = StoredEmbedder.from_row(row)
    try:
        spec = elmo.read_spec(installed.checked(stored.directory))
    except TagdbError as error:
        yield problem("embedder", f"{stored.name}: {error}", error.hint)
        return
    if spec.fingerprint == stored.fingerprint:
        yield ok("embedder", f"{stored.name}, {stored.dim:,} dimensions, files unchanged")
    else:
        mend = f"bring the files back, or: tagdb embedder use {stored.directory} && tagdb sync"
        yield problem("embedder", f"{stored.name}: its files have changed since it was chosen", mend)


def indexes(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether indexes are valid, and whether those that pay are there and could be built in memory."""
    bad = session.rows("doctor.invalid_indexes")
    for row in bad:
        mend = "tagdb index build" if row.hnsw else f"REINDEX INDEX {row.name}"
        yield problem("indexes", f"{row.name} is not valid", mend)
    missing = [each for each in indexing.status(session) if each.worthwhile and not each.built]
    memory: int = session.scalar("index.maintenance_bytes")
    for each in missing:
        found = f"none on {each.relation}, whose {each.vectors:,} vectors pay for one"
        if memory >= each.graph_bytes:
            yield note("indexes", found, "tagdb index build")
            continue
        needed = f"{-(-each.graph_bytes // 2**30)}GB"
        found += f"; maintenance_work_mem is {size(memory)}, its graph takes {size(each.graph_bytes)}"
        yield note("indexes", found, f"PGOPTIONS='-c maintenance_work_mem={needed}' tagdb index build")
    if not bad and not missing:
        yield ok("indexes", "all that stand are valid")


def room(session: Session, database: Database) -> Iterator[Finding]:
    """Look at whether the vectors that are due have room on the disk."""
    row = session.row("doctor.room")
    if row is None or row.due <= 0:
        yield ok("room", "no text is due")
        return
    measured = row.vectors >= _ENOUGH_TO_MEASURE
    each = row.bytes / row.vectors if measured else row.dim * _BYTES_A_NUMBER + _BYTES_A_ROW
    needed = each * row.due
    found = f"{row.due:,} texts are due, {size(needed)} of vectors"
    if not database.embedded:
        yield note("room", f"{found}; how much is free on the server cannot be seen from here")
        return
    folder = EmbeddedServer(config.home()).data
    free = shutil.disk_usage(folder).free
    if free < needed:
        yield problem("room", f"{found}, and {size(free)} are free in {folder}", "make room there before tagdb sync")
    else:
        yield ok("room", f"{found}; {size(free)} are free")


def leftovers(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at what killed runs and former embedders have left."""
    found = []
    if killed := session.scalar("doctor.killed_runs"):
        found.append(note("leftovers", f"{killed:,} runs were killed", "tagdb sync goes on from there"))
    if tables := [row.name for row in session.rows("doctor.work_tables")]:
        found.append(problem("leftovers", f"a run left {named(tables)}", f"DROP TABLE {named(tables)}"))
    if unused := [row.embedder for row in session.rows("partition.unused")]:
        numbers = named([f"{number}" for number in unused])
        found.append(note("leftovers", f"vectors of embedders that nothing uses: number {numbers}", "tagdb sync"))
    yield from found or [ok("leftovers", "none")]


def runs(session: Session, _database: Database) -> Iterator[Finding]:
    """Look at whether the record of runs has grown large."""
    row = session.row("doctor.runs", days=_OLD_DAYS)
    assert row is not None
    told = f"{row.runs:,} in {session.qualified('run')}, {size(row.bytes)}"
    if row.old and (row.runs > _MANY_RUNS or row.bytes > _RUNS_BYTES):
        yield note("runs", told, f"tagdb db prune --days {_OLD_DAYS}")
    else:
        yield ok("runs", told)
