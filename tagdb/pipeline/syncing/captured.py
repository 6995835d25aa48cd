"""Which questions a sync has to see to where triggers wrote down what changed: these alone, whatever others there are.

What is taken from the triggers' table lies in `unfinished` until vectors, centroids and labels are done too: a sync
that is killed leaves the questions that it was about, and the next one sees to them once more.
"""

from __future__ import annotations

import json
from typing import Any

from tagdb.db import capture, keys
from tagdb.db.connection import Row, Session
from tagdb.models import Reporter
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.syncing import moved
from tagdb.pipeline.syncing.moved import CENTROIDS, LABELS, TEXTS, VECTORS, Look, Moved

FEW = 1_000
"""So many questions are looked up one by one, whatever share they are of all."""

_MADE_BY = ("embedder", "classifier", "classifier_weight")
"""Small tables: another embedder or classifier made what is stored when a row of these is another one."""


def look(session: Session, embedder: StoredEmbedder, max_tokens: int, reporter: Reporter, *, full: bool) -> Look | None:
    """Take what the triggers wrote, inside the transaction that will apply it; None where changes are not captured.

    With `full`, or where not all changes can have been seen, all questions are to be compared.
    """
    state = session.row("capture.state")
    if state is None:
        return None
    words, doubt = capture.words(session), capture.doubts(session)
    session.execute("captured.stage_taken")
    session.execute("captured.take")
    why = doubt or _why_all(session, state, words)
    if why is None and not full:
        session.execute("captured.keep")
        key = keys.of_source(session) or keys.stored(session)
        session.run_script(session.script("captured.stage_moved", id=key.cast("u.question_id")))
        count = session.row("captured.count_moved")
        assert count is not None
        if count.moved <= max(FEW, moved.LARGEST_SHARE * count.questions):
            return _look_at(session, state, embedder, max_tokens, any_moved=count.moved > 0)
        session.execute("captured.drop_moved")
        why = f"{count.moved:,} questions have changed"
    if why and not full:
        reporter.say(f"comparing everything: {why}")
    session.execute("captured.compare_all", words=None if doubt else words)
    return Look(Moved.UNKNOWN, capturing=True)


def _why_all(session: Session, state: Row, words: str) -> str | None:
    if state.words is None:
        return capture.NEVER
    if session.scalar("captured.any_taken"):
        return capture.ANY
    return capture.CHANGED if state.words != words else None


def _look_at(session: Session, state: Row, embedder: StoredEmbedder, max_tokens: int, *, any_moved: bool) -> Look:
    """Return a look at the questions in the temporary table `moved`, with all of tagdb's that is known to be right."""
    made: dict[str, Any] = state.kept or {}
    same_cap = made.get("max_tokens") == max_tokens
    if made and not same_cap:
        session.execute("captured.keep_nothing")
    kept = set(TEXTS)
    if same_cap:
        now = moved.fingerprints(session, _MADE_BY)
        if made["embedder"] == now["embedder"]:
            kept.update(VECTORS)
            kept.update(CENTROIDS if state.tagged_by == embedder.id and embedder.active else ())
            kept.update(LABELS if all(made[table] == now[table] for table in _MADE_BY) else ())
    complete = kept >= {*TEXTS, *VECTORS, *CENTROIDS, *LABELS}
    if not any_moved and same_cap:
        return Look(Moved.NONE, all_as_before=complete, kept=frozenset(kept), capturing=True)
    return Look(
        Moved.SOME,
        kept=frozenset(kept),
        capturing=True,
        same_cap=same_cap,
        source=_found_in(session, "source"),
        tags=_found_in(session, "source_tag"),
    )


def _found_in(session: Session, view: str) -> str:
    """Return the query for the rows of a view that are about the questions in `moved`: the way that costs less."""
    ways = [session.script(f"captured.{way}", view=view) for way in ("looked_up", "read_through")]
    return min(ways, key=lambda way: _cost(session, way))


def _cost(session: Session, relation: str) -> float:
    (row,) = session.rows_with("captured.cost", {"relation": relation})
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return float(plan[0]["Plan"]["Total Cost"])


def finish(session: Session, max_tokens: int) -> None:
    """Note that nothing is left to do for any question, and what vectors, centroids and labels were made by."""
    kept = {"max_tokens": max_tokens, **moved.fingerprints(session, _MADE_BY)}
    with session.transaction():
        session.execute("captured.finish")
        session.execute("captured.keep_made", kept=json.dumps(kept))
