"""Training again: what the active classifier was trained with, on what its query gives today."""

from __future__ import annotations

import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused, QueryRefused
from tagdb.models import Silent
from tagdb.pipeline.learning import classifiers
from tagdb.pipeline.learning.train import TrainSettings, train, train_again
from tests.pipeline import stored

SETTINGS = TrainSettings(sample=120, test_size=0.4, seed=7, C=0.5, max_iter=50, timeout=60)

pytestmark = pytest.mark.usefixtures("vectors")


def test_query_and_settings_are_those_of_the_active_one(database: Database) -> None:
    train(database, stored.LABELLED, SETTINGS, Silent(), name="first")
    train(database, "SELECT id, 'x' || id % 2 AS label FROM questions", TrainSettings(), Silent(), name="waits")
    result = train_again(database, {}, Silent(), name="anew")
    kept = classifiers.find(database, "anew")
    assert (kept.query, kept.settings) == (stored.LABELLED, vars(SETTINGS))
    assert result.active_metrics is not None
    assert result.reason.endswith("of 'first' on the same rows")


def test_given_settings_and_query_take_their_place(database: Database) -> None:
    train(database, stored.LABELLED, SETTINGS, Silent())
    train_again(database, {"seed": 1, "sample": None}, Silent(), query=f"{stored.LABELLED} AND id > 3", name="anew")
    kept = classifiers.find(database, "anew")
    assert kept.query == f"{stored.LABELLED} AND id > 3"
    assert kept.settings == {**vars(SETTINGS), "seed": 1, "sample": None}


def test_new_labels_are_learnt_and_the_better_one_takes_over(database: Database) -> None:
    labels = stored.column(database, "SELECT label FROM questions ORDER BY id")
    stored.run(database, "UPDATE questions SET label = (ARRAY['java', 'python', 'ruby'])[1 + id % 3]")
    train(database, stored.LABELLED, TrainSettings(), Silent(), name="bad")
    for number, label in enumerate(labels, 1):
        stored.run(database, f"UPDATE questions SET label = '{label}' WHERE id = {number}")
    result = train_again(database, {}, Silent())
    assert result.active
    assert [each.name for each in classifiers.stored(database) if each.active] == [result.name]


def test_settings_that_this_version_does_not_know_are_left_out(database: Database) -> None:
    train(database, stored.LABELLED, SETTINGS, Silent())
    stored.run(database, "UPDATE tagdb.classifier SET settings = settings - 'timeout' || '{\"depth\": 3}'")
    train_again(database, {}, Silent(), name="anew")
    assert classifiers.find(database, "anew").settings == {**vars(SETTINGS), "timeout": 300}


def test_works_after_a_switch_of_the_embedder(database: Database, vectors: dict[str, stored.Vector]) -> None:
    train(database, stored.LABELLED, SETTINGS, Silent(), name="old")
    with database.session() as session:
        stored.embed(session, stored.new_embedder(session, "second"), vectors)
    assert train_again(database, {}, Silent()).active


def test_without_an_active_one_there_is_nothing_to_repeat(database: Database) -> None:
    with pytest.raises(InputRefused, match="there is no active classifier to train again") as refused:
        train_again(database, {}, Silent())
    assert refused.value.hint == "tagdb train --query SQL"


def test_query_that_no_longer_works_is_named(database: Database) -> None:
    train(database, stored.LABELLED, SETTINGS, Silent(), name="it's mine")
    stored.run(database, "ALTER TABLE questions RENAME label TO known")
    with pytest.raises(QueryRefused, match=r"the query of classifier .it's mine. no longer works: .*label") as refused:
        train_again(database, {}, Silent())
    assert "tagdb models show 'it'\"'\"'s mine'" in (refused.value.hint or "")
    assert len(classifiers.stored(database)) == 1
