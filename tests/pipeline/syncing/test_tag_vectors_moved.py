"""Centroids that are moved by the few questions that changed end where averaging all would, and read only those."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagdb.db.connection import Database, Session
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import moved, tag_vectors
from tests.pipeline.world import (
    World,
    assert_right_centroids,
    assert_same_centroids,
    expected_centroids,
    load_once,
)

# One tag of many questions, each with a text of its own.
QUESTIONS = {number: f"popular n{number}" for number in range(1, 41)}


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    monkeypatch.setattr(tag_vectors, "STEP", 1 / 8)
    return World(database, tiny_embedder)


@pytest.fixture
def filled(world: World) -> World:
    world.put(QUESTIONS)
    world.sync()
    return world


def _steps(world: World) -> dict[str, int]:
    return dict(world.rows("SELECT tag, steps FROM tagdb.tag_vector"))


def test_few_edits_move_a_centroid_without_reading_its_other_vectors(filled: World) -> None:
    """A vector that is overwritten by hand would show in the centroid if it were read again."""
    before = filled.tag_vectors()["popular"][1]
    vectors = filled.vectors()
    filled.run(
        f"UPDATE tagdb.text_vector SET embedding = array_fill(9, ARRAY[{len(before)}])::vector "
        "WHERE text_id NOT IN (SELECT text_id FROM tagdb.question WHERE question_id IN (1, 3))"
    )
    filled.put({1: "popular other", 41: "popular n41"})
    filled.remove(3)
    filled.sync()
    after, now = filled.tag_vectors(), filled.vectors()
    moved = before + (now[1] + now[41] - vectors[1] - vectors[3]) / 40
    np.testing.assert_allclose(after["popular"][1], moved, atol=1e-6)
    assert (after["popular"][0], _steps(filled)["popular"]) == (40, 1)


@pytest.mark.parametrize(
    ("preset", "edit"),
    [
        ("title", "UPDATE questions SET title = 'other' WHERE id = 2; UPDATE tags SET tag = 'x' WHERE question_id = 2"),
        ("title", "UPDATE tags SET tag = 'x' WHERE question_id = 2"),
        ("title", "INSERT INTO tags VALUES (2, 9, 'popular'); UPDATE questions SET title = 'other' WHERE id = 2"),
        ("title", "INSERT INTO tags VALUES (2, 9, 'popular')"),
        ("tags", "UPDATE tags SET tag = 'x' WHERE question_id IN (2, 42) AND position = 0"),
    ],
)
def test_difference_that_the_changed_questions_do_not_explain_is_averaged(world: World, preset: str, edit: str) -> None:
    world.put(QUESTIONS, title="a title")
    world.run("INSERT INTO questions VALUES (42, 'a title'); INSERT INTO tags VALUES (42, 0, 'very popular')")
    world.sync(Choice(preset))
    world.put({1: "popular"}, title="first")
    world.sync()
    moved = _steps(world)["popular"]
    world.run(edit)
    world.sync()
    assert (moved, _steps(world)["popular"]) == (1, 0)
    tags: dict[int, list[str]] = {}
    for number, tag in world.rows("SELECT question_id, tag FROM tags"):
        tags.setdefault(number, []).append(tag)
    assert_same_centroids(world.tag_vectors(), expected_centroids(world, tags), tolerance=1e-6)


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the names of the queries that are run; however few questions there are, those that moved count as few."""
    names: list[str] = []
    execute = Session.execute

    def collect(self: Session, query: str, /, **parameters: object) -> int:
        names.append(query)
        return execute(self, query, **parameters)

    monkeypatch.setattr(Session, "execute", collect)
    monkeypatch.setattr(moved, "LARGEST_SHARE", 1e9)
    return names


def test_tags_of_the_questions_that_moved_are_all_that_is_looked_at(filled: World, executed: list[str]) -> None:
    tags = {**QUESTIONS, 1: "popular other", 2: "other n2", 41: "popular n41 n1", 70: "popular"}
    filled.put({number: tags[number] for number in (1, 2, 41, 70)})
    filled.remove(3)
    del tags[3]
    filled.sync()
    assert "tag_vectors.create_stale_moved" in executed
    assert "tag_vectors.delete_gone" not in executed
    assert_right_centroids(filled, tags)
    filled.run("UPDATE questions SET title = 'no text of ours' WHERE id = 70")
    filled.sync()
    assert_right_centroids(filled, tags)


