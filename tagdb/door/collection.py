"""`tagdb.Collection`: all that tagdb keeps of one source, to be worked with from Python."""

from __future__ import annotations

from tagdb.door.asking import Asking
from tagdb.door.reporting import Progressing
from tagdb.door.upkeep import Upkeep
from tagdb.door.working import Working


class Collection(Working, Asking, Upkeep):
    """All that tagdb keeps of one source: its texts, vectors, labels and classifiers, in a schema of a database.

    `connect` opens one; one made by its name is opened by the first method that needs it, as `migrate` and `doctor` do
    not. It holds no connection: each method makes its own, so several threads may use one collection at once. What
    writes takes the collection's lock and raises Busy while another holds it, after `wait` seconds. The first text to
    be embedded loads the embedder, which stays until another one is needed, or `close`.
    """


def connect(
    url: str | None = None, schema: str | None = None, *, wait: float = 0.0, progress: Progressing = None
) -> Collection:
    """Open a collection at once, so that what is wrong with the database is raised here.

    Without a `url` it is that of TAGDB_DATABASE_URL, DATABASE_URL or libpq's variables, else the embedded database;
    without a `schema` that of TAGDB_SCHEMA, else `tagdb`. `progress` is True for a bar on stderr (off a terminal, a
    line now and then), or a function that is called with each `Event`. News and warnings go to the logger "tagdb".

    Raises
    ------
    UsageError : the URL or the schema's name cannot be one
    ConnectionFailed : there is no connection to be had
    SchemaMismatch : the collection is not made yet, or of another version: `Collection(…).migrate()`
    """
    return Collection(url, schema, wait=wait, progress=progress).open()
