"""Any series of edits and syncs ends where building everything anew would; a dry run foretells what a sync does."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database
from tagdb.pipeline.embedders import registry
from tests.examples import examples
from tests.pipeline.world import (
    World,
    assert_same_centroids,
    assert_same_vectors,
    encoder,
    expected_centroids,
    load_once,
)

Edit: TypeAlias = tuple[str, int, str]
Edits: TypeAlias = list[Edit]

_SLOW = settings(
    max_examples=examples(8),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_TAGS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3, unique=True).map(" ".join)
_QUESTIONS = st.integers(1, 5)
_EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _QUESTIONS, _TAGS),
        st.tuples(st.just("remove"), _QUESTIONS, st.just("")),
        st.tuples(st.just("sync"), st.integers(1, 3), st.just("")),
    ),
    min_size=3,
    max_size=12,
)


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return World(database, tiny_embedder)


def _apply(world: World, edits: Edits) -> dict[int, str]:
    """Make the edits, and return what the user's tables hold then."""
    world.run("TRUNCATE questions, tags")
    world.forget()
    held: dict[int, str] = {}
    for operation, number, tags in edits:
        if operation == "put":
            world.put({number: tags})
            held[number] = tags
        elif operation == "remove":
            world.remove(number)
            held.pop(number, None)
        else:
            world.sync(limit=number)
    return held


@_SLOW
@given(edits=_EDITS)
def test_sync_after_any_edits_equals_a_full_rebuild(world: World, tiny_embedder: Path, edits: Edits) -> None:
    held = _apply(world, edits)
    world.sync()
    texts, vectors, centroids, written = world.texts(), world.vectors(), world.tag_vectors(), world.versions()
    assert texts == held
    world.sync()
    assert world.versions() == written

    embeddable = {number: text for number, text in held.items() if text}
    expected = encoder(tiny_embedder).embed(list(embeddable.values()))
    assert_same_vectors(vectors, dict(zip(embeddable, expected, strict=True)))
    assert_same_centroids(
        centroids, expected_centroids(world, {n: text.split() for n, text in held.items()}), tolerance=1e-6
    )

    world.forget()
    world.sync()
    assert world.texts() == texts
    assert_same_vectors(world.vectors(), vectors)
    assert_same_centroids(world.tag_vectors(), centroids)
    assert world.scalar("SELECT count(*) FROM tagdb.text") == len(set(held.values()))


@_SLOW
@given(edits=_EDITS)
@example(edits=[("put", 1, "a"), ("put", 2, "b"), ("sync", 1, ""), ("put", 2, "c")])
def test_dry_run_foretells_the_sync_and_writes_nothing(world: World, edits: Edits) -> None:
    _apply(world, edits)
    before = world.versions()
    plan = world.plan()
    assert world.versions() == before
    result = world.sync()
    assert plan.changes == result.changes
    assert plan.texts_due == result.embedded.due
    assert plan.labels_due is None
