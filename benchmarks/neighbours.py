"""Nearest neighbours over HNSW indexes: recall@10 against the exact answer, latency, build time and size on disk.

    python benchmarks/neighbours.py
    python benchmarks/neighbours.py --vectors 1000000 --tags 60000 --queries 500 --builds 16/128 24/200 --json
    python benchmarks/neighbours.py --from-database --vectors 1000000 --db-url postgresql://localhost/questions

Each index is built by the statement of `tagdb index build` and asked by that of `tagdb nearest`, changed only in the
number format (`halfvec`, `vector`), in m and ef_construction, and in ef_search; what is taken as it stands is marked as
tagdb's own. Of `bit` the index knows the signs of the numbers (`centred bit`: less their mean), and as many candidates
as ef_search says are put into the exact order. Origins are held out of what is searched. Latency inside the database is
that of a PL/pgSQL loop, planning included; "as sent" is the transaction of `tagdb nearest`, seen from the client. The
passes over the ef_search take turns; the indexes follow one another, since two on the same vectors would get in each
other's way. Where the planner does not take the index, the plan says "all read", and the answer is exact. Fewer than 20
tags (questions) are left out.

Vectors are drawn from a mixture, or copied from a database of tagdb, all or a random sample; that is only read. All is
done in a database of its own, on an embedded server of its own or on that of --db-url, and dropped after.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hnsw import BITS, CENTRED_BITS, Build, Relation
from measuring import machine, print_table
from numpy.typing import NDArray
from recall import ASKING, Asked, K, keep_origins, measure_relation
from scratch import Mixture, add_embedder, add_texts, scratch_database, store, value_of

from tagdb import config
from tagdb.db import copy
from tagdb.db.connection import Database, Session
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running.opening import open_database

EF_SEARCH = (40, 100, 200, 400)
BUILDS = ("16/64", "16/128", "24/128", "24/200")
FORMATS = ("halfvec", "vector", BITS, CENTRED_BITS)
MADE_UP_VECTORS, MADE_UP_TAGS = 100_000, 10_000
CLUSTER = 100
DRAWN_AT_ONCE = 16_384
KINDS = (("questions", "text_vector", "question_id"), ("tags", "tag_vector", "tag"))
COLUMNS = (
    "relation",
    "index",
    "m",
    "ef_construction",
    "build s",
    "size MB",
    "ef_search",
    "asked",
    "plan",
    "recall@10",
    "p50 ms",
    "p95 ms",
    "tagdb's own",
)
SETTINGS = ("maintenance_work_mem", "max_parallel_maintenance_workers", "shared_buffers")
STAGE_TAGS = "CREATE TEMP TABLE staged_tag (n bigint, embedding vector)"
INSERT_TAGS = """
INSERT INTO tagdb.tag_vector (embedder_id, tag, questions, members, embedding)
SELECT {embedder}, n, 1, n, embedding FROM staged_tag
"""

Sink = Callable[[NDArray[np.float32]], None]
Source = Callable[[Sink], None]


@dataclass(frozen=True)
class Offer:
    """Vectors to search and to take the origins from: whose they are, how many, and what sends them."""

    relation: Relation
    total: int
    source: Source


def made_up_for(arguments: argparse.Namespace) -> list[Offer]:
    """Offer as many made-up vectors as are to be searched, and the origins."""
    searched = (
        MADE_UP_VECTORS if arguments.vectors is None else arguments.vectors,
        MADE_UP_TAGS if arguments.tags is None else arguments.tags,
    )
    totals = [n + arguments.queries for n in searched]
    return [
        Offer(Relation(*kind, embedder=0, dim=arguments.dim), total, made_up(arguments.dim, total, seed))
        for seed, (kind, total) in enumerate(zip(KINDS, totals, strict=True))
    ]


def made_up(dim: int, n: int, seed: int) -> Source:
    """Draw n vectors, block by block."""
    mixture = Mixture(dim, max(n // CLUSTER, 2))

    def send(sink: Sink) -> None:
        for number, first in enumerate(range(0, n, DRAWN_AT_ONCE)):
            sink(mixture.draw(min(DRAWN_AT_ONCE, n - first), seed=seed * 1_000_000 + number))

    return send


def offered(session: Session, arguments: argparse.Namespace) -> list[Offer]:
    """Offer the vectors that the active embedder has in a database of tagdb, or about as many of them as asked for."""
    embedder = registry.active(session)
    if embedder is None:
        raise SystemExit("that database has no vector yet")
    relations = [Relation(*kind, embedder=embedder.id, dim=embedder.dim) for kind in KINDS]
    wanted = (arguments.vectors, arguments.tags)
    return [
        _offered(session, each, None if n is None else n + arguments.queries)
        for each, n in zip(relations, wanted, strict=True)
    ]


def _offered(session: Session, relation: Relation, wanted: int | None) -> Offer:
    rows = f"tagdb.{relation.partition}"
    total = value_of(session, f"SELECT count(*) FROM {rows}")
    if wanted is not None and wanted < total:
        rows += f" TABLESAMPLE bernoulli ({100 * wanted / total}) REPEATABLE (0)"
        total = value_of(session, f"SELECT count(*) FROM {rows}")
    return Offer(relation, total, stored(session, relation.dim, f"SELECT embedding FROM {rows}"))


def stored(session: Session, dim: int, query: str) -> Source:
    """Read the vectors that a query selects."""

    def send(sink: Sink) -> None:
        fields: list[tuple[str, str | int]] = [("vector", dim)]
        copy.copy_out(session.cursor(), query, fields, lambda block: sink(block["vector"].astype(np.float32)))

    return send


def fill(session: Session, offer: Offer, n_origins: int) -> NDArray[np.float32]:
    """Store what is offered, but for every so many-th vector: return these, the origins, shape (n_origins, dim)."""
    every = offer.total // n_origins
    origins: list[NDArray[np.float32]] = []
    seen = 0

    def take(vectors: NDArray[np.float32]) -> None:
        nonlocal seen
        places = np.arange(seen, seen + len(vectors))
        held_out = (places % every == 0) & (places < every * n_origins)
        kept, first = vectors[~held_out], 1 + seen - sum(map(len, origins))
        if len(kept):
            _store(session, offer.relation, np.arange(first, first + len(kept)), kept)
        origins.append(vectors[held_out])
        seen += len(vectors)

    _prepare(session, offer.relation, offer.total - n_origins)
    offer.source(take)
    session.run_script(f"ANALYZE tagdb.{offer.relation.table}")
    together = np.concatenate(origins)
    keep_origins(session, offer.relation, together)
    return together


def _prepare(session: Session, relation: Relation, n: int) -> None:
    if relation.table == "text_vector":
        add_texts(session, n, n)
    else:
        session.run_script(STAGE_TAGS)


def _store(session: Session, relation: Relation, numbers: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
    if relation.table == "text_vector":
        store(session, relation.embedder, numbers, vectors)
    else:
        copy.copy_in(session.cursor(), "staged_tag", ("n", "embedding"), [numbers, vectors])
        session.run_script(INSERT_TAGS.format(embedder=relation.embedder))
        session.run_script("TRUNCATE staged_tag")


def run(database: Database, arguments: argparse.Namespace, origin: Database | None = None) -> dict[str, Any]:
    """Do all of it in an empty database, with made-up vectors or those of another database."""
    pairs = itertools.product(arguments.formats, arguments.builds)
    builds = [Build(number_format, *_m_and_ef(numbers)) for number_format, numbers in pairs]
    how = Asked(tuple(arguments.ef_search), arguments.rounds)
    results: list[dict[str, Any]] = []
    searched: dict[str, int] = {}
    with ExitStack() as stack:
        session = stack.enter_context(database.session())
        offers = offered(stack.enter_context(origin.session()), arguments) if origin else made_up_for(arguments)
        embedder = add_embedder(session, "neighbours", offers[0].relation.dim)
        session.run_script(ASKING)
        for offer in offers:
            relation = replace(offer.relation, embedder=embedder)
            n_origins = min(arguments.queries, offer.total // 2)
            n = offer.total - n_origins
            searched[relation.name] = n if n >= 2 * K else 0
            if searched[relation.name]:
                origins = fill(session, replace(offer, relation=relation), n_origins)
                results += measure_relation(session, relation, origins, builds, how)
        settings = {name: str(value_of(session, f"SHOW {name}")) for name in SETTINGS}
    return {"settings": settings, "searched": searched, "dim": offers[0].relation.dim, "results": results}


def _m_and_ef(numbers: str) -> tuple[int, int]:
    m, ef_construction = numbers.split("/")
    return int(m), int(ef_construction)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    origin = open_database(arguments.db_url, Silent()) if arguments.from_database else None
    server = config.libpq_dsn(arguments.db_url) if arguments.db_url else None
    with scratch_database(origin.dsn if origin else server) as database:
        report = {"machine": machine(), **run(database, arguments, origin)}
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    print(*(f"{name}: {value}" for name, value in (report["machine"] | report["settings"]).items()), sep="\n")
    print(*(f"{n:,} {name}" for name, n in report["searched"].items()), f"{report['dim']:,} dimensions\n", sep=", ")
    print_table(report["results"], COLUMNS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = "how many {} vectors (default: {:,}, or all of the database)"
    parser.add_argument("--vectors", type=int, help=size.format("question", MADE_UP_VECTORS))
    parser.add_argument("--tags", type=int, help=size.format("tag", MADE_UP_TAGS))
    parser.add_argument("--queries", type=int, default=200, help="origins for each of the two (default: 200)")
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS[:2])
    parser.add_argument(
        "--builds", nargs="+", default=BUILDS, metavar="M/EF", help="m/ef_construction, beside tagdb's own"
    )
    parser.add_argument("--ef-search", nargs="+", type=int, default=EF_SEARCH, metavar="EF")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--from-database", action="store_true", help="copy the vectors from tagdb's database instead")
    parser.add_argument("--db-url", help="the server, or with --from-database the database (default: embedded)")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
