"""The stored classifiers: listed as they were trained, activated one at a time, deleted with all that is theirs."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from tagdb import classify
from tagdb.db.connection import Database
from tagdb.errors import DatabaseError, InputRefused
from tagdb.models import Silent
from tagdb.pipeline.learning import classifiers, predict
from tagdb.pipeline.learning.train import TrainResult, TrainSettings, train
from tests.pipeline import stored

Vectors = dict[str, stored.Vector]


def _two(database: Database) -> tuple[TrainResult, TrainResult]:
    first = train(database, stored.LABELLED, TrainSettings(), Silent(), name="first")
    return first, train(database, stored.LABELLED, TrainSettings(seed=1), Silent(), name="second")


def _active(database: Database) -> list[str]:
    return [each.name for each in classifiers.stored(database) if each.active]


def test_list_and_find_tell_what_training_told(database: Database, vectors: Vectors) -> None:
    results = _two(database)
    listed = classifiers.stored(database)
    assert [(each.id, each.name) for each in listed] == [(each.classifier, each.name) for each in results]
    for each, result in zip(listed, results, strict=True):
        assert classify.Metrics.from_json(each.metrics) == result.metrics
        assert (each.report, each.confusion) == (result.report, result.confusion)
        assert each.usable
        assert each.embedder == "first"
        assert classifiers.find(database, each.name) == classifiers.find(database, str(each.id)) == each
        assert json.loads(json.dumps(asdict(each), default=str))["metrics"] == result.metrics.to_json()


def test_activate_moves_the_mark_and_makes_labels_stale(database: Database, vectors: Vectors) -> None:
    _, second = _two(database)
    predict.predict(database, Silent())
    assert _active(database) == ["first"]
    assert classifiers.activate(database, "second").active
    assert _active(database) == ["second"]
    assert predict.predict(database, Silent()).written == 180
    assert stored.column(database, "SELECT DISTINCT classifier_id FROM tagdb.labels") == [second.classifier]
    classifiers.activate(database, "second")
    assert predict.predict(database, Silent()).written == 0


def test_one_of_another_embedder_is_not_activated(database: Database, vectors: Vectors) -> None:
    _two(database)
    with database.session() as session:
        stored.embed(session, stored.new_embedder(session, "new"), vectors)
    with pytest.raises(InputRefused, match="trained on vectors of embedder 'first'") as refused:
        classifiers.activate(database, "second")
    assert refused.value.hint == "train on the new vectors: tagdb train --query SQL"
    assert _active(database) == ["first"]


def test_delete_takes_weights_and_labels_along(database: Database, vectors: Vectors) -> None:
    _, second = _two(database)
    predict.predict(database, Silent())
    classifiers.delete(database, str(second.classifier), Silent())
    assert stored.column(database, "SELECT count(*) FROM tagdb.labels") == [180]
    assert _active(database) == ["first"]
    classifiers.delete(database, "first", Silent())
    for relation in ("classifier", "classifier_weight", "labels"):
        assert stored.column(database, f"SELECT count(*) FROM tagdb.{relation}") == [0]
    commands = stored.column(database, "SELECT command FROM tagdb.run ORDER BY id")
    assert commands == ["train", "train", "predict", "models delete", "models delete"]


def test_labels_of_a_deleted_one_are_first_written_anew_by_the_active_one(database: Database, vectors: Vectors) -> None:
    first, second = _two(database)
    predict.predict(database, Silent())
    classifiers.activate(database, "second")
    planned = classifiers.deletion(database, "first")
    assert (planned.written, planned.total, planned.heir, planned.renewed) == (180, 180, "second", 0)
    done = classifiers.delete(database, "first", Silent())
    assert (done.renewed, done.removed, done.heir) == (180, 0, "second")
    labels = stored.rows(database, "SELECT classifier_id, count(*) AS n FROM tagdb.labels GROUP BY 1")
    assert [tuple(row) for row in labels] == [(second.classifier, 180)]
    assert predict.predict(database, Silent()).written == 0
    (run,) = stored.rows(database, "SELECT written, detail FROM tagdb.run WHERE command = 'models delete'")
    assert (run.written, run.detail["labels_removed"], run.detail["renewed_by"]) == (180, 0, "second")
    assert first.classifier not in [each.id for each in classifiers.stored(database)]


def test_labels_go_along_where_the_active_one_cannot_write_them(database: Database, vectors: Vectors) -> None:
    _two(database)
    predict.predict(database, Silent())
    classifiers.activate(database, "second")
    with database.session() as session:
        stored.embed(session, stored.new_embedder(session, "new"), vectors)
    assert classifiers.deletion(database, "first").heir is None
    done = classifiers.delete(database, "first", Silent())
    assert (done.written, done.total, done.renewed, done.removed, done.heir) == (180, 180, 0, 180, None)
    assert stored.column(database, "SELECT count(*) FROM tagdb.labels") == [0]


def test_delete_that_cannot_renew_the_labels_deletes_nothing(
    database: Database, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _two(database)
    predict.predict(database, Silent())
    classifiers.activate(database, "second")
    stored.run(
        database,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON tagdb.labels FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    with pytest.raises(DatabaseError, match="not now"):
        classifiers.delete(database, "first", Silent())
    assert len(classifiers.stored(database)) == 2
    assert stored.column(database, "SELECT count(*) FROM tagdb.labels") == [180]


def _delete(database: Database, which: str) -> object:
    return classifiers.delete(database, which, Silent())


@pytest.mark.parametrize("use", [classifiers.find, classifiers.activate, classifiers.deletion, _delete])
def test_unknown_one_is_named(database: Database, vectors: Vectors, use: object) -> None:
    _two(database)
    with pytest.raises(InputRefused, match="there is no classifier 'third'") as refused:
        use(database, "third")  # type: ignore[operator]
    assert refused.value.hint == "tagdb models list"
    assert len(classifiers.stored(database)) == 2
