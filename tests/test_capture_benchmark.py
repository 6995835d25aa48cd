"""The benchmark of capture: on few questions it goes all the way, and capture finds all that was edited."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.pipeline.syncing.moved import Moved
from tests.pipeline.capturing import collected_looks

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import capture as benchmark


def test_both_ways_do_the_same_and_only_one_compares_everything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "INSERTED", 50)
    monkeypatch.setattr(benchmark, "TURNS", 2)
    looks = collected_looks(monkeypatch)
    arguments = argparse.Namespace(questions=400, edits=40, rounds=1, text="title")
    rows = {row["what"]: row for row in benchmark.run(database, arguments)}
    assert rows["sync after 40 edits"]["captured"] > 0
    assert rows["INSERT of 50 questions"]["times"] > 0
    assert looks[-3:] == [Moved.NONE, Moved.SOME, Moved.UNKNOWN]
    with database.session() as session:
        (difference,) = session.rows_of(
            "SELECT (SELECT count(*) FROM questions) - (SELECT count(*) FROM tagdb.labels) AS labels, "
            "(SELECT count(*) FROM tagdb.unfinished) + (SELECT count(*) FROM tagdb.captured) AS left_over",
            {},
        )
    assert tuple(difference) == (0, 0)
