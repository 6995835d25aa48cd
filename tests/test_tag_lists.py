"""The generated tag lists of the benchmarks: the same for the same seed, and drawn as they are said to be."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import tag_lists

ROWS = 4_000


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    names = [*(f"tag{number}" for number in range(300)), *tag_lists.LANGUAGES]
    path = tmp_path / "counts.csv"
    path.write_text("TagName,Count\n" + "".join(f"{name},{1000 - place}\n" for place, name in enumerate(names)))
    return path


def _make(monkeypatch: pytest.MonkeyPatch, counts: Path, name: str, *options: str) -> list[list[str]]:
    path = counts.with_name(name)
    monkeypatch.setattr(sys, "argv", ["tag_lists", str(counts), str(ROWS), str(path), *options])
    tag_lists.main()
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_rows_are_drawn_as_described(counts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tag_lists, "ROWS_AT_ONCE", 1_500)
    header, *rows = _make(monkeypatch, counts, "tagdataset.csv")
    assert header == ["", "tags", "label"]
    assert [int(number) for number, _, _ in rows] == list(range(ROWS))
    lists = [tags.split(" ") for _, tags, _ in rows]
    assert [int(label) for _, _, label in rows] == [tags[0] == "python" for tags in lists]
    assert {tags[0] for tags in lists} == set(tag_lists.LANGUAGES)
    assert all(len(set(tags)) == len(tags) for tags in lists)
    popular_first = [[int(tag[3:]) for tag in tags[1:]] for tags in lists]
    assert all(places == sorted(places) for places in popular_first)
    shares = np.bincount([len(tags) - 1 for tags in lists], minlength=5) / ROWS
    assert shares[0] == pytest.approx(tag_lists.MORE_TAGS[0], abs=0.03)
    assert 0 < shares[4] < tag_lists.MORE_TAGS[4]  # repeats fall together


def test_a_seed_gives_the_same_rows(counts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _make(monkeypatch, counts, "first.csv")
    assert _make(monkeypatch, counts, "again.csv") == first
    assert _make(monkeypatch, counts, "other.csv", "--seed", "1") != first
