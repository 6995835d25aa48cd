"""`tagdb nearest`: the tags or questions nearest to a tag or to free text, over the index or exactly."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from tagdb.db import keys, lifting, source, userquery
from tagdb.db.connection import Database, Session
from tagdb.errors import DatabaseError, InputRefused, QueryRefused
from tagdb.models import Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WHOLE_TEXT = 2**31 - 1
_NOT_OF_TYPE = ("22P02", "22003")  # what PostgreSQL says of a text that is no uuid or integer, or of one too large

Embed: TypeAlias = Callable[[StoredEmbedder, str], "NDArray[np.float32]"]
"""What gives a text its vector by a registered embedder."""


def load_and_embed(embedder: StoredEmbedder, text: str) -> NDArray[np.float32]:
    """Return the vector of one text; the embedder is loaded for it alone."""
    return cast("NDArray[np.float32]", registry.load(embedder, for_few=True).embed([text])[0])


@dataclass(frozen=True)
class Neighbour:
    """A tag or a question near to what was asked for; `distance` is the cosine distance, from 0 to 2.

    `questions` is how many questions a tag has, None for a question, which has a `question_id`.
    """

    name: str
    distance: float
    questions: int | None = None
    text: str | None = None
    question_id: int | str | None = None


@dataclass(frozen=True)
class Neighbours:
    """What was found, nearest first, and what it was found from; `complete` unless fewer than were asked for."""

    origin: str
    found: list[Neighbour]
    asked: int

    @property
    def complete(self) -> bool:
        """Whether as many were found as were asked for."""
        return len(self.found) == self.asked


def nearest_tags(
    database: Database,
    wanted: str,
    k: int,
    reporter: Reporter,
    *,
    exact: bool = False,
    embed: Embed = load_and_embed,
) -> Neighbours:
    """Return the `k` tags nearest to a tag (by its centroid) or, when no question has such a tag, to a text.

    Should the scan of the index come back short, the exact answer is given.
    """
    with database.session() as session:
        embedder = _embedder(session)
        origin, vector, is_tag = _origin(session, wanted, embedder, reporter, embed)
        parameters = {"embedder": embedder.id, "origin": vector, "k": k, "except": wanted if is_tag else None}
        parts = {"dim": embedder.dim}
        with session.transaction(read_only=True):
            session.execute("nearest.allow_long_scan", k=k)
            rows = [] if exact else session.rows_with("nearest.tags", parts, **parameters)
            if len(rows) < k:
                rows = session.rows("nearest.tags_exact", **parameters)
    return Neighbours(origin, [Neighbour(row.tag, row.distance, row.questions) for row in rows], k)


def nearest_questions(
    database: Database,
    wanted: str,
    k: int,
    reporter: Reporter,
    *,
    is_id: bool = False,
    where: str | None = None,
    exact: bool = False,
    longest: int = WHOLE_TEXT,
    embed: Embed = load_and_embed,
) -> Neighbours:
    """Return the `k` questions nearest to a tag or a text, among those that satisfy the SQL condition `where`.

    Where `wanted` is the id of a question, those nearest to that one, without itself.

    The condition speaks of the columns of `questions`, or of `source` where that is custom SQL. Over the index the
    scan goes on until enough rows satisfy it; should it still come back short, the exact answer is given. Of each text
    come the first `longest` characters.
    """
    with database.session() as session:
        embedder = _embedder(session)
        parts = {"dim": embedder.dim, "type": keys.stored(session).type, "condition": _condition(session, where)}
        if is_id:
            origin, vector = f"question {wanted}", _vector_of(session, wanted, embedder)
        else:
            origin, vector, _ = _origin(session, wanted, embedder, reporter, embed)
        itself = wanted if is_id else None
        parameters = {"embedder": embedder.id, "origin": vector, "except": itself, "k": k, "longest": longest}
        with userquery.refusals(), session.transaction(read_only=True):
            session.execute("nearest.allow_long_scan", k=k)
            rows = [] if exact else session.rows_with("nearest.questions", parts, **parameters)
            if len(rows) < k:
                rows = session.rows_with("nearest.questions_exact", parts, **parameters)
    found = [Neighbour(str(row.question_id), row.distance, None, row.text, _plain(row.question_id)) for row in rows]
    return Neighbours(origin, found, k)


def _plain(key: object) -> int | str:
    """Return a key as a number where it is one, else as its text."""
    return key if isinstance(key, int) else str(key)


def _embedder(session: Session) -> StoredEmbedder:
    embedder = registry.active(session)
    if embedder is None:
        raise InputRefused("no question has a vector yet", hint="tagdb sync")
    return embedder


def _origin(
    session: Session, wanted: str, embedder: StoredEmbedder, reporter: Reporter, embed: Embed
) -> tuple[str, str, bool]:
    """Return what to call the origin, its vector as text, and whether it is a tag."""
    vector = session.scalar("nearest.tag_embedding", embedder=embedder.id, tag=wanted)
    if vector is not None:
        return f"tag {wanted}", vector, True
    if not wanted.strip():
        raise InputRefused("an empty text has no neighbours", hint="tagdb nearest pandas")
    reporter.say(f"no question has the tag {wanted!r}; taking it as text")
    return f"text {wanted!r}", f"[{','.join(map(str, embed(embedder, wanted).tolist()))}]", False


def _vector_of(session: Session, question_id: str, embedder: StoredEmbedder) -> str:
    """Return the vector of a question as text.

    Raises
    ------
    InputRefused : there is no such question, it has no vector, or no question can have such an id
    """
    key = keys.stored(session)
    some = f"SELECT question_id FROM {session.qualified('question')} LIMIT 10"
    see = f"see those there are: tagdb db psql -c {shlex.quote(some)}"
    try:
        rows = session.rows_with(
            "nearest.question_embedding", {"type": key.type}, question=question_id, embedder=embedder.id
        )
    except DatabaseError as error:
        if getattr(error.__cause__, "pgcode", None) not in _NOT_OF_TYPE:
            raise
        raise InputRefused(f"{question_id!r} is not {key.said}, as ids of questions are here", hint=see) from error
    if not rows:
        raise InputRefused(f"there is no question {question_id}", hint=see)
    vector: str | None = rows[0][0]
    if vector is None:
        why = f"tagdb sync, or see {session.qualified('failure')} for why"
        raise InputRefused(f"question {question_id} has no vector", hint=why)
    return vector


def _condition(session: Session, where: str | None) -> str:
    """Return the user's condition as SQL on `q.question_id`, checked as part of a statement of its own."""
    if where is None:
        return "true"
    lifting.require_standing(session)
    table, key = "questions", "id"
    if source.current(session) == source.CUSTOM:
        table, key = session.qualified("source"), "question_id"
    try:
        checked = userquery.check(session, f"SELECT {key} AS question_id FROM {table} WHERE (\n{where}\n)")
    except QueryRefused as error:
        if not userquery.lacks_column(error):
            raise
        columns = ", ".join(row.name for row in session.rows("source.user_columns", table_name=table))
        raise QueryRefused(f"{error}; {table} has {columns}", hint=error.hint) from error
    return "q.question_id IN (\n" + checked.selecting(keys.stored(session).cast("q.question_id")) + "\n)"
