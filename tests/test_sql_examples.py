"""The queries that users copy: each is one reading statement with a remark on top, and its result is the right one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from tagdb.db import userquery
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tests.pipeline import stored

FOLDER = Path(__file__).resolve().parents[1] / "sql" / "examples"
JAVA, PYTHON = 0, 1

# id, month, known label, text, tags, predicted label, probability
QUESTIONS = [
    (1, 1, "java", "spring bean", "java spring", "java", 0.99),
    (2, 1, "java", "spring bean", "java spring", "java", 0.95),
    (3, 2, "java", "json in java", "java json", "python", 0.8),
    (4, 2, "java", "json", "json", "python", 0.55),
    (5, 1, "python", "pandas frame", "python pandas", "python", 0.98),
    (6, 2, "python", "json in python", "python json", "python", 0.9),
    (7, 2, "python", "json again", "json", "java", 0.6),
    (8, 3, None, "pandas frame", "python pandas", "python", 0.97),
    (9, 3, None, "json who knows", "json", "java", 0.51),
    (10, 3, None, "something", "java", "java", 0.7),
    (11, 3, "python", "not embedded yet", "python", None, None),
    (12, 3, None, "nor this", "", None, None),
]
NEAR = {"spring bean": JAVA, "json in java": JAVA, "json": JAVA, "something": JAVA}


def _months(*rows: tuple[int, ...] | tuple[object, ...]) -> list[tuple[object, ...]]:
    return [(dt.date(2020, int(str(month)), 1), *rest) for month, *rest in rows]


EXPECTED: dict[str, list[tuple[object, ...]]] = {
    "accuracy": [(7, 4, 0.5714)],
    "class_share_over_time": _months(
        (1, "java", 0.667, None),
        (1, "python", 0.333, None),
        (2, "java", 0.25, -0.417),
        (2, "python", 0.75, 0.417),
        (3, "java", 0.667, 0.417),
        (3, "python", 0.333, -0.417),
    ),
    "compare_classifiers": [
        ("better", True, "first", 2, 40, 0.95, 0.9),
        ("worse", False, "first", 3, 20, 0.75, 0.7),
    ],
    "confusion_matrix": [
        ("java", "java", 2, 0.5),
        ("java", "python", 2, 0.5),
        ("python", "java", 1, 0.333),
        ("python", "python", 2, 0.667),
    ],
    "coverage": [
        ("in the table", 12, 1.0),
        ("with a vector", 10, 0.833),
        ("labelled", 10, 0.833),
        ("labelled with 0.9 or more", 5, 0.417),
    ],
    "disagreements": [
        (3, "json in java", "java", "python", 0.8),
        (7, "json again", "python", "java", 0.6),
        (4, "json", "java", "python", 0.55),
    ],
    "label_by_month": _months(
        (1, "java", 2, 0.97),
        (1, "python", 1, 0.98),
        (2, "python", 3, 0.75),
        (2, "java", 1, 0.6),
        (3, "java", 2, 0.605),
        (3, "python", 1, 0.97),
    ),
    "label_by_tag": [
        ("json", "python", 3, 0.6),
        ("json", "java", 2, 0.4),
        ("java", "java", 3, 0.75),
        ("java", "python", 1, 0.25),
        ("python", "python", 3, 1.0),
        ("pandas", "python", 2, 1.0),
        ("spring", "java", 2, 1.0),
    ],
    "least_certain": [
        (9, "json who knows", "java", 0.51),
        (10, "something", "java", 0.7),
        (8, "pandas frame", "python", 0.97),
    ],
    "mixed_tags": [
        ("json", 5, 2, 0.971),
        ("java", 4, 2, 0.811),
        ("python", 3, 1, 0.0),
        ("pandas", 2, 1, 0.0),
        ("spring", 2, 1, 0.0),
    ],
    "neighbours_against_classifier": [(9, "java", 0.51, "python", 3)],
    "precision_recall_f1": [("java", 0.6667, 0.5, 0.5714, 4), ("python", 0.5, 0.6667, 0.5714, 3)],
    "probability_histogram": [
        (0.5, 2, 0.53, 0.0),
        (0.6, 1, 0.6, 0.0),
        (0.7, 1, 0.7, None),
        (0.8, 1, 0.8, 0.0),
        (0.9, 5, 0.958, 1.0),
    ],
    "same_text": [("pandas frame", 2, [5, 8], ["python"]), ("spring bean", 2, [1, 2], ["java"])],
}


@pytest.fixture(scope="module")
def world(server: EmbeddedServer, execute: Callable[[str], None], template: str) -> Iterator[Database]:
    """The twelve questions, two classifiers, and the labels."""
    with stored.shared_database(server, execute, template, "test_examples") as database:
        rng, axes = np.random.default_rng(0), np.eye(2, stored.DIM)
        texts = [text for _, _, _, text, *_ in QUESTIONS]
        vectors = {
            text: (axes[NEAR.get(text, PYTHON)] + rng.normal(0, 0.003, stored.DIM)).astype(np.float32)
            for text in texts[:10]
        }
        labels, tags = [known for _, _, known, *_ in QUESTIONS], [each[4].split() for each in QUESTIONS]
        stored.fill(database, texts, vectors, labels=labels, tags=tags)
        with database.session() as session:
            session.run_script(
                "INSERT INTO tagdb.classifier "
                "(name, embedder_id, kind, classes, query, metrics, settings, versions, active) "
                "SELECT t.name, e.id, 'logistic regression', classes, '', metrics::jsonb, '{}', '{}', t.active "
                "FROM tagdb.embedder e, (VALUES "
                """('worse', '{a,b,c}'::text[], '{"rows": 20, "accuracy": 0.75, "macro_f1": 0.7}', false), """
                """('better', '{java,python}', '{"rows": 40, "accuracy": 0.95, "macro_f1": 0.9}', true)) """
                "AS t (name, classes, metrics, active)"
            )
            for number, month, _, _, _, label, probability in QUESTIONS:
                session.run_script(f"UPDATE questions SET created_at = '2020-{month:02}-05 12:00Z' WHERE id = {number}")
                if label:
                    session.run_script(
                        "INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id) "
                        f"SELECT {number}, '{label}', {probability}, c.id, q.text_id "
                        f"FROM tagdb.classifier c, tagdb.question q WHERE c.active AND q.question_id = {number}"
                    )
        yield database


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def test_every_example_has_its_result_here() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.sql"))


@pytest.mark.parametrize("name", EXPECTED)
def test_example_answers_its_question(world: Database, name: str) -> None:
    sql = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    remark = list(takewhile(lambda line: line.startswith("-- "), sql.splitlines()))
    assert "?" in "".join(remark), "it opens with the question it answers"
    with world.session() as session:
        checked = userquery.check(session, sql)
    rows = [tuple(map(_plain, row)) for row in stored.rows(world, sql)]
    if name == "compare_classifiers":
        assert checked.columns[-1] == "created_at"
        rows = [row[:-1] for row in rows]
    assert rows == EXPECTED[name]


def test_questions_without_a_time_break_no_example(world: Database) -> None:
    with world.session() as session:
        session.run_script("UPDATE questions SET created_at = NULL WHERE id = 10")
    try:
        found = {path.stem: stored.rows(world, path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.sql")}
    finally:
        with world.session() as session:
            session.run_script("UPDATE questions SET created_at = '2020-03-05 12:00Z' WHERE id = 10")
    assert [row[0] for row in found["class_share_over_time"]].count(None) == 0
