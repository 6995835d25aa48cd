"""Blocks of texts on their way to vectors: what is cut, what is refused alone, and what a failure leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb import elmo
from tagdb.db.connection import Database
from tagdb.errors import InputRefused, WeightsError
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.sync import Choice
from tagdb.pipeline.syncing import blocks, ranges, working
from tests.examples import examples
from tests.pipeline.world import World, assert_same_vectors, encoder, load_once

_Encode = Callable[[elmo.Elmo, Sequence[Sequence[str]]], "np.ndarray"]
_ENCODE: _Encode = elmo.Elmo.embed_tokens


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return World(database, tiny_embedder)


def _encoder_that(monkeypatch: pytest.MonkeyPatch, refuses: Callable[[Sequence[str]], Exception | None]) -> list[int]:
    """Let the encoder raise what `refuses` says of the first text that it says something of; return the call sizes."""
    sizes: list[int] = []

    def encode(self: elmo.Elmo, tokenized: Sequence[Sequence[str]]) -> np.ndarray:
        sizes.append(len(tokenized))
        for tokens in tokenized:
            if error := refuses(tokens):
                raise error
        return _ENCODE(self, tokenized)

    monkeypatch.setattr(elmo.Elmo, "embed_tokens", encode)
    return sizes


def test_tokens_are_counted_and_cut_at_the_cap(world: World, tiny_embedder: Path) -> None:
    world.put({1: "a", 2: "a b c", 3: "a b c d e"})
    result = world.sync(max_tokens=3)
    stored = world.rows(
        "SELECT text, tokens, truncated FROM tagdb.text_vector v JOIN tagdb.text t ON t.id = v.text_id ORDER BY text"
    )
    assert stored == [("a", 1, False), ("a b c", 3, False), ("a b c d e", 3, True)]
    assert result.embedded.truncated == 1
    expected = encoder(tiny_embedder).embed(["a", "a b c", "a b c"])
    assert_same_vectors(world.vectors(), dict(enumerate(expected, 1)))


@pytest.mark.parametrize(("first", "then", "redone"), [(2, 4, 2), (4, 2, 2), (9, 5, 0), (3, 9, 2)])
def test_another_cap_makes_exactly_the_vectors_it_changes_anew(
    world: World, first: int, then: int, redone: int
) -> None:
    world.put({1: "a", 2: "a b", 3: "a b c d", 4: "a b c d e"})
    world.sync(max_tokens=first)
    assert world.sync(max_tokens=then).embedded.due == redone
    stored, centroids = world.vectors(), world.tag_vectors()
    world.forget()
    world.sync(max_tokens=then)
    assert_same_vectors(stored, world.vectors())
    for tag, (_, vector) in world.tag_vectors().items():
        np.testing.assert_allclose(centroids[tag][1], vector, atol=1e-6)


def test_block_size_changes_no_vector(world: World) -> None:
    world.put({number: " ".join(f"t{number % k}" for k in range(2, 6)) for number in range(1, 30)})
    world.sync(block_size=4)
    small = world.vectors()
    world.forget()
    world.sync()
    assert_same_vectors(small, world.vectors())


class _Clock:
    """A clock that goes on by what the encoder says its work takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds


