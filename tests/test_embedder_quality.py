"""The comparison of embedders: what it holds out, what it counts as neighbours, and that it tells good from bad."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import embedder_quality
import quality_tasks

from tests.elmo.weights import write_random_elmo

# Two circles of tags whose members meet only each other; each language stands in one of them.
CIRCLES = (("python", "pandas", "numpy"), ("java", "spring", "maven"))
CLASSIFIED = ("language_accuracy", "language_f1", "python_title_accuracy", "python_title_f1")


def write_titles(path: Path, n: int = 480) -> Path:
    """Write n questions; the tags of each are of one circle, and its title names the language only by its rhyme."""
    lines = ["title\ttags"]
    for number in range(n):
        circle = CIRCLES[number % 2]
        tags = [circle[0], circle[1 + number // 2 % 2]]
        lines.append(f"{'snake' if number % 2 == 0 else 'coffee'} question {number}\t{tags}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def knows_circles(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return a vector that says nothing but the circle that a text is about, and a trace of the text itself."""
    words = ({"snake", *CIRCLES[0]}, {"coffee", *CIRCLES[1]})
    about = [[float(bool(circle & set(text.split()))) for circle in words] for text in texts]
    trace = [[0.01 * (len(text) % 7)] for text in texts]
    return np.hstack([about, trace]).astype(np.float32)


def knows_nothing(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return vectors drawn at random."""
    return np.random.default_rng(0).normal(size=(len(texts), 3)).astype(np.float32)


@pytest.fixture
def _small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_tasks, "LANGUAGES", 2)
    monkeypatch.setattr(quality_tasks, "NEIGHBOURS", 2)


@pytest.fixture
def data(tmp_path: Path, _small_tasks: None) -> quality_tasks.Dataset:
    return quality_tasks.read_dataset(write_titles(tmp_path / "titles.tsv"), held_out_rows=240)


def test_an_embedder_that_knows_everything_is_told_from_one_that_knows_nothing(data: quality_tasks.Dataset) -> None:
    good = quality_tasks.measure(knows_circles, data)
    bad = quality_tasks.measure(knows_nothing, data)
    assert {good[name] for name in (*CLASSIFIED, "neighbours_tags", "neighbours_titles", "neighbours_names")} == {1.0}
    assert max(bad[name] for name in CLASSIFIED) < 0.7


def test_neighbours_by_name_are_those_of_the_names_vectors(data: quality_tasks.Dataset) -> None:
    """An embedder that puts each tag beside two of the other circle finds none of its neighbours."""

    def misled(texts: Sequence[str]) -> NDArray[np.float32]:
        angles = {tag: place for place, tag in enumerate(chain.from_iterable(zip(*CIRCLES, strict=True)))}
        turns = np.array([angles.get(text, 0) for text in texts]) / len(angles)
        return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1).astype(np.float32)

    assert quality_tasks.measure(misled, data, [3])["neighbours_names"] == 0


def test_the_last_rows_are_held_out_and_those_with_a_training_title_left_out(tmp_path: Path) -> None:
    path = tmp_path / "titles.tsv"
    rows = [('"Say ""hi"""', ["a"]), ("two", ["b"]), ('say  "Hi"', ["a"]), ("three", ["c", "d"])]
    path.write_text("title\ttags\n" + "".join(f"{title}\t{tags}\n" for title, tags in rows), encoding="utf-8")
    data = quality_tasks.read_dataset(path, held_out_rows=2)
    assert data.training == quality_tasks.Questions(['Say "hi"', "two"], [("a",), ("b",)])
    assert data.held_out == quality_tasks.Questions(["three"], [("c", "d")])
    assert data.repeated == 1


def test_nothing_held_out_is_learnt_from(data: quality_tasks.Dataset) -> None:
    """Whatever learns is handed the training texts alone as the first argument."""
    learnt: set[str] = set()

    def vectorise(training: Sequence[str], others: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        learnt.update(training)
        return knows_circles(training), knows_circles(others)

    quality_tasks.measure_features(vectorise, data, quality_tasks.TASKS, C=1.0, names=True)
    assert learnt >= set(data.training.titles)
    assert learnt.isdisjoint(data.held_out.titles)


def test_a_question_without_its_language_is_left_out_when_no_tag_remains() -> None:
    questions = quality_tasks.Questions(["t", "u", "v"], [("python",), ("java", "spring"), ("java", "python")])
    data = quality_tasks.Dataset(questions, questions, 0)
    examples = quality_tasks.problems(data, [2])["python_other_tags"].training
    assert examples == quality_tasks.Examples(["spring"], ["other"], textless=1)


def test_mutual_information_is_that_of_a_case_computed_by_hand() -> None:
    carried = quality_tasks.incidence([("a", "b"), ("a", "b"), ("a", "c"), ("c", "unknown")], ["a", "b", "c"])
    information = quality_tasks.mutual_information(carried)
    # a stands on 3 of 4 questions, b and c on 2: chance alone gives a with b 3 * 2 / 4 = 1.5 meetings.
    assert information[0, 1] == pytest.approx(np.log(2 / 1.5))
    assert information[0, 2] == pytest.approx(np.log(1 / 1.5))
    assert information[1, 2] == -np.inf
    assert np.array_equal(information, information.T)


def test_recall_counts_tags_that_have_neighbours_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_tasks, "NEIGHBOURS", 1)
    similarities = np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]])
    met = np.array([[False, True, False], [False, False, True], [False, False, False]])
    assert quality_tasks.recall(similarities, met) == 0.5


def test_centring_takes_away_what_all_tags_share() -> None:
    def shifted(texts: Sequence[str]) -> NDArray[np.float32]:
        return knows_circles(texts) + np.float32(10)

    questions = quality_tasks.Questions(["snake 1", "coffee 1"], [("python", "pandas"), ("java", "spring")])
    neighbourhood = quality_tasks.Neighbourhood(["python", "java"], questions, np.zeros((2, 2), dtype=np.bool_))
    found = quality_tasks.tag_similarities(quality_tasks.vectors_of(shifted), neighbourhood, names=True)
    assert found["tags"][0, 1] > 0.98
    assert found["tags_centred"][0, 1] == pytest.approx(-1)


@pytest.mark.usefixtures("_small_tasks")
def test_the_command_compares_an_elmo_with_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elmo = write_random_elmo(tmp_path / "tiny")
    (elmo / "model-card.json").write_text('{"perplexity": 12.34}')
    titles, card = write_titles(tmp_path / "titles.tsv"), tmp_path / "card.md"
    monkeypatch.setattr(embedder_quality, "read_dataset", lambda path: quality_tasks.read_dataset(path, 240))
    arguments = ["embedder_quality", str(elmo), "--titles", str(titles), "--random", "--json", "--markdown", str(card)]
    monkeypatch.setattr(sys, "argv", arguments)
    embedder_quality.main()
    report = json.loads(capsys.readouterr().out)
    measured = {result["name"]: result["measures"] for result in report["results"]}
    assert list(measured) == ["TF-IDF words", "TF-IDF chars", "random weights", str(elmo)]
    assert measured["TF-IDF words"]["python_title_accuracy"] == 1
    assert measured[str(elmo)]["perplexity"] == 12.34
    assert measured[str(elmo)] != measured["random weights"]
    assert report["rows"]["python_title_training"] == 240
    assert f"| {elmo} |" in card.read_text(encoding="utf-8")
