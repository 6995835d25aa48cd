"""How well HNSW indexes find the nearest neighbours: the exact answer, and what each index answers in which time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from hnsw import Build, Relation, build_index, shipped_format
from measuring import interleaved
from numpy.typing import NDArray
from scratch import value_of

from tagdb.db import copy
from tagdb.db.connection import Session

K = 10
EXACT_CHECKED = 3
TIE = 1e-6
ASKING = """
CREATE SCHEMA benchmark;
CREATE TABLE benchmark.origin (relation text, n bigint, embedding vector) WITH (toast_tuple_target = 8160);
CREATE FUNCTION benchmark.ask(relation text, statement text, origins integer)
RETURNS TABLE (milliseconds double precision, answer bigint[])
LANGUAGE plpgsql AS $$
DECLARE
    origin record;
    started timestamptz;
BEGIN
    FOR origin IN
        SELECT o.embedding FROM benchmark.origin o WHERE o.relation = ask.relation AND o.n < origins ORDER BY o.n
    LOOP
        started := clock_timestamp();
        EXECUTE statement INTO answer USING origin.embedding;
        milliseconds := 1000 * extract(epoch FROM clock_timestamp() - started);
        RETURN NEXT;
    END LOOP;
END
$$;
"""
STAGE_ORIGINS = "CREATE TEMP TABLE staged_origin (n bigint, embedding vector)"
INSERT_ORIGINS = """
INSERT INTO benchmark.origin SELECT '{relation}', n, embedding FROM staged_origin;
DROP TABLE staged_origin;
"""
COLLECTED = "SELECT array_agg(CAST({key} AS bigint) ORDER BY distance) FROM ({query}) AS nearest"
SET_EF_SEARCH = "SELECT set_config('hnsw.ef_search', CAST(:ef AS text), true)"


@dataclass(frozen=True)
class Asked:
    """How every index is asked: with which ef_search, and how many times."""

    ef_search: tuple[int, ...]
    rounds: int


@dataclass(frozen=True)
class Exact:
    """The K keys nearest to each origin, and all keys at most a hair farther than the last of these."""

    nearest: list[list[int]]
    acceptable: list[set[int]]

    def recall(self, found: Sequence[Sequence[int] | None]) -> float:
        """Return the share of the answer's places that hold what belongs there."""
        hits = sum(len(right & set(keys or ())) for right, keys in zip(self.acceptable, found, strict=True))
        return hits / sum(len(keys) for keys in self.nearest)


def exact_answer(session: Session, relation: Relation, origins: NDArray[np.float32]) -> Exact:
    """Compare every origin with every vector, in one pass over the table."""
    directions = origins / np.linalg.norm(origins, axis=1, keepdims=True)
    keys = np.zeros((len(origins), 0), dtype=np.int64)
    distances = np.zeros((len(origins), 0), dtype=np.float32)

    def take(block: NDArray[Any]) -> None:
        nonlocal keys, distances
        vectors = block["vector"].astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        farther = np.hstack([distances, 1 - directions @ vectors.T])
        candidates = np.hstack([keys, np.broadcast_to(block["key"].astype(np.int64), (len(origins), len(block)))])
        kept = np.argsort(farther, axis=1, kind="stable")[:, : 2 * K]
        keys, distances = np.take_along_axis(candidates, kept, axis=1), np.take_along_axis(farther, kept, axis=1)

    key = "text_id" if relation.table == "text_vector" else "CAST(tag AS bigint)"
    query = f"SELECT {key}, embedding FROM tagdb.{relation.partition}"
    copy.copy_out(session.cursor(), query, [("key", "i8"), ("vector", relation.dim)], take)
    last = distances[:, K - 1 : K]
    near = distances <= last + TIE
    return Exact(keys[:, :K].tolist(), [set(row[mask].tolist()) for row, mask in zip(keys, near, strict=True)])


def exact_in_sql(session: Session, relation: Relation, exact: Exact) -> dict[str, Any]:
    """Ask a few origins by tagdb's own exact statement, and make sure that it finds what numpy found."""
    answers = ask(session, relation, collected(relation, relation.sent(f"{relation.name}_exact")), EXACT_CHECKED)
    asked = len(answers.found)
    scores = scored(Exact(exact.nearest[:asked], exact.acceptable[:asked]), [answers])
    if scores["recall@10"] < 1:
        raise SystemExit(f"numpy and SQL disagree on the {relation.name} nearest to the first {asked} origins")
    return {"relation": relation.name, "index": "none: exact"} | scores


@dataclass(frozen=True)
class Answers:
    """For each origin, how long the answer took and what was found, nearest first."""

    milliseconds: list[float]
    found: list[list[int] | None]


def keep_origins(session: Session, relation: Relation, origins: NDArray[np.float32]) -> None:
    """Store the origins, shape (n, dim), where `ask` finds them."""
    session.run_script(STAGE_ORIGINS)
    copy.copy_in(session.cursor(), "staged_origin", ("n", "embedding"), [np.arange(len(origins)), origins])
    session.run_script(INSERT_ORIGINS.format(relation=relation.name))