@pytest.mark.parametrize(
    ("seconds_a_letter", "share", "most_texts", "largest"),
    [
        (0.005, 0.0, 1000, 1000),  # some seconds
        (0.05, 0.0, 1000, 100),  # as many, of a slower model
        (0.05, 0.5, 1000, 1000),  # half of all that is due
        (0.0, 0.0, 7, 140),  # as many vectors as are held in memory
    ],
)
def test_blocks_grow_to_what_their_time_their_share_or_the_memory_allows(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    seconds_a_letter: float,
    share: float,
    most_texts: int,
    largest: int,
) -> None:
    clock, blocks = _Clock(), list[int]()

    def work(self: elmo.Elmo, tokenized: Sequence[Sequence[str]]) -> np.ndarray:
        blocks.append(sum(len(token) for tokens in tokenized for token in tokens))
        clock.now += blocks[-1] * seconds_a_letter
        return _ENCODE(self, tokenized)

    monkeypatch.setattr(elmo.Elmo, "embed_tokens", work)
    monkeypatch.setattr(working, "time", clock)
    monkeypatch.setattr(ranges, "FIRST_BLOCK_BYTES", 20)
    monkeypatch.setattr(ranges, "BLOCK_SHARE", share)
    monkeypatch.setattr(ranges, "LARGEST_VECTORS_BYTES", most_texts * 4 * 1024)
    world.put({number: f"t{number:019}" for number in range(100, 200)})
    world.sync()
    assert blocks[0] == 20, "the first block is short whatever follows"
    assert all(after <= ranges.GROWTH * before for before, after in zip(blocks, blocks[2:], strict=False))
    assert max(blocks) == largest
    assert sum(blocks) == 2000
    assert world.vectors().keys() == set(range(100, 200))


def test_long_text_among_short_ones_is_a_block_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = _encoder_that(monkeypatch, lambda _: None)
    monkeypatch.setattr(ranges, "FIRST_BLOCK_BYTES", 10)
    monkeypatch.setattr(ranges, "GROWTH", 1)
    world.put({1: "a b", 2: "b c", 3: "c " + "d" * 500, 4: "d e", 5: "e f"})
    world.sync()
    assert sizes == [2, 1, 2]
    assert world.vectors().keys() == {1, 2, 3, 4, 5}


def test_texts_that_vanish_while_others_are_embedded_end_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete(tokens: Sequence[str]) -> None:
        if tokens[0] == "t1":
            world.run("DELETE FROM tagdb.question; DELETE FROM tagdb.text WHERE text IN ('t3', 't4')")

    _encoder_that(monkeypatch, delete)
    world.put({number: f"t{number}" for number in range(1, 8)})
    world.sync(block_size=1)
    stored = world.rows("SELECT text FROM tagdb.text_vector v JOIN tagdb.text t ON t.id = v.text_id ORDER BY text")
    assert [text for (text,) in stored] == ["t1", "t2", "t5", "t6", "t7"]


