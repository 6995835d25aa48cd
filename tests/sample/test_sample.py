"""The bundled sample: well-formed, varied, neither trivial nor hopeless, and written anew byte for byte."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from tagdb import sample
from tagdb.sample import generate

LANGUAGES = {"python", "java", "javascript"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(sample.path(), "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_generator_writes_the_bundled_file(tmp_path: Path) -> None:
    out = tmp_path / "questions.csv.gz"
    generate.main(str(out))
    assert gzip.decompress(out.read_bytes()) == gzip.decompress(sample.path().read_bytes())


def test_the_seed_decides_the_rows() -> None:
    assert generate.render(50, seed=1) == generate.render(50, seed=1)
    assert generate.render(50, seed=1) != generate.render(50, seed=2)


def test_every_row_is_well_formed(rows: list[dict[str, str]]) -> None:
    assert len(rows) == generate.ROWS
    assert [int(row["id"]) for row in rows] == list(range(generate.FIRST_ID, generate.FIRST_ID + len(rows)))
    for row in rows:
        assert set(row) == set(generate.HEADER)
        tags = row["tags"].split(" ")
        assert 1 <= len(tags) <= 5
        assert len(set(tags)) == len(tags)
        assert all(re.fullmatch(r"[a-z0-9.#+-]+", tag) for tag in tags)
        assert row["label"] in LANGUAGES | {""}
        assert datetime.fromisoformat(row["created_at"]).tzinfo is not None


def test_titles_are_distinct_and_fully_written(rows: list[dict[str, str]]) -> None:
    titles = [row["title"] for row in rows]
    assert len(set(titles)) == len(titles)
    for title in titles:
        assert 10 <= len(title) <= 150
        assert not re.search(r"[{}]|  |^ | $", title)
        assert not re.search(r"\b[Aa] [aei]", title)


def test_rows_run_through_the_years(rows: list[dict[str, str]]) -> None:
    moments = [row["created_at"] for row in rows]
    assert moments == sorted(moments)
    per_year = Counter(moment[:4] for moment in moments)
    assert len(per_year) == 14
    assert min(per_year.values()) > 100


def test_languages_are_balanced_and_some_labels_unknown(rows: list[dict[str, str]]) -> None:
    share = {label: count / len(rows) for label, count in Counter(row["label"] for row in rows).items()}
    assert 0.13 < share.pop("") < 0.17
    assert all(0.24 < each < 0.33 for each in share.values())
    assert set(share) == LANGUAGES


def test_tag_lists_repeat_as_in_real_life(rows: list[dict[str, str]]) -> None:
    lists = Counter(row["tags"] for row in rows)
    assert 1000 < len(lists) < len(rows) / 3
    most_used = sum(count for _, count in lists.most_common(len(lists) // 10))
    assert most_used > 0.5 * len(rows)


def test_some_rows_lack_the_tag_of_their_language_and_none_has_another_ones(
    rows: list[dict[str, str]],
) -> None:
    labelled = [row for row in rows if row["label"]]
    own = sum(row["label"] in row["tags"].split() for row in labelled) / len(labelled)
    assert 0.75 < own < 0.9
    for row in labelled:
        assert not (LANGUAGES - {row["label"]}) & set(row["tags"].split())


@pytest.mark.parametrize(("column", "least", "most"), [("tags", 0.95, 0.99), ("title", 0.85, 0.97)])
def test_labels_are_learnable_but_not_given_away(
    rows: list[dict[str, str]], column: str, least: float, most: float
) -> None:
    labelled = [row for row in rows if row["label"]]
    labels = [row["label"] for row in labelled]
    words = TfidfVectorizer(token_pattern=r"\S+")
    predicted = cross_val_predict(
        make_pipeline(words, LogisticRegression()), [row[column] for row in labelled], labels, cv=4
    )
    assert least < f1_score(labels, predicted, average="macro") < most
