"""Whatever is edited at whichever statement of a sync, `status` claims afterwards what a full recomputation finds."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.db.connection import Database, Session
from tagdb.models import Silent
from tagdb.pipeline.asking.status import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice
from tests.examples import SAME_EACH_RUN
from tests.pipeline.world import SPLIT_QUERY, World, encoder, expected_centroids, load_once, titled_world

EVERY = int(os.environ.get("TAGDB_TEST_EVERY", "38" if SAME_EACH_RUN else "19"))
"""Each case tries every so many-th statement, and each begins with another one; 1 tries them all."""

CUSTOM = Choice(
    sql="SELECT id AS question_id, upper(title) AS text FROM questions",
    tags_sql="SELECT question_id, lower(tag) AS tag FROM tags",
)
SOURCES: Mapping[str, tuple[Choice, Callable[[str, str], str]]] = {
    "tags": (Choice("tags"), lambda _title, tags: tags),
    "title": (Choice("title"), lambda title, _tags: title),
    "title+tags": (Choice("title+tags"), lambda title, tags: f"{title} {tags}".strip()),
    "custom": (CUSTOM, lambda title, _tags: title.upper()),
}
EDITS = {
    "tags": (
        "UPDATE tags SET tag = 'moved{n}' WHERE question_id = 7 AND position = 0",
        "DELETE FROM tags WHERE question_id = 8 AND position = 1",
        "INSERT INTO tags VALUES (8, 1, 'shared')",
    ),
    "questions": (
        "UPDATE questions SET title = 'moved{n}' WHERE id = 7",
        "DELETE FROM questions WHERE id = 8",
        "INSERT INTO questions VALUES (8, 'title 8')",
    ),
}
CASES = list(itertools.product(SOURCES, EDITS))


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    return titled_world(database, tiny_embedder)


@contextmanager
def _before_statement(place: int, happens: Callable[[], object]) -> Iterator[Callable[[], int]]:
    """Let something happen before the statement of that number; give how many there have been."""
    passed, own = itertools.count(), threading.local()
    seen = [0]

    def count() -> None:
        if getattr(own, "busy", False):
            return
        seen[0] = now = next(passed)
        if now == place:
            own.busy = True
            happens()
            own.busy = False

    run, run_script = Session._run, Session.run_script

    def counted_run(self: Session, *arguments: Any) -> Any:
        count()
        return run(self, *arguments)

    def counted_script(self: Session, sql: str) -> None:
        count()
        run_script(self, sql)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(Session, "_run", counted_run)
        patches.setattr(Session, "run_script", counted_script)
        yield lambda: seen[0] + 1


def _is_current(world: World, embedder: Path, text_of: Callable[[str, str], str]) -> bool:
    """Compute all anew from the user's tables, without a query or a formula of tagdb's, and compare."""
    tags: dict[int, list[str]] = {}
    for number, tag in world.rows("SELECT question_id, tag FROM tags ORDER BY question_id, position"):
        tags.setdefault(number, []).append(tag)
    questions = dict(world.rows("SELECT id, coalesce(title, '') FROM questions"))
    texts = {number: text_of(title, " ".join(tags.get(number, []))) for number, title in questions.items()}
    if world.texts() != texts:
        return False
    embedded = {number: text for number, text in texts.items() if text}
    vectors = dict(zip(embedded, encoder(embedder).embed(list(embedded.values())), strict=True))
    stored = world.vectors()
    if stored.keys() != vectors.keys() or not all(np.allclose(stored[n], vectors[n], atol=1e-5) for n in vectors):
        return False
    expected, found = expected_centroids(world, tags), world.tag_vectors()
    if {tag: n for tag, (n, _) in expected.items()} != {tag: n for tag, (n, _) in found.items()}:
        return False
    if not all(np.allclose(vector, found[tag][1], atol=1e-5) for tag, (_, vector) in expected.items()):
        return False
    return world.rows("SELECT question_id, label FROM tagdb.labels ORDER BY 1") == _labels(world, stored)


def _labels(world: World, vectors: Mapping[int, Any]) -> list[tuple[int, str]]:
    weights = world.rows(
        "SELECT class, CAST(coef AS real[]), intercept FROM tagdb.classifier_weight ORDER BY classifier_id, position"
    )
    names, coefs, intercepts = zip(*weights, strict=True)
    scores = {number: np.array(coefs) @ vector + np.array(intercepts) for number, vector in vectors.items()}
    return [(number, names[int(np.argmax(scores[number]))]) for number in sorted(scores)]


@pytest.mark.parametrize(("source", "table"), CASES)
def test_current_is_what_a_recomputation_finds(world: World, tiny_embedder: Path, source: str, table: str) -> None:
    choice, text_of = SOURCES[source]
    world.sync(choice)
    train(world.database, SPLIT_QUERY, TrainSettings(), Silent())
    world.sync()
    assert _is_current(world, tiny_embedder, text_of)
    claims: list[bool] = []
    place, statements = CASES.index((source, table)) % EVERY, EVERY
    while place < statements:
        world.put({1: f"new{place} shared"}, title=f"new {place}")
        edit = EDITS[table][len(claims) % 3].format(n=place)
        with _before_statement(place, partial(world.run, edit)) as count:
            world.sync()
            statements = count()
        picture = status(world.database)
        claims.append(picture.current)
        assert picture.current == _is_current(world, tiny_embedder, text_of), (place, edit, picture)
        world.sync()
        picture = status(world.database)
        assert picture.current, (place, edit, picture)
        assert _is_current(world, tiny_embedder, text_of), (place, edit)
        place += EVERY
    assert statements > 40
    assert True in claims
    assert False in claims or (source, table) == ("tags", "questions")