def test_refused_text_is_isolated_and_its_neighbours_are_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = _encoder_that(monkeypatch, lambda tokens: InputRefused("it's poison") if tokens[0] == "t7" else None)
    world.put({number: f"t{number}" for number in range(1, 33)})
    result = world.sync()
    assert world.failures() == {"t7": "it's poison"}
    assert world.vectors().keys() == set(range(1, 33)) - {7}
    assert (result.failed, result.embedded.texts) == (1, 31)
    assert len(sizes) == 1 + 2 * 5, "halving 32 texts takes five times two calls"
    run = world.last_run()
    assert (run["status"], run["read"], run["written"], run["failed"]) == ("done", 32, 31, 1)

    assert world.sync().embedded.due == 0, "a refused text is not tried again"
    monkeypatch.setattr(elmo.Elmo, "embed_tokens", _ENCODE)
    correct = world.vectors()
    world.forget()
    world.sync()
    assert_same_vectors(correct, {number: v for number, v in world.vectors().items() if number != 7})


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(1, 20), data=st.data())
def test_isolation_finds_exactly_the_refused_texts(
    n: int, data: st.DataObject, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = data.draw(st.sets(st.integers(0, n - 1)))
    _encoder_that(monkeypatch, lambda tokens: InputRefused("no") if int(tokens[0]) in poison else None)
    block = blocks.tokenize(list(range(n)), [str(i) for i in range(n)], encoder(tiny_embedder), 512)
    blocks.embed(block, encoder(tiny_embedder))
    assert block.failures == dict.fromkeys(poison, "no")
    kept = [i for i in range(n) if i not in poison]
    assert block.text_ids == kept
    assert len(block.tokens) == len(block.truncated) == len(kept)
    if kept:
        expected = _ENCODE(encoder(tiny_embedder), [[str(i)] for i in kept])
        np.testing.assert_allclose(np.concatenate(block.vectors), expected, atol=1e-5)


def test_model_that_fails_keeps_every_committed_block(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _encoder_that(monkeypatch, lambda tokens: WeightsError("not finite") if tokens[0] == "t7" else None)
    world.put({number: f"t{number}" for number in range(1, 10)})
    with pytest.raises(WeightsError, match="not finite"):
        world.sync(block_size=2)
    assert world.vectors().keys() == {1, 2, 3, 4, 5, 6}
    assert not world.failures()
    run = world.last_run()
    assert (run["status"], run["read"], run["written"], run["failed"]) == ("failed", 6, 6, 0)
    assert run["detail"]["error"] == "not finite"
    monkeypatch.setattr(elmo.Elmo, "embed_tokens", _ENCODE)
    assert world.sync().embedded.due == 3


def test_lost_second_connection_is_made_anew_and_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(tokens: Sequence[str]) -> None:
        if tokens[0] == "t5":
            world.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory') AND pid <> pg_backend_pid()"
            )

    _encoder_that(monkeypatch, cut)
    world.put({number: f"t{number}" for number in range(1, 10)})
    world.sync(block_size=1)
    run = world.last_run()
    assert (run["status"], run["written"]) == ("done", 9)
    assert world.vectors().keys() == set(range(1, 10))
    assert world.scalar("SELECT sum(texts) FROM tagdb.worker") == 9


def test_vector_is_never_stored_without_its_text(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text may be deleted by hand while its vector is being made."""

    def delete(tokens: Sequence[str]) -> None:
        if tokens[0] == "t2":
            world.run("DELETE FROM tagdb.question; DELETE FROM tagdb.text WHERE text = 't2'")

    _encoder_that(monkeypatch, delete)
    world.put({1: "t1", 2: "t2"})
    world.sync()
    assert world.rows("SELECT text FROM tagdb.text_vector v JOIN tagdb.text t ON t.id = v.text_id") == [("t1",)]
    monkeypatch.setattr(elmo.Elmo, "embed_tokens", _ENCODE)
    world.sync()
    assert world.vectors().keys() == {1, 2}


def test_vector_that_somebody_else_has_stored_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def store(tokens: Sequence[str]) -> None:
        if tokens[0] == "t2":
            world.run(
                "INSERT INTO tagdb.text_vector (text_id, embedder_id, tokens, truncated, embedding) "
                "SELECT t.id, e.id, 1, false, array_fill(7, ARRAY[1024])::vector "
                "FROM tagdb.text t, tagdb.embedder e WHERE t.text = 't2'"
            )

    _encoder_that(monkeypatch, store)
    world.put({1: "t1", 2: "t2"})
    world.sync()
    vectors = world.vectors()
    assert vectors.keys() == {1, 2}
    assert (vectors[2] == 7).all()
    assert not (vectors[1] == 7).any()


def test_every_text_of_a_hostile_set_gets_a_vector_or_a_reason(world: World) -> None:
    texts = [
        "",
        " \t\n ",
        "\u3000",
        "<S> </S>",
        "x" * 20_000,
        "a " * 3_000,
        "e" + "\u0301" * 500,
        "\u202eabc",
        "👩‍👩‍👧‍👦 🏳️‍🌈",
    ]
    texts += ["'; DROP TABLE questions; --", "\\x00 \\N \\.", "{}%s%(a)s :a", "<p>&amp;</p>", "\x01\x7f\ufeff"]
    with world.database.session() as session:
        for number, text in enumerate(texts):
            session.rows_of("INSERT INTO questions VALUES (:id, :title) RETURNING id", {"id": number, "title": text})
    world.run("CREATE VIEW asked AS SELECT id AS question_id, title AS text FROM questions")
    world.sync(Choice(sql="SELECT * FROM asked"))
    assert world.texts() == dict(enumerate(texts))
    vectors = world.vectors()
    assert vectors.keys() == {number for number, text in enumerate(texts) if text.split()}
    assert all(np.isfinite(vector).all() and vector.any() for vector in vectors.values())
    assert set(world.failures()) == {text for text in texts if not text.split()}
