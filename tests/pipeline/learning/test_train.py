"""Training: what is stored and written in SQL is what scikit-learn says of the same vectors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from sklearn.preprocessing import StandardScaler

from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.learning import classifiers, predict
from tagdb.pipeline.learning.train import TrainResult, TrainSettings, train
from tests.pipeline import stored
from tests.pipeline.conftest import LABELS, Fits, Shared

Vectors = dict[str, stored.Vector]


def _train(database: Database, query: str = stored.LABELLED, **settings: object) -> TrainResult:
    return train(database, query, TrainSettings(**settings), Silent())  # type: ignore[arg-type]


def _row_labels(database: Database, query: str = stored.LABELLED) -> list[tuple[str, str]]:
    return [
        (row.title, row.label)
        for row in stored.rows(
            database, f"SELECT q.title, t.label FROM ({query}) t JOIN questions q ON q.id = t.question_id"
        )
    ]


@pytest.mark.parametrize("classes", [2, 3])
def test_labels_written_in_sql_equal_scikit_learn(
    database: Database, vectors: Vectors, fits: Fits, classes: int
) -> None:
    query = f"{stored.LABELLED} AND label <= '{LABELS[classes - 1]}'"
    result = _train(database, query)
    predict.predict(database, Silent())

    counted = Counter(_row_labels(database, query))
    train_texts = set(fits.texts(vectors))
    pairs = [(text, label) for text in vectors for label in LABELS if text in train_texts and counted[text, label]]
    weight = np.array([counted[pair] for pair in pairs], dtype=np.float64)
    trained = np.array([vectors[text] for text, _ in pairs], dtype=np.float64)
    scaler = StandardScaler().fit(trained, sample_weight=weight)
    model = LogisticRegression(tol=3e-4, max_iter=500)
    model.fit(scaler.transform(trained).astype(np.float32), [label for _, label in pairs], sample_weight=weight)

    matrix = np.array(list(vectors.values()), dtype=np.float64)
    expected = dict(zip(vectors, model.predict_proba(scaler.transform(matrix)), strict=True))
    labelled = stored.rows(
        database, "SELECT q.title, l.label, l.probability FROM questions q JOIN tagdb.labels l ON l.question_id = q.id"
    )
    classified = stored.rows(
        database,
        "SELECT t.text AS title, c.label, c.probability FROM tagdb.text_vector v JOIN tagdb.text t ON t.id = v.text_id "
        f"CROSS JOIN LATERAL tagdb.classify(v.embedding, {result.classifier}) c",
    )
    assert (len(labelled), len(classified)) == (180, 90)
    for row in (*labelled, *classified):
        probabilities = expected[row.title]
        assert row.label == model.classes_[probabilities.argmax()]
        assert row.probability == pytest.approx(probabilities.max(), abs=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_metrics_equal_scikit_learn_on_the_held_out_rows(shared: Shared, fits: Fits, classes: int) -> None:
    database, vectors = shared
    query = f"{stored.LABELLED} AND label <= '{LABELS[classes - 1]}'"
    # Every fifth label is wrong, so that no score is 1.
    query = f"SELECT question_id, CASE WHEN question_id % 5 = 0 THEN 'java' ELSE label END AS label FROM ({query}) t"
    result = _train(database, query)
    stored_metrics = classifiers.find(database, result.name).metrics
    says = {
        row.text: row.label
        for row in stored.rows(
            database,
            "SELECT t.text, c.label FROM tagdb.text_vector v JOIN tagdb.text t ON t.id = v.text_id "
            f"CROSS JOIN LATERAL tagdb.classify(v.embedding, {result.classifier}) c",
        )
    }
    held_out = [(label, says[text]) for text, label in _row_labels(database, query) if text not in fits.texts(vectors)]
    actual, predicted = zip(*held_out, strict=True)
    names = list(LABELS[:classes])
    columns = precision_recall_fscore_support(actual, predicted, labels=names, zero_division=0)
    assert stored_metrics["accuracy"] == pytest.approx(accuracy_score(actual, predicted))
    assert stored_metrics["macro_f1"] == pytest.approx(f1_score(actual, predicted, labels=names, average="macro"))
    assert stored_metrics["confusion"] == confusion_matrix(actual, predicted, labels=names).tolist()
    assert 0 < stored_metrics["accuracy"] < 1
    for name, *expected in zip(names, *columns, strict=True):
        found = stored_metrics["per_class"][name]
        assert [found[key] for key in ("precision", "recall", "f1", "support")] == pytest.approx(expected)


def test_no_text_is_on_both_sides(shared: Shared, fits: Fits) -> None:
    database, vectors = shared
    result = _train(database)
    train_texts = set(fits.texts(vectors))
    rows = _row_labels(database)
    held_out = Counter(label for text, label in rows if text not in train_texts)
    assert {name: each.support for name, each in result.metrics.per_class.items()} == held_out
    assert result.training.train_rows + result.training.test_rows == result.training.read == len(rows)


@pytest.mark.parametrize("test_size", [0.1, 0.3, 0.5])
def test_split_is_stratified_by_label(shared: Shared, fits: Fits, test_size: float) -> None:
    database, _ = shared
    _train(database, test_size=test_size)
    assert Counter(fits.y[0].tolist()) == dict.fromkeys(range(3), 30 - round(30 * test_size))


def test_same_seed_same_split_and_metrics(database: Database, vectors: Vectors, fits: Fits) -> None:
    first, again, other = _train(database, seed=1), _train(database, seed=1), _train(database, seed=2)
    assert fits.texts(vectors, 0) == fits.texts(vectors, 1)
    assert first.metrics == again.metrics
    assert set(fits.texts(vectors, 0)) != set(fits.texts(vectors, 2))
    assert [each.settings["seed"] for each in classifiers.stored(database)] == [1, 1, 2]
    assert other.training.train_texts == first.training.train_texts


def test_repeated_text_is_fitted_once_with_its_count_as_weight(shared: Shared, fits: Fits) -> None:
    database, vectors = shared
    result = _train(database)
    texts = fits.texts(vectors)
    assert len(set(texts)) == len(texts) == result.training.train_texts
    counted = Counter(text for text, _ in _row_labels(database))
    assert fits.weight[0].tolist() == [counted[text] for text in texts]
    assert set(fits.weight[0].tolist()) == {1, 2, 3}
    assert fits.weight[0].sum() == result.training.train_rows


def test_text_with_two_labels_stays_on_one_side_with_both(shared: Shared, fits: Fits) -> None:
    database, vectors = shared
    mixed = [f"text {number}" for number in range(70, 91)]
    query = (
        f"{stored.LABELLED} UNION ALL SELECT id, 'ruby' FROM questions WHERE label = 'java' "
        f"AND title IN ({', '.join(map(repr, mixed))})"
    )
    _train(database, query)
    seen: dict[str, set[int]] = {}
    for text, label in zip(fits.texts(vectors), fits.y[0].tolist(), strict=True):
        seen.setdefault(text, set()).add(label)
    javas = {row.title for row in stored.rows(database, "SELECT title FROM questions WHERE label = 'java'")}
    assert {frozenset(seen[text]) for text in javas & set(mixed) & set(seen)} == {frozenset({0, 2})}
    assert not javas & set(mixed) <= set(seen), "none of the mixed texts was held out"


def test_sample_is_a_seeded_part_of_the_rows(shared: Shared, fits: Fits) -> None:
    database, vectors = shared
    first, again, other = (_train(database, sample=100, seed=seed) for seed in (5, 5, 6))
    assert [r.training.train_rows + r.training.test_rows for r in (first, again, other)] == [100] * 3
    assert first.training.rows_not_sampled == 80
    assert first.metrics == again.metrics
    sampled = [dict(zip(fits.texts(vectors, call), fits.weight[call], strict=True)) for call in range(3)]
    assert sampled[0] == sampled[1] != sampled[2]
    whole = _train(database, sample=5000)
    assert whole.training.train_rows + whole.training.test_rows == 180


def test_rows_without_label_or_vector_are_counted_and_left_out(database: Database, vectors: Vectors) -> None:
    stored.run(
        database,
        "UPDATE questions SET label = NULL WHERE id <= 7",
        "INSERT INTO questions (id, title, label) VALUES (1000, 'not embedded yet', 'java'), (1001, 'neither', 'ruby')",
    )
    result = _train(database, "SELECT id, label FROM questions")
    training = result.training
    assert (training.read, training.without_label, training.without_vector) == (182, 7, 2)
    assert training.train_rows + training.test_rows == 173
    (last,) = stored.rows(database, "SELECT * FROM tagdb.run WHERE command = 'train'")
    assert (last.status, last.read, last.written, last.skipped) == ("done", 182, 173, 9)
    assert last.detail["skipped"] == {"label is NULL": 7, "no vector": 2}


def test_query_seed_and_versions_are_kept(database: Database, vectors: Vectors) -> None:
    query = "SELECT id::bigint AS question_id, label\nFROM questions -- 100% of %s\nWHERE label LIKE '%';\n"
    result = _train(database, query, seed=3, C=0.5, max_iter=50)
    (kept,) = classifiers.stored(database)
    assert kept.query == query
    assert kept.settings == {"sample": None, "test_size": 0.3, "seed": 3, "C": 0.5, "max_iter": 50, "timeout": 300}
    assert set(kept.versions) == {"scikit-learn", "scipy", "numpy"}
    assert kept.classes == LABELS
    assert (kept.id, kept.name, kept.active) == (result.classifier, "classifier-1", True)


def test_names_that_are_taken_are_skipped(database: Database, vectors: Vectors) -> None:
    train(database, stored.LABELLED, TrainSettings(), Silent(), name="classifier-2")
    assert _train(database).name == "classifier-3"


def test_plot_is_a_png(database: Database, vectors: Vectors, tmp_path: Path) -> None:
    picture = tmp_path / "confusion.png"
    train(database, stored.LABELLED, TrainSettings(), Silent(), plot=picture)
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    assert min(int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) > 300
