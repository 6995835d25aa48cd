"""Results go to stdout, alone: tables for people, JSON for programs; everything else goes to stderr."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tagdb.db.connection import Database
from tests.cli.running import done, objects, tagdb
from tests.pipeline import stored

Run = tuple[str, ...]
TRAIN: Run = ("train", "--query", stored.LABELLED)
JSON: dict[Run, set[str]] = {
    (*TRAIN, "--seed", "1"): {"name", "active", "reason", "read", "train_rows", "test_rows", "metrics"},
    ("predict",): {"classifier", "written", "removed"},
    ("nearest", "java", "-k", "3"): {"tag", "distance", "questions"},
    ("nearest", "java", "--questions", "-k", "3"): {"question_id", "distance", "text"},
    ("status",): {"texts", "embedded", "due", "labelled", "current", "indexes"},
    ("models", "list"): {"id", "name", "active", "classes", "metrics", "created_at"},
    ("models", "show", "1"): {"id", "name", "query", "settings", "versions", "metrics"},
    ("index", "status"): {"relation", "built", "bytes", "vectors"},
    ("index", "build"): {"relation", "built", "bytes", "vectors"},
    ("index", "drop"): {"relation", "built", "bytes", "vectors"},
    ("embedder", "list"): {"name", "kind", "dim", "fingerprint", "vectors", "state"},
}


_OBJECTS = {
    "nearest java": 3,
    "models list": 2,
    "embedder list": 2,
    "index status": 2,
    "index build": 2,
    "index drop": 2,
}


def test_json_is_an_object_a_line_and_all_there_is(world: Database) -> None:
    done(*TRAIN)
    for words, keys in JSON.items():
        result = done(*words, "--json")
        parsed = objects(result.stdout)
        assert len(parsed) == _OBJECTS.get(" ".join(words[:2]), 1), words
        for each in parsed:
            assert keys <= set(each), words
        assert re.match(r"using test_\d+ on the socket in /\S+ \(TAGDB_DATABASE_URL\)\n", result.stderr)


def test_training_tells_what_became_of_the_rows(world: Database, tmp_path: Path) -> None:
    stored.run(
        world,
        "UPDATE questions SET label = NULL WHERE id = 1",
        "INSERT INTO questions (id, title, label) VALUES (99, 'new', 'java')",
    )
    picture = tmp_path / "confusion.svg"
    result = done("train", "--query", "SELECT id, label FROM questions", "--sample", "50", "--plot", str(picture))
    lines = result.stdout.splitlines()
    assert lines[0].startswith("rows: 61 read, ")
    assert "      1 left out (label is NULL)" in lines
    assert "      1 left out (no vector yet: tagdb sync)" in lines
    assert "      9 left out (not in the sample)" in lines
    assert "classifier-1 is active now: there was no active classifier" in lines
    assert any(line.startswith("accuracy ") and "macro F1" in line for line in lines)
    assert any("precision" in line and "recall" in line for line in lines)
    assert any(line.startswith("actual \\ predicted") for line in lines)
    assert picture.read_text().startswith("<?xml")
    assert "next: tagdb sync (or tagdb predict) writes its labels" in result.stderr
    again = done(*TRAIN)
    assert "classifier-2 is stored but not active: its accuracy of" in again.stdout
    assert "next: tagdb models activate classifier-2" in again.stderr


def test_query_comes_from_a_file_or_standard_input(world: Database, tmp_path: Path) -> None:
    file = tmp_path / "query.sql"
    file.write_text(stored.LABELLED)
    done("train", "--query-file", str(file))
    done("train", "--query", "-", typed=stored.LABELLED)
    done("train", "--query-file", "-", typed=stored.LABELLED)
    assert stored.column(world, "SELECT DISTINCT query FROM tagdb.classifier") == [stored.LABELLED]
    assert stored.column(world, "SELECT count(*) FROM tagdb.classifier") == [3]


def test_tables_of_neighbours(standing_world: Database) -> None:
    tags = done("nearest", "java", "-k", "2").stdout.splitlines()
    assert tags[0].split() == ["tag", "distance", "questions"]
    assert len(tags) == 4
    questions = done("nearest", "java", "--questions", "--where", "id < 4", "-k", "9")
    assert questions.stdout.splitlines()[0].split() == ["question", "distance", "text"]
    assert len(questions.stdout.splitlines()) == 5
    assert "only 3 of 9: there are no more that fit" in questions.stderr


def test_tables_do_not_wrap_off_a_terminal(world: Database) -> None:
    long = "long " * 30
    stored.run(world, f"UPDATE tagdb.text SET text = '{long}x' WHERE text = 'text 1'")
    result = done("nearest", "java", "--questions", "-k", "60", COLUMNS="40")
    assert len(result.stdout.splitlines()) == 62
    assert f"{long}x" in result.stdout


def test_models_are_listed_shown_activated_and_deleted(world: Database) -> None:
    assert done("models", "list").stdout == ""
    assert "there is no classifier yet; next: tagdb train" in done("models", "list").stderr
    done(*TRAIN)
    done(*TRAIN, "--name", "other")
    listed = done("models", "list").stdout.splitlines()
    assert listed[0].split() == [
        "number",
        "name",
        "active",
        "accuracy",
        "macro",
        "F1",
        "classes",
        "embedder",
        "made",
        "at",
    ]
    assert [line.split()[1:3] for line in listed[2:]] == [["classifier-1", "yes"], ["other", "no"]]
    shown = done("models", "show", "other").stdout
    for told in ("other (number 2)", stored.LABELLED, "seed 0", "scikit-learn", "java, python, ruby", "weighted avg"):
        assert told in shown
    assert done("models", "activate", "other").stdout == "other is active\n"
    assert tagdb("models", "delete", "other", typed="n\n").exit_code == 1
    assert len(done("models", "list", "--json").stdout.splitlines()) == 2
    asked = done("models", "delete", "other", typed="y\n")
    assert "Delete other, the active classifier?" in asked.stderr
    assert asked.stdout.endswith("other is deleted\n")
    done("models", "delete", "1", "--yes")
    assert done("models", "list").stdout == ""


def test_delete_says_what_becomes_of_the_labels(world: Database) -> None:
    done(*TRAIN)
    done(*TRAIN, "--name", "other", "--activate")
    done("predict")
    (activated,) = objects(done("models", "activate", "classifier-1", "--json").stdout)
    assert activated == {"id": 1, "name": "classifier-1", "active": True}
    refused = tagdb("models", "delete", "other", typed="n\n")
    assert "Delete other? The 60 labels that it wrote are first written anew by classifier-1." in refused.stderr
    assert stored.column(world, "SELECT DISTINCT classifier_id FROM tagdb.labels") == [2]
    deleted = done("models", "delete", "other", "--yes")
    assert deleted.stdout == "other is deleted; 60 labels written anew by classifier-1\n"
    asked = tagdb("models", "delete", "classifier-1", typed="n\n").stderr
    assert "Delete classifier-1, the active classifier, and the labels that it wrote, 60 of 60?" in asked
    lost = done("models", "delete", "classifier-1", "--yes", "-q")
    assert (lost.stdout, lost.stderr) == ("", "warning: classifier-1 is deleted; 60 of 60 labels removed\n")
    done(*TRAIN)
    done("predict")
    (told,) = objects(done("models", "delete", "3", "--yes", "--json").stdout)
    assert told == {
        "id": 3,
        "name": "classifier-1",
        "was_active": True,
        "renewed_by": None,
        "labels_renewed": 0,
        "labels_removed": 60,
    }


def test_training_again_takes_over_what_was_given_then(world: Database) -> None:
    done(*TRAIN, "--seed", "3", "--max-iter", "40")
    (told,) = objects(done("train", "--again", "--C", "0.5", "--name", "anew", "--json").stdout)
    assert told["name"] == "anew"
    (kept,) = objects(done("models", "show", "anew", "--json").stdout)
    assert kept["query"] == stored.LABELLED
    assert kept["settings"] == {
        "sample": None,
        "test_size": 0.3,
        "seed": 3,
        "C": 0.5,
        "max_iter": 40,
        "timeout": 300,
    }
    (third,) = objects(done("train", "--again", "--json", TAGDB_TRAIN_SEED="4").stdout)
    assert objects(done("models", "show", third["name"], "--json").stdout)[0]["settings"]["seed"] == 4


def test_index_status_speaks_of_building_only_where_it_pays(world: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tagdb index build" not in done("index", "status").stderr
    monkeypatch.setattr("tagdb.pipeline.syncing.indexing.ENOUGH", {"text_vector": 60, "tag_vector": 2_000})
    assert "next: tagdb index build (60 vectors on text_vector pay for an index)" in done("index", "status").stderr
    done("index", "build")
    assert "tagdb index build" not in done("index", "status").stderr


def test_predictions_leave_as_csv(world: Database, tmp_path: Path) -> None:
    done(*TRAIN)
    assert done("predict").stdout == "labels: 60 written by classifier-1, 0 removed\n"
    expected = [
        [str(row.question_id), row.label] for row in stored.rows(world, "SELECT * FROM tagdb.labels ORDER BY 1")
    ]
    printed = done("export", "predictions", "-")
    assert list(csv.reader(io.StringIO(printed.stdout))) == [["id", "label"], *expected]
    assert "wrote 60 rows" in printed.stderr
    target = tmp_path / "results.csv"
    assert done("export", "predictions", str(target), "--probability").stdout == ""
    assert target.read_text().splitlines()[0] == "id,label,probability"


def test_reader_that_leaves_early_is_no_error(world: Database) -> None:
    done(*TRAIN)
    stored.run(
        world,
        "INSERT INTO tagdb.labels (question_id, label, probability, classifier_id, text_id) "
        "SELECT n, 'a label', 1, 1, 1 FROM generate_series(1, 50000) n",
    )
    for words in ("export predictions -", "nearest java -k 3 --json"):
        script = f"set -o pipefail; {sys.executable} -m tagdb {words} -q | head -n 1"
        piped: Any = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert (piped.returncode, piped.stderr) == (0, ""), words
        assert len(piped.stdout.splitlines()) == 1
