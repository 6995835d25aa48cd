"""The demo: the whole loop on the sample, again without harm, and never on somebody's own questions."""

from __future__ import annotations

import pytest

from tagdb.db.connection import Database
from tagdb.errors import InputRefused
from tagdb.models import Silent
from tagdb.pipeline.demo import Step, demo


def _questions(database: Database) -> list[tuple[object, ...]]:
    with database.session() as session:
        return [tuple(row) for row in session.rows_of("SELECT id, title, label FROM questions ORDER BY id", {})]


def test_demo_ends_with_the_label_of_a_new_question_and_again_does_no_harm(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=public")
    first: list[Step] = []
    demo(database, Silent(), first.append)
    assert first[-1].rows[0][1] == "python"
    after_first = _questions(database)
    second: list[Step] = []
    demo(database, Silent(), second.append)
    assert [step.command for step in second] == [step.command for step in first]
    assert _questions(database) == after_first


def test_demo_keeps_away_from_questions_of_your_own(database: Database) -> None:
    with database.session() as session:
        session.run_script(
            "CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text, created_at timestamptz)"
        )
        session.run_script("INSERT INTO questions VALUES (1, 'mine', 'x'), (1000001, 'mine too', NULL)")
    before = _questions(database)
    with pytest.raises(InputRefused, match="questions of your own"):
        demo(database, Silent(), lambda _step: None)
    assert _questions(database) == before
