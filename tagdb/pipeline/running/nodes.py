"""Other machines at work on a collection: how they get at its database, and how many there may be.

No password travels: Ray keeps what it is given, and asks nobody who they are. A node logs in with what libpq finds
there, or with a setting of its own for the same database.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tagdb import cluster, shortening
from tagdb.cluster import Cluster, Crew, Node
from tagdb.db import address
from tagdb.db.connection import Database, Session
from tagdb.errors import ConnectionFailed, TagdbError, Unavailable
from tagdb.models import Reporter

CONNECTIONS_EACH = 2
_NODES_TOLD = 5
_OWN_PASSWORD = "put the password into ~/.pgpass on each node, or PGPASSWORD into the environment of ray start"  # noqa: S105

Arguments = Callable[[Cluster], Mapping[str, Any]]
"""Gives the arguments of what workers make, once the cluster is there to put large ones into: see `Cluster.put`."""


@dataclass(frozen=True)
class Access:
    """How a process on another machine reaches the collection that this one works on.

    `flag` is the number of a lock that this one holds: where it is not seen, the URL leads to another database there.
    """

    url: str
    schema: str
    flag: int

    def open(self) -> Database:
        """Open the collection on a node.

        Raises
        ------
        ConnectionFailed : there is no connection to be had from there
        Unavailable : the URL leads somewhere else there, or whoever raised the flag has ended
        """
        database = Database(address.own_dsn(self.url), origin="the node", schema=self.schema)
        with database.session() as session:
            if not session.scalar("nodes.sees_flag", flag=self.flag):
                raise Unavailable(
                    f"{address.place(database.dsn)} is another database there, or the command has ended",
                    hint="name the server as every node reaches it: --db-url postgresql://HOST/NAME",
                )
        return database


@contextmanager
def crew(
    session: Session,
    database: Database,
    ray: str,
    reporter: Reporter,
    *,
    factory: str,
    arguments: Arguments = lambda _: {},
    workers: int | None = None,
    gpus: float = 0,
) -> Iterator[Crew]:
    """Start workers on the nodes of a Ray cluster, each of which can reach the database; they end with the block.

    Parameters
    ----------
    session : holds the collection's lock for as long
    factory : "module:name" of what each worker makes, out of `access`, `threads` and `arguments`
    workers : how many at most; without it, one a node
    gpus : what each takes of its node's GPUs

    Raises
    ------
    Unavailable : no Ray is at that address, or it is of other versions; no node has a processor free; one of them
        cannot reach the database; the server has no connections to spare
    """
    with cluster.connected(ray) as joined, _accessible(session, database) as access:
        _tell_of_password(database, reporter)
        nodes = _affordable(session, joined.nodes_with_room(gpus), workers, reporter)
        made = Crew(joined, factory, {"access": access, **arguments(joined)}, gpus=gpus)
        try:
            with _explaining(database):
                made.start(nodes)
            reporter.say(f"workers on {_named(nodes)}")
            yield made
        finally:
            made.end()


@contextmanager
def _accessible(session: Session, database: Database) -> Iterator[Access]:
    flag = secrets.randbits(62)
    session.scalar("nodes.raise_flag", flag=flag)
    try:
        yield Access(address.public_url(database.dsn), database.schema, flag)
    finally:
        with suppress(TagdbError):  # it goes with the connection
            session.execute("nodes.lower_flag", flag=flag)


def _tell_of_password(database: Database, reporter: Reporter) -> None:
    if address.secret_environment(database.dsn):
        reporter.say("the password of the database's URL is not sent to the nodes, which log in with their own")


def _affordable(session: Session, nodes: Sequence[Node], workers: int | None, reporter: Reporter) -> Sequence[Node]:
    """Take as many nodes as workers are wanted and the server has connections for."""
    wanted = min(len(nodes), workers or len(nodes))
    free = session.scalar("nodes.free_connections")
    affordable = max(0, free) // CONNECTIONS_EACH
    if not affordable:
        raise Unavailable(
            f"the server has {max(0, free)} connections free, and a worker takes {CONNECTIONS_EACH}",
            hint="raise max_connections, or the role's CONNECTION LIMIT, or let other programs end",
        )
    if affordable < wanted:
        reporter.warn(
            f"{affordable:,} of {wanted:,} workers are started: the server has {free:,} connections free, "
            f"and each takes {CONNECTIONS_EACH}"
        )
    return nodes[: min(wanted, affordable)]


@contextmanager
def _explaining(database: Database) -> Iterator[None]:
    """Say of a node that does not reach the database what has to be different."""
    try:
        yield
    except (ConnectionFailed, Unavailable) as error:
        if database.embedded:
            raise Unavailable(
                f"{error}; the embedded database is reached on this machine only, by {database.shown}",
                hint="work on a server that every node reaches: --db-url postgresql://HOST/NAME",
            ) from error
        if address.secret_environment(database.dsn) and isinstance(error, ConnectionFailed):
            error.hint = _OWN_PASSWORD
        raise


def _named(nodes: Sequence[Node]) -> str:
    return shortening.named([f"{node.address} ({node.cpus} processors)" for node in nodes], _NODES_TOLD)
