"""Centroids of tags: the mean over a tag's questions, renewed exactly where questions or texts changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database, Session
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import tag_vectors
from tests.pipeline.world import World, assert_same_centroids, expected_centroids, load_once

QUESTIONS = {1: "a b", 2: "a b", 3: "a b", 4: "a", 5: "a c", 6: "d", 7: ""}


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put(QUESTIONS)
    made.sync()
    return made


def _versions(world: World) -> dict[str, str]:
    return dict(world.rows("SELECT tag, CAST(xmin AS text) FROM tagdb.tag_vector"))


def _split(questions: dict[int, str]) -> dict[int, list[str]]:
    return {number: text.split() for number, text in questions.items()}


def test_centroid_is_the_mean_over_questions_and_not_over_distinct_texts(world: World) -> None:
    expected = expected_centroids(world, _split(QUESTIONS))
    assert {tag: n for tag, (n, _) in expected.items()} == {"a": 5, "b": 3, "c": 1, "d": 1}
    assert_same_centroids(world.tag_vectors(), expected, tolerance=1e-6)


@pytest.mark.parametrize(
    ("number", "tags", "stale"),
    [
        (6, "d e", {"d", "e"}),
        (4, "a c", {"a", "c"}),
        (8, "d", {"d"}),
        (1, "b a", {"a", "b"}),
        (7, "", set()),
    ],
)
def test_only_stale_centroids_are_written(world: World, number: int, tags: str, stale: set[str]) -> None:
    before = _versions(world)
    world.put({number: tags})
    assert world.sync().tags == len(stale)
    after = _versions(world)
    assert {tag for tag in after if after[tag] != before.get(tag)} == stale
    questions = {**QUESTIONS, number: tags}
    assert_same_centroids(world.tag_vectors(), expected_centroids(world, _split(questions)), tolerance=1e-6)


def test_centroid_vanishes_with_the_last_question_of_its_tag(world: World) -> None:
    before = _versions(world)
    world.remove(6)
    result = world.sync()
    assert (result.tags, result.tags_removed) == (0, 1)
    after = _versions(world)
    assert after.keys() == {"a", "b", "c"}
    assert after.items() <= before.items()


def test_two_questions_that_swap_texts_leave_their_tags_right(world: World) -> None:
    world.put({3: "a", 4: "a b"})
    world.sync()
    questions = {**QUESTIONS, 3: "a", 4: "a b"}
    assert_same_centroids(world.tag_vectors(), expected_centroids(world, _split(questions)), tolerance=1e-6)


def test_tag_that_a_question_has_twice_counts_once(world: World) -> None:
    def expect(questions: dict[int, str]) -> None:
        assert_same_centroids(world.tag_vectors(), expected_centroids(world, _split(questions)), tolerance=1e-6)

    world.put({8: "e e f", 9: "e g"})
    world.sync()
    expect({**QUESTIONS, 8: "e e f", 9: "e g"})
    world.put({8: "e e h"})
    world.sync()
    expect({**QUESTIONS, 8: "e e h", 9: "e g"})


def test_tags_that_change_under_an_unchanged_text_renew_their_centroids(world: World) -> None:
    world.put({1: "a b", 2: "a"}, title="one title")
    world.run("DELETE FROM questions WHERE id > 2")
    world.sync(Choice("title"))
    world.put({2: "b z"}, title="one title")
    result = world.sync()
    assert (result.changes.total, result.tags, result.tags_removed) == (0, 3, 0)
    assert_same_centroids(world.tag_vectors(), expected_centroids(world, {1: ["a", "b"], 2: ["b", "z"]}))


def test_tag_of_any_characters_has_a_centroid(world: World) -> None:
    tags = ["c#", "c++", "it's", 'a"b', "\\", "{}", "%s", ":x", "näïve", "数", "x" * 3000]
    world.put({10 + number: tag for number, tag in enumerate(tags)})
    world.sync()
    assert world.tag_vectors().keys() == {"a", "b", "c", "d", *tags}


def test_tags_edited_while_they_are_averaged_are_right_after_the_next_sync(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the members and reading the vectors, another session takes a tag away and puts it back later."""
    original = Session.execute

    def edit_between(self: Session, query: str, /, **parameters: object) -> int:
        if query == "tag_vectors.analyze_stale":
            monkeypatch.setattr(Session, "execute", original)
            world.run("DELETE FROM tags WHERE question_id = 4")
        return original(self, query, **parameters)

    monkeypatch.setattr(tag_vectors, "MOST_STEPS", 2)
    world.put({8: "a"})
    monkeypatch.setattr(Session, "execute", edit_between)
    world.sync()
    world.run("INSERT INTO tags VALUES (4, 0, 'a')")
    world.sync()
    expected = expected_centroids(world, _split({**QUESTIONS, 8: "a"}))
    assert_same_centroids(world.tag_vectors(), expected, tolerance=1e-6)
