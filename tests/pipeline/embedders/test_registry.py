"""Embedders: found and registered, switched without a gap and without a mixture, refused when their files changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tagdb import elmo
from tagdb.db.connection import Database
from tagdb.errors import EmbedderUnavailable, InputRefused
from tagdb.models import Silent
from tagdb.pipeline.asking import nearest, status
from tagdb.pipeline.embedders import installed, registry
from tagdb.pipeline.learning.train import TrainSettings, train
from tagdb.pipeline.sync import Choice, sync
from tagdb.pipeline.syncing import tag_vectors
from tests.elmo.weights import write_random_elmo
from tests.pipeline.world import (
    World,
    assert_same_centroids,
    assert_same_vectors,
    encoder,
    expected_centroids,
    load_once,
)

QUESTIONS = {1: "a b", 2: "b", 3: "c a", 4: "d"}


@pytest.fixture(scope="module")
def other_embedder(short_folder: Path) -> Path:
    return write_random_elmo(short_folder / "other", projection_dim=512, dim=8, seed=7)


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put(QUESTIONS)
    made.sync()
    return made


def _expected(directory: Path) -> dict[int, np.ndarray]:
    vectors = encoder(directory).embed(list(QUESTIONS.values()))
    return dict(zip(QUESTIONS, vectors, strict=True))


def _states(world: World) -> dict[str, tuple[str, int]]:
    return {each.name: (each.state, each.vectors) for each in registry.overview(world.database)}


def test_old_vectors_serve_until_the_new_ones_are_complete(world: World, other_embedder: Path) -> None:
    before, centroids = world.vectors(), world.tag_vectors()
    neighbours = nearest.nearest_tags(world.database, "a", 3, Silent(), exact=True)
    registry.choose(world.database, str(other_embedder))
    assert world.sync(limit=3).texts_left == 1
    assert_same_vectors(world.vectors(), before, tolerance=0)
    assert_same_centroids(world.tag_vectors(), centroids, tolerance=0)
    assert nearest.nearest_tags(world.database, "a", 3, Silent(), exact=True) == neighbours
    assert world.scalar("SELECT count(DISTINCT embedder_id) FROM tagdb.text_vector") == 2
    picture = status.status(world.database)
    assert (picture.embedder, picture.switching_to, picture.due, picture.current) == ("tiny", "other", 1, False)
    assert _states(world) == {
        "tiny": ("in use until the next sync is complete", 4),
        "other": ("chosen: sync switches to it", 3),
        "starter": ("shipped", 0),
    }

    assert world.sync().embedded.due == 1
    assert_same_vectors(world.vectors(), _expected(other_embedder))
    expected = expected_centroids(world, {number: text.split() for number, text in QUESTIONS.items()})
    assert_same_centroids(world.tag_vectors(), expected, tolerance=1e-6)
    for relation in ("text_vector", "tag_vector"):
        assert world.scalar(f"SELECT count(DISTINCT embedder_id) FROM tagdb.{relation}") == 1, relation
    assert _states(world)["tiny"] == ("no", 0)
    assert status.status(world.database).current


def test_centroids_of_the_new_embedder_stand_before_anything_reads_it(
    world: World, other_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.choose(world.database, str(other_embedder))
    seen: list[int] = []
    promote: Callable[..., bool] = registry.promote

    def spy(*args: object) -> bool:
        switched = promote(*args)
        seen.append(len(world.tag_vectors()))
        return switched

    monkeypatch.setattr(registry, "promote", spy)
    world.sync()
    assert seen == [4]


def test_sync_killed_between_centroids_and_switch_is_completed_by_the_next(
    world: World, other_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.choose(world.database, str(other_embedder))
    refresh = tag_vectors.refresh

    def die(*args: object) -> None:
        refresh(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tag_vectors, "refresh", die)
        with pytest.raises(KeyboardInterrupt):
            world.sync()
    assert _states(world)["tiny"] == ("in use until the next sync is complete", 4)
    assert len(world.tag_vectors()) == 4
    assert world.sync().embedded.due == 0
    assert_same_vectors(world.vectors(), _expected(other_embedder))


def test_switch_given_up_half_way_leaves_nothing_behind(
    world: World, tiny_embedder: Path, other_embedder: Path
) -> None:
    before = world.versions()
    registry.choose(world.database, str(other_embedder))
    world.sync(limit=2)
    registry.choose(world.database, str(tiny_embedder))
    assert _states(world)["other"] == ("no", 0)
    result = world.sync()
    assert (result.embedded.due, result.tags) == (0, 0)
    after = world.versions()
    assert {name: after[name] for name in after if name != "embedder"} == {
        name: before[name] for name in before if name != "embedder"
    }


def test_switching_there_and_back_embeds_twice_and_ends_where_it_began(
    world: World, tiny_embedder: Path, other_embedder: Path
) -> None:
    before = world.vectors()
    for directory in (other_embedder, tiny_embedder):
        registry.choose(world.database, str(directory))
        assert world.sync().embedded.due == 4
    assert_same_vectors(world.vectors(), before)


def test_rows_edited_during_a_switch_are_right_at_its_end(world: World, other_embedder: Path) -> None:
    registry.choose(world.database, str(other_embedder))
    world.sync(limit=1)
    world.put({2: "e f", 5: ""})
    world.remove(4)
    assert world.plan().texts_due == 3
    world.sync()
    expected = encoder(other_embedder).embed(["a b", "e f", "c a"])
    assert_same_vectors(world.vectors(), dict(enumerate(expected, 1)))


def test_classifier_of_the_former_embedder_is_said_to_be_so(world: World, other_embedder: Path) -> None:
    world.put({number: f"x{number}" if number % 2 else f"y{number}" for number in range(10, 40)})
    world.sync()
    query = "SELECT id AS question_id, CASE WHEN id % 2 = 0 THEN 'even' ELSE 'odd' END AS label FROM questions"
    train(world.database, query, TrainSettings(), Silent())
    planned = world.plan().labels_due
    result = world.sync()
    assert planned == result.labelled == 34
    labels = world.versions()["labels"]

    registry.choose(world.database, str(other_embedder))
    world.put({99: "z"})
    assert world.plan().labels_due == 0
    result = world.sync()
    assert isinstance(result.label_fault, InputRefused)
    assert "'tiny', no longer in use" in str(result.label_fault)
    assert result.label_fault.hint == "train it on the new vectors: tagdb train --again"
    assert world.versions()["labels"] == labels
    picture = status.status(world.database)
    assert (picture.classifier_usable, picture.stale, picture.due, picture.current) == (False, 1, 0, False)

    train(world.database, query, TrainSettings(), Silent())
    assert world.sync().labelled == 35
    assert status.status(world.database).current


def test_changed_files_of_an_embedder_are_refused(database: Database, tiny_embedder: Path, short_folder: Path) -> None:
    folder = shutil.copytree(tiny_embedder, short_folder / "changing")
    world = World(database, folder)
    world.put(QUESTIONS)
    write_random_elmo(folder, projection_dim=512, dim=8, seed=3)
    with pytest.raises(EmbedderUnavailable, match="have changed since it was chosen") as refused:
        world.sync()
    assert refused.value.hint == f"switch to what is there now: tagdb embedder use {folder}"
    assert world.scalar("SELECT count(*) FROM tagdb.text_vector") == 0
    assert world.last_run()["status"] == "failed"
    registry.choose(database, str(folder))
    world.sync()
    assert_same_vectors(world.vectors(), _expected(folder))

    shutil.rmtree(folder)
    world.put({9: "e"})
    with pytest.raises(EmbedderUnavailable, match="there is no embedder"):
        world.sync()


def test_moved_embedder_is_the_same_embedder(world: World, tiny_embedder: Path, short_folder: Path) -> None:
    folder = shutil.copytree(tiny_embedder, short_folder / "moved" / "tiny")
    registry.choose(world.database, str(folder))
    result = world.sync()
    assert result.embedded.due == 0
    assert world.scalar("SELECT directory FROM tagdb.embedder") == str(folder)


@pytest.mark.parametrize("name", ["nobody", "./nobody", "../starter", "", "/", "starter/../../x"])
def test_unknown_embedder_is_refused_and_nothing_changes(world: World, name: str) -> None:
    before = world.versions()
    with pytest.raises(EmbedderUnavailable, match="there is no embedder") as refused:
        registry.choose(world.database, name)
    assert refused.value.hint == "tagdb embedder list"
    assert world.versions() == before


def test_shipped_starter_is_the_default_and_works(database: Database) -> None:
    with database.session() as session:
        session.run_script("CREATE TABLE docs AS SELECT 1 AS question_id, 'python pandas' AS text")
    result = sync(database, Choice(sql="SELECT * FROM docs"), Silent())
    assert (result.embedder, result.embedded.texts) == ("starter", 1)
    spec = installed.describe("starter")
    assert (spec.name, spec.dim) == ("starter", 1024)
    with database.session() as session:
        ((vector,),) = session.rows_of("SELECT CAST(embedding AS real[]) FROM tagdb.embedding", {})
        (stored,) = session.rows_of("SELECT fingerprint, directory FROM tagdb.embedder", {})
    (expected,) = elmo.Elmo.load(Path(spec.directory)).embed(["python pandas"])
    np.testing.assert_allclose(vector, expected, atol=1e-5)
    assert tuple(stored) == (spec.fingerprint, "starter")
