"""Neighbours as values, and classifiers that carry their tables."""

from __future__ import annotations

import pytest

import tagdb
from tests.pipeline import stored
from tests.pipeline.world import World


def test_tags_questions_and_conditions(world: World) -> None:
    db = tagdb.connect()
    db.sync()
    tags = db.nearest("java", 4)
    assert [each.distance for each in tags] == sorted(each.distance for each in tags)
    assert all(each.tag != "java" and each.questions for each in tags)
    questions = db.nearest("java", 4, questions=True, where="id < 10")
    assert {each.question_id < 10 for each in questions} == {True}
    (short,) = db.nearest("java", 1, questions=True, longest=3)
    assert short.text is not None
    assert len(short.text) == 3
    with pytest.raises(tagdb.UsageError, match="a condition is on questions"):
        db.nearest("java", where="id < 10")  # type: ignore[call-overload]
    with pytest.raises(tagdb.InputRefused, match="an empty text"):
        db.nearest(" ")


def test_training_again_takes_the_former_settings_but_for_those_given(world: World) -> None:
    db = tagdb.connect()
    db.sync()
    with pytest.raises(tagdb.UsageError):
        db.train()
    with pytest.raises(tagdb.UsageError):
        db.train(stored.LABELLED, test_size=2.0)
    first = db.train(stored.LABELLED, seed=4, C=0.5)
    again = db.train(again=True, C=0.25, name="again")
    assert (db.model(first.name).settings["seed"], db.model(first.name).settings["C"]) == (4, 0.5)
    assert (db.model("again").settings["seed"], db.model("again").settings["C"]) == (4, 0.25)
    assert "precision" in again.report
    assert "actual" in again.confusion
