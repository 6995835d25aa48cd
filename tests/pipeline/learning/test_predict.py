"""Labels: written where they are due and nowhere else, all at once, with the numbers numpy gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database, Row, Session
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline import sync
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.learning import classifiers, predict
from tagdb.pipeline.learning.train import TrainSettings, train
from tests.examples import examples
from tests.pipeline import stored

LABELS = "SELECT question_id, label, probability, classifier_id, text_id, xmin::text FROM tagdb.labels ORDER BY 1"


def _labels(database: Database) -> dict[int, Row]:
    return {row.question_id: row for row in stored.rows(database, LABELS)}


def _classifier(database: Database, coef: np.ndarray, intercept: np.ndarray, *, name: str = "made") -> int:
    """Store a classifier of these weights, (n_classes, 1024) and (n_classes,), with the classes c0, c1, …"""
    with database.session() as session:
        embedder = registry.active(session)
        assert embedder is not None
        number: int = session.scalar(
            "train.insert_classifier",
            name=name,
            embedder=embedder.id,
            classes=[f"c{place}" for place in range(len(coef))],
            query="",
            settings="{}",
            versions="{}",
        )
        for place, (row, constant) in enumerate(zip(coef, intercept, strict=True)):
            session.execute(
                "train.insert_weight",
                classifier=number,
                **{"class": f"c{place}"},
                position=place + 1,
                coef=str(row.tolist()),
                intercept=float(constant),
            )
        session.execute("classifier.deactivate", id=number)
        session.execute("classifier.activate", id=number)
    return number


def test_only_stale_labels_are_written(database: Database, vectors: dict[str, stored.Vector]) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent())
    result = predict.predict(database, Silent())
    assert (result.written, result.removed, result.classifier) == (180, 0, "classifier-1")
    before = _labels(database)
    assert predict.predict(database, Silent()).written == 0
    assert _labels(database) == before

    stored.run(
        database,
        "UPDATE tagdb.question SET text_id = (SELECT id FROM tagdb.text WHERE text = 'text 2') WHERE question_id = 1",
        "DELETE FROM tagdb.labels WHERE question_id = 2",
        "UPDATE tagdb.labels SET label = 'kept as it is' WHERE question_id = 3",
    )
    untouched = {number: row for number, row in _labels(database).items() if number not in (1, 2)}
    assert predict.predict(database, Silent()).written == 2
    after = _labels(database)
    assert {number: after[number] for number in untouched} == untouched
    assert after[3].label == "kept as it is"
    assert (after[1].label, after[1].text_id) == (before[2].label, before[2].text_id)
    assert after[2].probability == before[2].probability
    assert stored.column(database, "SELECT written FROM tagdb.run WHERE command = 'predict' ORDER BY id") == [180, 0, 2]


def test_label_of_a_question_without_a_vector_goes(database: Database, vectors: dict[str, stored.Vector]) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent())
    predict.predict(database, Silent())
    stored.run(
        database,
        "DELETE FROM tagdb.text_vector WHERE text_id = (SELECT text_id FROM tagdb.question WHERE question_id = 180)",
        "DELETE FROM tagdb.question WHERE question_id = 1",
    )
    lost = stored.column(
        database,
        "SELECT question_id FROM tagdb.question q WHERE NOT EXISTS "
        "(SELECT FROM tagdb.text_vector v WHERE v.text_id = q.text_id)",
    )
    result = predict.predict(database, Silent())
    assert (result.written, result.removed) == (0, len(lost) + 1)
    assert set(_labels(database)) == set(range(2, 181)) - set(lost)


def test_sync_keeps_labels_with_their_texts(database: Database, tiny_embedder: Path) -> None:
    stored.run(
        database,
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text)",
        "INSERT INTO questions SELECT i, CASE WHEN i % 2 = 0 THEN 'snake ' ELSE 'coffee ' END || i % 12, "
        "CASE WHEN i % 2 = 0 THEN 'python' ELSE 'java' END FROM generate_series(1, 30) i",
    )
    registry.choose(database, str(tiny_embedder))
    sync.sync(database, sync.Choice("title"), Silent())
    train(database, stored.LABELLED, TrainSettings(), Silent())
    assert sync.sync(database, sync.Choice(), Silent()).labelled == 30
    before = _labels(database)
    stored.run(
        database,
        "UPDATE questions SET title = 'snake 10' WHERE id = 1",
        "UPDATE questions SET title = ' ' WHERE id = 2",
        "DELETE FROM questions WHERE id = 3",
        "INSERT INTO questions VALUES (31, 'coffee 1')",
    )
    result = sync.sync(database, sync.Choice(), Silent())
    after = _labels(database)
    assert result.labelled == 2
    assert set(after) == set(before) - {2, 3} | {31}
    assert {number: after[number] for number in range(4, 31)} == {number: before[number] for number in range(4, 31)}
    assert (after[1].label, after[1].probability) == (before[10].label, before[10].probability)
    assert (after[31].label, after[31].probability) == (before[13].label, before[13].probability)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    classes=st.integers(2, 40),
    scale=st.sampled_from([1e-6, 1.0, 1e3, 1e6, 1e12]),
    seed=st.integers(0, 2**16),
)
def test_extreme_scores_give_the_softmax(
    database: Database, vectors: dict[str, stored.Vector], classes: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    coef = (rng.standard_normal((classes, stored.DIM)) * scale).astype(np.float32)
    intercept = rng.standard_normal(classes) * scale
    stored.run(database, "DELETE FROM tagdb.classifier")
    number = _classifier(database, coef, intercept, name=f"{seed}")
    found = stored.rows(
        database,
        "SELECT t.text, c.label, c.probability FROM tagdb.text_vector v JOIN tagdb.text t ON t.id = v.text_id "
        f"CROSS JOIN LATERAL tagdb.classify(v.embedding, {number}) c",
    )
    for row in found:
        scores = coef.astype(np.float64) @ vectors[row.text].astype(np.float64) + intercept
        odds = np.exp(scores - scores.max())
        probabilities = odds / odds.sum()
        rounding = max(1e-4 * scale, 1e-9)
        assert scores[int(row.label[1:])] >= scores.max() - rounding
        assert 1 / classes <= row.probability <= 1
        if scale <= 1:
            assert row.probability == pytest.approx(probabilities.max(), abs=rounding)


@pytest.mark.parametrize("classes", [1, 2, 3, 40, 300])
def test_written_labels_are_those_of_the_public_function(
    database: Database, vectors: dict[str, stored.Vector], classes: int
) -> None:
    rng = np.random.default_rng(classes)
    coef = (rng.standard_normal((classes, stored.DIM)) * 0.1).astype(np.float32)
    number = _classifier(database, coef, -coef @ np.mean(list(vectors.values()), axis=0))
    assert predict.predict(database, Silent()).written == 180
    found = stored.rows(
        database,
        "SELECT l.label, l.probability, c.label AS expected, c.probability AS likely FROM tagdb.labels l "
        f"JOIN tagdb.embedding e USING (question_id) CROSS JOIN LATERAL tagdb.classify(e.embedding, {number}) c",
    )
    assert [row.label for row in found] == [row.expected for row in found]
    assert len({row.label for row in found}) >= min(classes, 2)
    np.testing.assert_allclose([row.probability for row in found], [row.likely for row in found], rtol=0, atol=1e-12)


def test_labels_without_text_go_while_others_are_renewed_and_added(
    database: Database, vectors: dict[str, stored.Vector]
) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent())
    predict.predict(database, Silent())
    stored.run(
        database,
        "DELETE FROM tagdb.labels WHERE question_id = 1",
        "UPDATE tagdb.labels SET label = 'old', text_id = -1, predicted_at = '2020-01-01' WHERE question_id = 2",
        "DELETE FROM tagdb.text_vector WHERE text_id = (SELECT text_id FROM tagdb.question WHERE question_id = 3)",
        "DELETE FROM tagdb.question WHERE question_id = 4",
    )
    without = stored.column(
        database,
        "SELECT question_id FROM tagdb.question WHERE text_id NOT IN (SELECT text_id FROM tagdb.text_vector)",
    )
    renewed = [number for number in (1, 2) if number not in without]
    assert renewed
    result = predict.predict(database, Silent())
    assert (result.written, result.removed) == (len(renewed), len({4, *without} - {1}))
    assert set(_labels(database)) == set(range(1, 181)) - {4} - set(without)
    assert "old" not in {row.label for row in _labels(database).values()}
    fresh = "SELECT count(*) FROM tagdb.labels WHERE predicted_at < '2021-01-01'"
    assert stored.column(database, fresh) == [0]


def test_scores_beyond_the_range_of_exp_are_written(database: Database, vectors: dict[str, stored.Vector]) -> None:
    coef = np.zeros((3, stored.DIM), dtype=np.float32)
    _classifier(database, coef, np.array([-5000.0, 5000.0, 4999.0]))
    assert predict.predict(database, Silent()).written == 180
    labels = _labels(database).values()
    assert {row.label for row in labels} == {"c1"}
    assert [row.probability for row in labels] == pytest.approx([1 / (1 + np.exp(-1))] * 180, abs=1e-12)


def test_equal_scores_give_the_first_class(database: Database, vectors: dict[str, stored.Vector]) -> None:
    _classifier(database, np.zeros((4, stored.DIM), dtype=np.float32), np.zeros(4))
    predict.predict(database, Silent())
    assert {(row.label, row.probability) for row in _labels(database).values()} == {("c0", 0.25)}


def test_other_classifier_renews_every_label_in_one_transaction(
    database: Database, vectors: dict[str, stored.Vector], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent())
    predict.predict(database, Silent())
    other = _classifier(database, np.zeros((2, stored.DIM), dtype=np.float32), np.array([0.0, 1.0]), name="other")
    classifiers.activate(database, "other")
    seen: dict[str, list[object]] = {}
    execute = Session.execute

    def watched(self: Session, query: str, /, **parameters: Any) -> int:
        touched = execute(self, query, **parameters)
        seen[query] = stored.column(database, "SELECT DISTINCT classifier_id FROM tagdb.labels")
        return touched

    with monkeypatch.context() as patch:
        patch.setattr(Session, "execute", watched)
        assert predict.predict(database, Silent()).written == 180
    assert seen["predict.write_labels"] == seen["predict.drop_work"] == [1]
    assert seen["predict.analyze"] == [other]
    assert len({row.xmin for row in _labels(database).values()}) == 1


def test_failure_halfway_leaves_the_old_labels(
    database: Database, vectors: dict[str, stored.Vector], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent())
    predict.predict(database, Silent())
    before = _labels(database)
    _classifier(database, np.zeros((2, stored.DIM), dtype=np.float32), np.zeros(2), name="other")
    execute = Session.execute

    def broken(self: Session, query: str, /, **parameters: Any) -> int:
        if query == "predict.drop_work":
            raise RuntimeError("killed")
        return execute(self, query, **parameters)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "execute", broken)
        with pytest.raises(RuntimeError, match="killed"):
            predict.predict(database, Silent())
    assert _labels(database) == before
    assert predict.predict(database, Silent()).written == 180


def test_without_a_classifier_it_says_how_to_train_one(database: Database, vectors: dict[str, stored.Vector]) -> None:
    with pytest.raises(InputRefused, match="there is no classifier yet") as refused:
        predict.predict(database, Silent())
    assert (refused.value.hint or "").startswith("tagdb train --query")


def test_classifier_of_another_embedder_is_not_used(database: Database, vectors: dict[str, stored.Vector]) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent())
    predict.predict(database, Silent())
    before = _labels(database)
    with database.session() as session:
        stored.embed(session, stored.new_embedder(session, "second"), vectors)
    with pytest.raises(InputRefused, match="trained on vectors of 'first', no longer in use") as refused:
        predict.predict(database, Silent())
    assert "tagdb train" in (refused.value.hint or "")
    assert _labels(database) == before
