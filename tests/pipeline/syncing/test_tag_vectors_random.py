"""Whatever is edited between syncs, centroids are the means of their questions' vectors, and so are the checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import moved, tag_vectors
from tests.examples import examples
from tests.pipeline.world import World, assert_right_centroids, load_once, refuse_poison


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return World(database, tiny_embedder)


_TAGS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(" ".join)
_QUESTIONS = st.integers(1, 6)
_EDIT = st.one_of(
    st.tuples(st.just("put"), _QUESTIONS, _TAGS),
    st.tuples(st.just("put"), _QUESTIONS, st.sampled_from(["a", "a b", "a poison"])),
    st.tuples(st.just("remove"), _QUESTIONS, st.just("")),
    st.tuples(st.just("untag"), _QUESTIONS, st.just("")),
    st.tuples(st.just("title"), _QUESTIONS, st.sampled_from(["one", "another", "poison", ""])),
    st.tuples(st.just("sync"), st.integers(1, 3), st.just("")),
    st.tuples(st.just("sync"), st.just(None), st.just("")),
)


def _edit(world: World, held: dict[int, str], operation: str, number: int, value: str) -> None:
    """Make an edit, and keep in `held` what tags the questions have then."""
    if operation == "put":
        world.put({number: value}, title=value and f"about {value}")
        held[number] = value
    elif operation == "remove":
        world.remove(number)
        held.pop(number, None)
    elif operation == "untag" and number in held:
        world.run(f"DELETE FROM tags WHERE question_id = {number} AND position = 0")
        held[number] = held[number].partition(" ")[2]
    elif operation == "title":
        world.run(f"UPDATE questions SET title = '{value}' WHERE id = {number}")


@settings(
    max_examples=examples(15),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    preset=st.sampled_from(["tags", "title"]),
    share=st.sampled_from([0, 1e9]),
    most_steps=st.sampled_from([2, 64]),
    edits=st.lists(st.lists(_EDIT, min_size=1, max_size=4), min_size=2, max_size=6),
)
@example(
    preset="tags",
    share=1e9,
    most_steps=64,
    edits=[[("put", 1, "a a b"), ("put", 2, "a")], [("put", 1, "a b")], [("put", 1, "b")]],
)
@example(
    preset="tags",
    share=1e9,
    most_steps=64,
    edits=[[("put", 1, "a")], [("put", 2, "a"), ("sync", 1, "")], [("put", 1, "a b")]],
)
@example(
    preset="title",
    share=1e9,
    most_steps=64,
    edits=[[("put", 1, "a b")], [("put", 1, "b c"), ("title", 1, "one")], [("remove", 1, "")]],
)
def test_centroids_after_any_edits_are_the_means(
    world: World, preset: str, share: float, most_steps: int, edits: list[list[Any]]
) -> None:
    held: dict[int, str] = {}
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(tag_vectors, "STEP", 1 / 2)
        patches.setattr(tag_vectors, "MOST_STEPS", most_steps)
        patches.setattr(moved, "LARGEST_SHARE", share)
        refuse_poison(patches)
        world.run("TRUNCATE questions, tags")
        world.forget()
        for between_syncs in edits:
            limit = None
            for operation, number, value in between_syncs:
                if operation == "sync":
                    limit = number
                else:
                    _edit(world, held, operation, number, value)
            world.sync(Choice(preset), limit=limit)
            assert_right_centroids(world, held)
