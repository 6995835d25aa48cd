"""Labels that only case or blanks tell apart are counted and told, before anything fails because of them."""

from __future__ import annotations

import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline.learning.train import TrainSettings, train
from tests.pipeline import stored

VARIED = """
SELECT id, CASE WHEN label = 'python' THEN (ARRAY['python', 'PYTHON', E' Python \\t'])[1 + id % 3]
    WHEN label = 'ruby' AND id % 2 = 0 THEN '' WHEN label = 'ruby' THEN '  ' ELSE label END AS label FROM questions
"""

pytestmark = pytest.mark.usefixtures("vectors")


class Warned(Silent):
    """A reporter that keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        """Keep a line."""
        self.warnings.append(message)


def test_one_warning_counts_them(database: Database) -> None:
    told = Warned()
    result = train(database, VARIED, TrainSettings(), told)
    counted = {
        row.label: row.n
        for row in stored.rows(database, f"SELECT label, count(*) AS n FROM ({VARIED}) q GROUP BY label")
    }
    groups = {each.labels: dict(zip(each.labels, each.rows, strict=True)) for each in result.training.similar}
    assert sorted(sorted(labels) for labels in groups) == [["", "  "], [" Python \t", "PYTHON", "python"]]
    assert {label: rows for each in groups.values() for label, rows in each.items()} == {
        label: rows for label, rows in counted.items() if label != "java"
    }
    (warning,) = told.warnings
    assert f"'PYTHON' ({counted['PYTHON']} rows)" in warning
    assert f"'' ({counted['']} rows)" in warning
    assert r"' Python \t'" in warning


def test_different_labels_are_no_matter(database: Database) -> None:
    told = Warned()
    assert train(database, stored.LABELLED, TrainSettings(), told).training.similar == ()
    assert told.warnings == []


def test_a_single_blank_label_counts(database: Database) -> None:
    told = Warned()
    train(
        database,
        "SELECT id, CASE WHEN label = 'ruby' THEN ' ' ELSE label END AS label FROM questions",
        TrainSettings(),
        told,
    )
    assert told.warnings == [
        "labels that only case or blanks tell apart, or blank ones, are classes too: ' ' (60 rows)"
    ]


def test_hundreds_of_them_make_one_line_and_are_told_before_the_refusal(database: Database) -> None:
    told = Warned()
    either = "CASE WHEN id % 2 = 0 THEN 'Label ' ELSE 'label ' END"
    many = f"SELECT id, {either} || repeat('x', 500) || id / 2 AS label FROM questions"
    with pytest.raises(InputRefused) as refused:
        train(database, many, TrainSettings(), told)
    (warning,) = told.warnings
    assert len(warning) < 1_500
    assert warning.endswith("more such labels")
    assert len(str(refused.value)) < 2_000
    assert " more" in str(refused.value)