def collected(relation: Relation, query: str) -> str:
    """Take the origin of a query of nearest.sql as $1, and make its answer one array of keys, nearest first."""
    for parameter, value in {
        "embedder": str(relation.embedder),
        "origin": "$1",
        "k": str(K),
        "except": "NULL",
        "longest": "200",
    }.items():
        query = re.sub(rf"(?<!:):{parameter}\b", value, query)
    return COLLECTED.format(key=relation.key, query=query)


def ask(session: Session, relation: Relation, statement: str, origins: int, ef: int | None = None) -> Answers:
    """Ask for the neighbours of the first origins inside the database, with tagdb's settings but for ef_search."""
    with session.transaction(read_only=True):
        session.execute("nearest.allow_long_scan", k=K)
        if ef is not None:
            session.rows_of(SET_EF_SEARCH, {"ef": ef})
        parameters = {"name": relation.name, "statement": statement, "origins": origins}
        rows = session.rows_of("SELECT * FROM benchmark.ask(:name, :statement, :origins)", parameters)
    return Answers([row.milliseconds for row in rows], [row.answer for row in rows])


def ask_as_sent(session: Session, relation: Relation, origins: NDArray[np.float32]) -> Answers:
    """Ask from here, with the statements, parameters and transaction of `tagdb nearest`."""
    milliseconds: list[float] = []
    found: list[list[int] | None] = []
    for origin in origins:
        vector = f"[{','.join(map(str, origin.tolist()))}]"
        parameters = {"embedder": relation.embedder, "origin": vector, "except": None, "k": K, "longest": 200}
        started = time.perf_counter()
        with session.transaction(read_only=True):
            session.execute("nearest.allow_long_scan", k=K)
            rows = session.rows_of(relation.sent(relation.name), parameters)
        milliseconds.append(1000 * (time.perf_counter() - started))
        found.append([int(row[0]) for row in rows])
    return Answers(milliseconds, found)


def plan(session: Session, relation: Relation, statement: str, origin: NDArray[np.float32], ef: int) -> str:
    """Return how the planner, left to itself, answers the statement."""
    with session.transaction(read_only=True):
        session.execute("nearest.allow_long_scan", k=K)
        session.rows_of(SET_EF_SEARCH, {"ef": ef})
        cursor = session.cursor()
        cursor.execute("EXPLAIN " + statement.replace("$1", f"'{origin.tolist()}'"))
        return "index" if any(relation.index in line for (line,) in cursor.fetchall()) else "all read"


def shipped_ef_search(session: Session) -> int:
    """Return the ef_search with which tagdb asks for K neighbours."""
    with session.transaction(read_only=True):
        session.execute("nearest.allow_long_scan", k=K)
        return int(value_of(session, "SELECT current_setting('hnsw.ef_search')"))


def scored(exact: Exact, passes: Sequence[Answers]) -> dict[str, float]:
    """Return the recall, and the medians over passes of the 50th and 95th percentiles of milliseconds."""
    latency = {q: np.median([np.percentile(each.milliseconds, q) for each in passes]) for q in (50, 95)}
    return {"recall@10": exact.recall(passes[0].found)} | {f"p{q} ms": float(each) for q, each in latency.items()}


def measure_index(
    session: Session, relation: Relation, build: Build, exact: Exact, origins: NDArray[np.float32], how: Asked
) -> Iterator[dict[str, Any]]:
    """Yield a row for each ef_search, whose passes take turns, after one that does not count."""
    statements = {ef: collected(relation, build.query(relation, ef)) for ef in how.ef_search}
    answers: dict[int, list[Answers]] = {ef: [] for ef in how.ef_search}

    def one_pass(ef: int) -> None:
        answers[ef].append(ask(session, relation, statements[ef], len(origins), ef))

    ask(session, relation, statements[max(answers)], len(origins), max(answers))
    interleaved(how.rounds, {str(ef): partial(one_pass, ef) for ef in answers})
    for ef, passes in answers.items():
        row = {"ef_search": ef, "asked": "inside", "plan": plan(session, relation, statements[ef], origins[0], ef)}
        yield row | scored(exact, passes)


def measure_relation(
    session: Session, relation: Relation, origins: NDArray[np.float32], builds: Sequence[Build], how: Asked
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table: the exact answer, then every index with every ef_search."""
    exact = exact_answer(session, relation, origins)
    yield exact_in_sql(session, relation, exact)
    shipped, shipped_ef = Build(shipped_format(relation)), shipped_ef_search(session)
    how = replace(how, ef_search=tuple(sorted({*how.ef_search, shipped_ef})))
    met: set[Build] = set()
    for build in [shipped, *(each.centred(session, relation) for each in builds)]:
        if build in met:
            continue
        built = build_index(session, relation, build)
        met.add(Build(build.number_format, built["m"], built["ef_construction"]))
        for row in measure_index(session, relation, build, exact, origins, how):
            own = build is shipped and row["ef_search"] == shipped_ef
            yield built | row | {"tagdb's own": "yes" if own else None}
        if build is shipped:
            passes = [ask_as_sent(session, relation, origins) for _ in range(how.rounds)]
            row = {"ef_search": shipped_ef, "asked": "as sent", "tagdb's own": "yes"}
            yield built | row | scored(exact, passes)