@pytest.mark.parametrize(("before", "after"), [(["a b"], ["a", "b"]), (["a", "b"], ["a b"]), (["a b", "c"], ["c"])])
def test_tags_with_blanks_are_not_guessed_from_texts(
    filled: World, executed: list[str], before: list[str], after: list[str]
) -> None:
    def tag(names: list[str]) -> None:
        rows = ", ".join(f"(50, {place}, '{name}')" for place, name in enumerate(names))
        filled.run(f"DELETE FROM tags WHERE question_id = 50; INSERT INTO tags VALUES {rows}")

    filled.put({50: "", 51: "a b", 52: "c"})
    tag(before)
    filled.sync()
    tag(after)
    executed.clear()
    filled.sync()
    assert "tag_vectors.delete_gone" in executed
    assert filled.tag_vectors().keys() >= set(after)
    tags = {**{number: names.split() for number, names in QUESTIONS.items()}, 50: after, 51: ["a", "b"], 52: ["c"]}
    assert_same_centroids(filled.tag_vectors(), expected_centroids(filled, tags), tolerance=1e-6)


def test_centroid_that_somebody_deletes_meanwhile_comes_back(filled: World, executed: list[str]) -> None:
    filled.put({1: "popular", 60: "unseen"})
    filled.sync_while("embedding", lambda: filled.run("DELETE FROM tagdb.tag_vector WHERE tag = 'n7'"))
    assert_right_centroids(filled, {**QUESTIONS, 1: "popular", 60: "unseen"})


@pytest.mark.parametrize("step", ["storing texts", "embedding", "averaging tags", "predicting"])
@pytest.mark.parametrize("first", [True, False])
def test_tags_that_change_during_a_sync_are_right_after_the_next(
    filled: World, executed: list[str], step: str, first: bool
) -> None:
    tags = {**QUESTIONS, 1: "popular other", 60: "unseen n60"}

    def edit() -> None:
        filled.put({7: "n8 other", 60: "popular n60"})
        filled.remove(9)

    if first:
        filled.forget()
    filled.put({number: tags[number] for number in (1, 60)})
    filled.sync_while(step, edit)
    tags |= {7: "n8 other", 60: "popular n60", 2: "n8 rare"}
    del tags[9]
    filled.put({2: "n8 rare"})
    filled.sync()
    assert_right_centroids(filled, tags)
    filled.put({3: "rare"})
    filled.sync()
    assert_right_centroids(filled, {**tags, 3: "rare"})


def test_question_whose_text_waited_for_its_vector_is_averaged_in(filled: World) -> None:
    filled.put({41: "popular n41", 42: "popular n42"})
    filled.sync(limit=1)
    assert (_steps(filled)["popular"], filled.tag_vectors()["popular"][0]) == (1, 41)
    filled.sync()
    assert (_steps(filled)["popular"], filled.tag_vectors()["popular"][0]) == (0, 42)
    assert_right_centroids(filled, {**QUESTIONS, 41: "popular n41", 42: "popular n42"})


def test_title_that_changes_moves_the_tags_that_stay(world: World) -> None:
    world.put(QUESTIONS, title="a title")
    world.sync(Choice("title"))
    world.put({1: QUESTIONS[1]}, title="another")
    world.sync()
    assert _steps(world)["popular"] == 1
    assert_right_centroids(world, QUESTIONS)


def test_tag_that_stands_twice_on_a_question_is_counted_as_the_checksum_does(filled: World) -> None:
    for steps, tags in enumerate(["popular n1 popular", "popular popular", "n1"], 1):
        filled.put({1: tags})
        filled.sync()
        assert _steps(filled)["popular"] == steps
        assert_right_centroids(filled, {**QUESTIONS, 1: tags})


