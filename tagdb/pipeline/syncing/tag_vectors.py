"""Centroids of the tags: moved by the questions that joined or left a tag, or averaged anew, always in the database.

A centroid is stale when the checksum of its (question, text) pairs is not that of the tag's pairs now. Being a sum, the
checksum also tells whether some pairs that joined and left are the whole difference. If so, the centroid c, of n
questions now, becomes c + Σ ±(v - c) / n over the vectors v of those pairs; if not, all the tag's vectors are averaged.
Where it is known that no other question has moved (see `moved`), those pairs tell which centroids are stale. Where
changes are captured, `tagged` lists the pairs that are in the centroids, and is kept current with these.
"""

from __future__ import annotations

from tagdb.db import keys, source
from tagdb.db.connection import Session
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.syncing import moved
from tagdb.pipeline.syncing.moved import Look, Moved

MOST_CHANGES = 50_000
"""Up to so many changed questions their old vectors are kept aside until the centroids are renewed."""

MOST_STEPS = 64
STEP = 1 / 64
"""A centroid is moved by up to so many steps of this share of its questions, before it is averaged anew.

A move by a share s rounds by (1 + 8 s) * 2^-24 at most, and multiplies what it finds of error by the ratio of old to
new questions, at most (1 + STEP)^steps: even if all roundings went one way, they came to e * 72 * 2^-24 = 1.2e-5 of the
largest component that was in the tag meanwhile.
"""


def keep_aside(session: Session, look: Look = moved.NO_LOOK) -> None:
    """Keep aside what the questions in `change` were and were in: for `refresh`, before their old texts are deleted.

    It lies in temporary tables. When they are lost with the connection, the centroids are stale and averaged anew.
    """
    if _is_listed(session, look):
        if session.scalar("tag_vectors.few_moved", most=MOST_CHANGES):
            session.execute("captured.stage_joining")
            session.execute("captured.stage_left")
            _keep_vectors_aside(session, "text_id", "left_tag")
    elif session.scalar("tag_vectors.few_changes", most=MOST_CHANGES):
        session.execute("tag_vectors.stage_joining")
        texts_are_tags = source.current(session) == "tags"
        session.execute("tag_vectors.stage_left_words" if texts_are_tags else "tag_vectors.stage_left_tags")
        _keep_vectors_aside(session, "old_text_id", "change")


def _keep_vectors_aside(session: Session, text_id: str, relation: str) -> None:
    session.run_script(session.script("tag_vectors.stage_left_vectors", text_id=text_id, relation=relation))
    session.execute("tag_vectors.analyze_staged")


def _is_listed(session: Session, look: Look) -> bool:
    """Return whether `tagged` lists the pairs in all centroids, and all that differ now are of questions that moved."""
    return look.capturing and moved.as_before(session, look, moved.CENTROIDS)


def refresh(session: Session, embedder: StoredEmbedder, look: Look = moved.NO_LOOK) -> tuple[int, int]:
    """Bring `tag_vector` to what questions and vectors say; return how many centroids were renewed, and removed.

    Where the `look` of a sync found few questions moved, and these tell all that changed in their tags, no other tag's
    checksum is taken.
    """
    with session.transaction():
        session.execute("tag_vectors.freeze")
        if look.moved is Moved.NONE and moved.as_before(session, look, moved.CENTROIDS):
            return 0, 0
        staged = session.scalar("tag_vectors.has_staged")
        listed = _is_listed(session, look) and bool(staged)
        if staged:
            _stage_moves(session, embedder, look, listed=listed)
        told_by_moves = bool(staged) and (listed or _moves_tell(session, embedder, look))
        if told_by_moves:
            removed = session.execute("tag_vectors.delete_left", embedder=embedder.id)
            session.execute("tag_vectors.create_stale_moved", embedder=embedder.id)
        else:
            session.run_script(session.script("tag_vectors.stage_members", members=_members(session, embedder.id)))
            removed = session.execute("tag_vectors.delete_gone", embedder=embedder.id)
            difference = _difference(session, embedder.id, now="tag_now")
            session.run_script(session.script("tag_vectors.create_stale", difference=difference))
        if look.capturing:
            _list_tagged(session, embedder, look, moved_only=listed)
        stale: int = session.scalar("tag_vectors.count_stale")
        if stale:
            session.execute("tag_vectors.analyze_stale")
            done = _move(session, embedder) if staged else 0
            if done < stale:
                _average(session, embedder, with_members=told_by_moves, listed=listed)
        session.execute("tag_vectors.drop_work")
        session.execute("tag_vectors.drop_staged")
    if stale and not listed:
        session.execute("tag_vectors.analyze")
    return stale, removed


