"""HNSW indexes as tagdb builds them, and with another number format, m and ef_construction."""

from __future__ import annotations

import re
import struct
import time
from dataclasses import dataclass
from typing import Any

from scratch import value_of

from tagdb.db import partitions, queries
from tagdb.db.connection import Session
from tagdb.errors import TagdbError

HNSW_MAGIC = 0xA953A953
_FORMAT = re.compile(r"(halfvec|vector)(?=\(\d+\)|_cosine_ops)")


@dataclass(frozen=True)
class Relation:
    """What is searched: its table and key, and tagdb's statements for it."""

    name: str
    table: str
    key: str
    embedder: int
    dim: int

    @property
    def partition(self) -> str:
        """The table that holds the vectors."""
        return partitions.name(self.table, self.embedder)

    @property
    def index(self) -> str:
        """The name of the index that tagdb would build."""
        return f"{self.partition}_hnsw"

    def index_statement(self, name: str) -> str:
        """Return a query of sql/queries/index.sql, put together for this relation."""
        return queries.topic("index")[name].format(table=self.partition, index=self.index, dim=self.dim)

    def sent(self, name: str) -> str:
        """Return a query of sql/queries/nearest.sql with its parameters, as tagdb sends it."""
        sql = queries.topic("nearest")[name].replace("{type}", "bigint")
        return sql.replace("{dim}", str(self.dim)).replace("{condition}", "true")


@dataclass(frozen=True)
class Build:
    """How an index is built; m and ef_construction are None where tagdb's statement does not name them."""

    number_format: str
    m: int | None = None
    ef_construction: int | None = None

    def statement(self, relation: Relation) -> str:
        """Return the statement that builds it."""
        statement = in_format(relation.index_statement("build"), self.number_format)
        return statement + (f" WITH (m = {self.m}, ef_construction = {self.ef_construction})" if self.m else "")


def in_format(sql: str, number_format: str) -> str:
    """Let a statement of tagdb's work on vectors in another number format."""
    return _FORMAT.sub(number_format, sql)


def shipped_format(relation: Relation) -> str:
    """Return the number format of the index that tagdb builds."""
    found = _FORMAT.search(relation.index_statement("build"))
    assert found is not None
    return found.group()


def build_index(session: Session, relation: Relation, build: Build) -> dict[str, Any]:
    """Build an index in the place of the former one; return what it is, how long it took and how large it is."""
    session.run_script(relation.index_statement("drop"))
    del session.cursor().connection.notices[:]
    started = time.perf_counter()
    session.run_script(build.statement(relation))
    seconds = time.perf_counter() - started
    spilled = any("no longer fits" in notice for notice in session.cursor().connection.notices)
    m, ef_construction = build_parameters(session, relation)
    size: int = value_of(session, "SELECT pg_relation_size(to_regclass(:name))", name=f"tagdb.{relation.index}")
    return {
        "relation": relation.name,
        "index": build.number_format + (" (outgrew memory)" if spilled else ""),
        "m": build.m or m,
        "ef_construction": build.ef_construction or ef_construction,
        "build s": seconds,
        "size MB": size / 2**20,
    }


def build_parameters(session: Session, relation: Relation) -> tuple[int | None, int | None]:
    """Read m and ef_construction on the first page of an index, after its header of 24 bytes (pgvector, src/hnsw.h).

    They are None where the server does not let this user read its files.
    """
    page = "SELECT pg_read_binary_file(pg_relation_filepath(to_regclass(:name)), 24, 16)"
    try:
        session.run_script("CHECKPOINT")
        meta: memoryview = value_of(session, page, name=f"tagdb.{relation.index}")
    except TagdbError:
        return None, None
    magic, _version, _dim, m, ef_construction = struct.unpack("=IIIHH", meta)
    if magic != HNSW_MAGIC:
        raise SystemExit(f"{relation.index} does not begin as an HNSW index of pgvector does")
    return m, ef_construction
