"""Which classifier is active after training, and the reason that is given."""

from __future__ import annotations

import pytest

from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.learning import classifiers
from tagdb.pipeline.learning.train import TrainResult, TrainSettings, train
from tests.pipeline import stored

GOOD = stored.LABELLED
BAD = "SELECT id, (ARRAY['java', 'python', 'ruby'])[1 + id % 3] AS label FROM questions"

pytestmark = pytest.mark.usefixtures("vectors")


def _train(database: Database, query: str, name: str, *, activate: bool = False) -> TrainResult:
    return train(database, query, TrainSettings(), Silent(), name=name, activate=activate)


def _active(database: Database) -> list[str]:
    return [each.name for each in classifiers.stored(database) if each.active]


def test_first_one_is_active(database: Database) -> None:
    result = _train(database, BAD, "first")
    assert (result.active, result.reason, result.active_metrics) == (True, "there was no active classifier", None)
    assert _active(database) == ["first"]


def test_better_one_takes_over_on_the_same_rows(database: Database) -> None:
    _train(database, BAD, "bad")
    result = _train(database, GOOD, "good")
    assert result.active
    assert result.active_metrics is not None
    ours, theirs = result.metrics.accuracy, result.active_metrics.accuracy
    assert result.reason == f"its accuracy of {ours:.4f} beats the {theirs:.4f} of 'bad' on the same rows"
    assert result.active_metrics.rows == result.metrics.rows
    assert _active(database) == ["good"]


def test_worse_or_equal_one_is_stored_and_waits(database: Database) -> None:
    _train(database, GOOD, "good")
    noisy = (
        f"SELECT t.question_id, b.label FROM ({GOOD}) t JOIN ({BAD}) b ON b.id = t.question_id WHERE b.id % 7 = 0 "
        f"UNION ALL {GOOD} AND id % 7 <> 0"
    )
    worse, equal = _train(database, noisy, "worse"), _train(database, GOOD, "equal")
    for result in (worse, equal):
        assert result.active_metrics is not None
        ours, theirs = result.metrics.accuracy, result.active_metrics.accuracy
        assert ours <= theirs
        assert not result.active
        assert result.reason == f"its accuracy of {ours:.4f} does not beat the {theirs:.4f} of 'good' on the same rows"
    assert _active(database) == ["good"]
    assert len(classifiers.stored(database)) == 3


def test_one_that_is_split_otherwise_waits_for_its_rows_are_not_unseen(database: Database) -> None:
    _train(database, BAD, "bad")
    result = train(database, GOOD, TrainSettings(seed=7), Silent(), name="good")
    assert not result.active
    assert "another seed or test size" in result.reason
    assert _active(database) == ["bad"]


def test_activate_settles_it(database: Database) -> None:
    _train(database, GOOD, "good")
    result = _train(database, BAD, "bad", activate=True)
    assert (result.active, result.reason) == (True, "you asked for it")
    assert _active(database) == ["bad"]


def test_one_of_an_embedder_no_longer_in_use_gives_way(database: Database, vectors: dict[str, stored.Vector]) -> None:
    _train(database, GOOD, "old")
    with database.session() as session:
        stored.embed(session, stored.new_embedder(session, "second"), vectors)
    result = _train(database, BAD, "new")
    assert (result.active, result.reason) == (True, "'old' was trained on vectors no longer in use")
    assert result.active_metrics is None
    assert _active(database) == ["new"]


def test_labels_only_the_active_one_knows_count_as_its_mistakes(database: Database) -> None:
    _train(database, GOOD, "three")
    two = "SELECT id, CASE WHEN label = 'java' THEN 'java' ELSE 'other' END AS label FROM questions"
    result = _train(database, two, "two")
    assert result.active_metrics is not None
    assert result.active_metrics.classes == ("java", "other", "python", "ruby")
    assert result.active_metrics.per_class["java"].recall > 0.8
    assert result.active_metrics.per_class["other"].recall == 0


def test_one_that_lacks_labels_of_the_active_one_waits_however_good_it_is(database: Database) -> None:
    _train(database, GOOD, "three")
    two = "SELECT id, CASE WHEN label = 'java' THEN 'java' ELSE 'other' END AS label FROM questions"
    result = _train(database, two, "two")
    assert (result.active, result.reason) == (False, "it cannot give the labels python, ruby, which 'three' gives")
    assert _active(database) == ["three"]