def _stage_moves(session: Session, embedder: StoredEmbedder, look: Look, *, listed: bool) -> None:
    tags = look.tags if listed and look.tags else session.qualified("source_tag")
    parts = {"embedder": embedder.id, "tags": tags, "known": listed}
    session.run_script(session.script("tag_vectors.stage_moves", **parts))
    session.run_script(session.script("tag_vectors.sum_moves", number=_number(session, "question_id")))


def _list_tagged(session: Session, embedder: StoredEmbedder, look: Look, *, moved_only: bool) -> None:
    """Bring `tagged` to the pairs that the centroids are about to be of."""
    tags = look.tags if moved_only and look.tags else session.qualified("source_tag")
    session.run_script(session.script("captured.stage_tagged", tags=tags, embedder=embedder.id))
    if moved_only:
        session.execute("captured.untag")
        session.execute("captured.tag")
        return
    session.execute("captured.untag_all")
    filling = session.scalar("captured.none_tagged")
    if filling:
        session.execute("captured.begin_tagging")
    session.execute("captured.tag")
    if filling:
        session.execute("captured.end_tagging")
    session.execute("captured.analyze_tagged")
    session.execute("captured.tagged_by", embedder=embedder.id)


def count_due(session: Session, embedder: int) -> int:
    """Return how many centroids `refresh` would renew or remove; nothing is written."""
    difference = _difference(session, embedder, now=_members(session, embedder))
    due: int = session.rows_with("tag_vectors.count_due", {"difference": difference})[0][0]
    return due


def _number(session: Session, question_id: str) -> str:
    """Return what stands for a question in the checksums, in SQL."""
    return keys.stored(session).number(question_id)


def _members(session: Session, embedder: int) -> str:
    """Return the query that takes all checksums."""
    number = _number(session, "q.question_id")
    return f"({session.script('tag_vectors.members', embedder=embedder, number=number)})"


def _difference(session: Session, embedder: int, *, now: str) -> str:
    """Return the query that compares with the checksums that `now` says."""
    return f"({session.script('tag_vectors.difference', embedder=embedder, now=now)})"


def _moves_tell(session: Session, embedder: StoredEmbedder, look: Look) -> bool:
    return (
        source.current(session) == "tags"
        and moved.as_before(session, look, moved.CENTROIDS)
        and bool(session.scalar("tag_vectors.moves_tell", embedder=embedder.id))
    )


def _move(session: Session, embedder: StoredEmbedder) -> int:
    """Renew the stale centroids whose difference is known, reading the vectors of that difference only."""
    session.execute("tag_vectors.begin_new", embedder=embedder.id, dim=embedder.dim)
    session.execute("tag_vectors.stage_movable", embedder=embedder.id, step=STEP, most_steps=MOST_STEPS)
    session.execute("tag_vectors.analyze_moves")
    session.execute("tag_vectors.move_centroids", embedder=embedder.id, dim=embedder.dim)
    return session.execute("tag_vectors.delete_moved")


def _average(session: Session, embedder: StoredEmbedder, *, with_members: bool, listed: bool) -> None:
    """Average the centroids that are stale still over all their texts, taking the checksum of these if asked to."""
    session.execute("tag_vectors.analyze_stale")
    number = _number(session, "q.question_id")
    tags = session.script("tag_vectors.tags_of_stale")
    if listed:
        tags = session.script("captured.stale_tagged", id=keys.stored(session).cast("t.question_id"))
    session.run_script(
        session.script("tag_vectors.create_stale_pairs", number=number, with_members=with_members, tags=tags)
    )
    session.execute("tag_vectors.create_scales", dim=embedder.dim)
    session.execute("tag_vectors.analyze_pairs")
    session.execute("tag_vectors.prefer_workers")
    session.execute("tag_vectors.create_centroids", embedder=embedder.id, dim=embedder.dim)
    session.execute("tag_vectors.upsert", embedder=embedder.id)