def test_a_move_of_fewer_questions_counts_for_more_steps(filled: World) -> None:
    tags = QUESTIONS | dict.fromkeys(range(51, 55), "rare")
    filled.put(dict.fromkeys(range(51, 55), "rare"))
    filled.sync()
    assert _steps(filled)["rare"] == 0
    for number, steps in [(55, 2), (56, 4)]:
        filled.put({number: "popular rare"})
        tags[number] = "popular rare"
        filled.sync()
        assert _steps(filled)["rare"] == steps
        assert_right_centroids(filled, tags)
    assert _steps(filled)["popular"] == 2


def test_steps_add_up(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_vectors, "MOST_STEPS", 2)
    for number, steps in [(1, 1), (2, 2), (3, 0)]:
        filled.put({number: "popular other"})
        filled.sync()
        assert _steps(filled)["popular"] == steps


def test_checksum_of_what_is_averaged_is_of_the_same_pairs(
    filled: World, executed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a question that is listed twice, one row goes after its text was compared and before its tag is averaged."""
    tags = {**QUESTIONS, 51: "rare rare", 52: "rare", 53: "rare rare other"}
    filled.put({number: tags[number] for number in (51, 52, 53)})
    filled.sync()
    monkeypatch.setattr(tag_vectors, "MOST_STEPS", 2)
    tags[52] = "rare other"
    filled.put({52: tags[52]})
    executed.clear()
    unlist = "DELETE FROM tags WHERE question_id = 51 AND position = 1"
    filled.sync_while("averaging tags", lambda: filled.run(unlist))
    assert "tag_vectors.create_scales" in executed
    assert "tag_vectors.delete_gone" not in executed
    assert_right_centroids(filled, tags)


def test_many_edits_are_averaged(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_vectors, "MOST_STEPS", 2)
    edited = dict.fromkeys(range(1, 7), "popular")
    filled.put(edited)
    filled.sync()
    assert _steps(filled)["popular"] == 0
    assert_right_centroids(filled, {**QUESTIONS, **edited})


def test_nothing_is_kept_aside_for_more_changes_than_are_few(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_vectors, "MOST_CHANGES", 1)
    filled.put({1: "popular"})
    filled.sync()
    assert _steps(filled)["popular"] == 1
    filled.put({2: "popular", 3: "popular"})
    filled.sync()
    assert _steps(filled)["popular"] == 0


def test_centroid_is_averaged_anew_after_its_last_step(filled: World) -> None:
    filled.run(f"UPDATE tagdb.tag_vector SET steps = {tag_vectors.MOST_STEPS}, embedding = embedding + embedding")
    filled.put({1: "popular"})
    filled.sync()
    assert _steps(filled)["popular"] == 0
    assert_same_centroids(
        {"popular": filled.tag_vectors()["popular"]},
        {"popular": expected_centroids(filled, {n: ["popular"] for n in QUESTIONS})["popular"]},
        tolerance=1e-6,
    )


def test_sync_that_dies_before_it_moves_a_centroid_has_it_averaged_by_the_next(
    filled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Session.execute

    def die(self: Session, query: str, /, **parameters: object) -> int:
        done = execute(self, query, **parameters)
        if query == "tag_vectors.move_centroids":
            raise KeyboardInterrupt
        return done

    before = filled.tag_vectors()
    filled.put({1: "popular"})
    with monkeypatch.context() as patches:
        patches.setattr(Session, "execute", die)
        with pytest.raises(KeyboardInterrupt):
            filled.sync()
    assert_same_centroids(filled.tag_vectors(), {**before})
    filled.sync()
    assert _steps(filled)["popular"] == 0
    assert_right_centroids(filled, {**QUESTIONS, 1: "popular"})


def test_tables_of_the_user_are_not_taken_for_those_kept_aside(filled: World) -> None:
    filled.run("CREATE TABLE joining (); CREATE TABLE left_tag (); CREATE TABLE left_vector ()")
    filled.run("DELETE FROM tagdb.tag_vector")
    filled.sync()
    filled.put({1: "popular"})
    filled.sync()
    assert _steps(filled)["popular"] == 1
    assert filled.rows("SELECT * FROM joining, left_tag, left_vector") == []
