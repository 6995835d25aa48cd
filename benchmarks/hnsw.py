"""HNSW indexes as tagdb builds them, and with another number format, m and ef_construction, or of one bit a number."""

from __future__ import annotations

import re
import struct
import time
from dataclasses import dataclass, replace
from typing import Any

from scratch import value_of

from tagdb.db import partitions, queries
from tagdb.db.connection import Session
from tagdb.errors import TagdbError

HNSW_MAGIC = 0xA953A953
_FORMAT = re.compile(r"(halfvec|vector)(?=\(\d+\)|_cosine_ops)")
BITS, CENTRED_BITS = "bit", "centred bit"
"""The sign of each number, or of what is left of it once the mean of all vectors is taken off."""

_BUILD_BITS = "CREATE INDEX {index} ON tagdb.{table} USING hnsw (({bits}) bit_hamming_ops)"
_ASK_BITS = """
SELECT {key}, exact <=> CAST(:origin AS vector) AS distance
FROM (
    SELECT {columns}, embedding AS exact FROM tagdb.{table}
    WHERE embedder_id = :embedder
    ORDER BY {bits} <~> {origin_bits}
    LIMIT {candidates}
) candidate {join}
ORDER BY distance LIMIT :k
"""
_MEAN = "SELECT CAST(avg(embedding) AS text) FROM (SELECT embedding FROM tagdb.{table} LIMIT 20000) AS first"


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
    mean: str | None = None

    @property
    def of_bits(self) -> bool:
        """Whether it knows one bit of each number."""
        return self.number_format in (BITS, CENTRED_BITS)

    def centred(self, session: Session, relation: Relation) -> Build:
        """Return the same with the mean of the relation's vectors, where that is taken off."""
        if self.number_format != CENTRED_BITS:
            return self
        return replace(self, mean=value_of(session, _MEAN.format(table=relation.partition)))

    def query(self, relation: Relation, candidates: int) -> str:
        """Return the query of the nearest, in the form of nearest.sql: of bits, the exact order of the candidates."""
        if not self.of_bits:
            return in_format(relation.sent(relation.name), self.number_format)
        joined = relation.table == "text_vector"
        return _ASK_BITS.format(
            key="question_id" if joined else "tag",
            columns="text_id" if joined else "tag",
            join="JOIN tagdb.question USING (text_id)" if joined else "",
            table=relation.table,
            bits=self._bits("embedding", relation.dim),
            origin_bits=self._bits("CAST(:origin AS vector)", relation.dim),
            candidates=candidates,
        )

    def _bits(self, vector: str, dim: int) -> str:
        centred = vector if self.mean is None else f"{vector} - CAST('{self.mean}' AS vector)"
        return f"CAST(binary_quantize({centred}) AS bit({dim}))"

    def statement(self, relation: Relation) -> str:
        """Return the statement that builds it."""
        if self.of_bits:
            bits = self._bits("embedding", relation.dim)
            statement = _BUILD_BITS.format(index=relation.index, table=relation.partition, bits=bits)
        else:
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
