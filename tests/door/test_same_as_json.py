"""Each command with --json and the method it stands for, on twin databases step by step: both give the same values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest

import tagdb
from tagdb.db.connection import Database
from tagdb.elmo.training.settings import Size
from tagdb.pipeline.embedders import pretraining
from tests.cli import running
from tests.elmo.pretraining import sentences
from tests.pipeline import stored
from tests.pipeline.world import World, sync_running

OTHERWISE_EACH_TIME = {
    "since",
    "texts_per_second",
    "created_at",
    "started_at",
    "finished_at",
    "seconds",
    "seconds_since_sync",
    "largest_difference",
}
OF_THE_RUN = {"perplexity", "fingerprint", "checkpoint_bytes"}
Step = tuple[str, Callable[[tagdb.Collection], Any]]


@pytest.fixture
def twin(world: World, execute: Callable[[str], None]) -> Iterator[Database]:
    """A database that is the same as the one the command line uses."""
    name = _name(world)
    execute(f"CREATE DATABASE twin TEMPLATE {name}")
    yield Database(world.database.dsn.replace(f"/{name}?", "/twin?"), origin="test")
    execute("DROP DATABASE twin WITH (FORCE)")


def _name(world: World) -> str:
    return str(psycopg2.extensions.parse_dsn(world.database.dsn)["dbname"])


def _steps(folder: Path, embedder: Path) -> list[Step]:
    file, small = folder / "more.csv", {"cell_dim": 8, "projection_dim": 8}
    file.write_text("id,tags,label\n7001,java maven,java\n7002,ruby rails,ruby\nx,bad,bad\n")
    (folder / "texts.txt").write_text("\n".join(sentences(40)))
    words = "--epochs 1 --batch-tokens 128 --words 100 --cell-dim 8 --projection-dim 8"
    trained = {"epochs": 1, "batch_tokens": 128, "vocabulary": 100, "seed": 42, **small}
    return [
        (f"import {file}", lambda db: db.import_files(file)),
        ("sync --dry-run --text tags", lambda db: db.plan(text="tags")),
        ("sync --text tags", lambda db: db.sync(text="tags")),
        ("work", lambda db: db.work()),
        ("train --query SQL", lambda db: db.train(stored.LABELLED)),
        ("train --again --seed 3 --activate", lambda db: db.train(again=True, seed=3, activate=True)),
        ("predict", lambda db: db.predict()),
        ("nearest java -k 3", lambda db: db.nearest("java", 3)),
        ("nearest spring-data --questions -k 3", lambda db: db.nearest("spring-data", 3, questions=True)),
        ("nearest --question 3 -k 3", lambda db: db.nearest_to_question(3, 3)),
        ("status", lambda db: db.status()),
        ("models list", lambda db: db.models()),
        ("models show 1", lambda db: db.model("1")),
        ("models activate 1", lambda db: db.activate_model("1")),
        ("models delete 2 --yes", lambda db: db.delete_model("2")),
        ("embedder list", lambda db: db.embedders()),
        (f"embedder show {embedder}", lambda _: tagdb.describe_embedder(str(embedder))),
        (f"embedder verify {embedder}", lambda _: tagdb.verify_embedder(str(embedder))),
        (f"embedder add mine {embedder}", lambda _: tagdb.add_embedder("mine", str(embedder))),
        (
            f"embedder train --output {folder}/elmo --file {folder}/texts.txt {words}",
            lambda db: db.train_embedder(folder / "elmo", files=[folder / "texts.txt"], **trained),
        ),
        ("index build", lambda db: db.build_index()),
        ("index status", lambda db: db.index_status()),
        ("index drop", lambda db: db.drop_index()),
        ("capture on", lambda db: db.capture_on()),
        ("capture status", lambda db: db.capture_status()),
        ("capture off", lambda db: db.capture_off()),
        ("db views drop", lambda db: db.drop_views()),
        ("db views restore", lambda db: db.restore_views()),
        ("db schemas", lambda db: db.schemas()),
        ("db prune", lambda db: db.prune()),
        ("doctor", lambda db: db.doctor().findings),
    ]


def _lasting(value: Any, left_out: set[str]) -> Any:
    """Leave out what depends on the clock."""
    if isinstance(value, dict):
        return {key: _lasting(each, left_out) for key, each in value.items() if key not in left_out}
    return [_lasting(each, left_out) for each in value] if isinstance(value, list) else value


def test_methods_give_what_commands_print(
    world: World, twin: Database, tiny_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "Size", partial(Size, filters=((1, 4), (2, 8)), n_highway=0))
    steps = _steps(tmp_path, tiny_embedder)
    with tagdb.connect(twin.dsn) as db:
        for line, method in steps:
            words = [stored.LABELLED if word == "SQL" else word for word in line.split()]
            monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "of the command"))
            with sync_running(world.database) if line == "work" else nullcontext():
                printed = running.tagdb(*words, "--json").stdout
            monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "of the method"))
            if line.startswith("embedder train"):
                (tmp_path / "elmo").rename(tmp_path / "of the command" / "elmo")
            with sync_running(twin) if line == "work" else nullcontext():
                plain = tagdb.as_json(method(db))
            returned = json.dumps(plain).replace("twin", _name(world))
            returned = returned.replace("of the method", "of the command").replace("(--db-url)", "(TAGDB_DATABASE_URL)")
            left_out = OTHERWISE_EACH_TIME | (OF_THE_RUN if line.startswith("embedder train") else set())
            left_out |= {"bytes"} if line == "db schemas" else set()
            expected = [json.loads(row) for row in printed.splitlines()]
            found = json.loads(returned)
            found = found if isinstance(found, list) else [found]
            if line == "doctor":
                expected, found = (
                    [each for each in some if each["check"] != "connection"] for some in (expected, found)
                )
            assert _lasting(found, left_out) == _lasting(expected, left_out), line
            assert found, line


def test_every_command_with_json_is_compared(tmp_path: Path) -> None:
    known = {words for words, command in running.commands() if "json" in {each.name for each in command.params}}
    compared = {
        next(name for length in (3, 2, 1) if (name := " ".join(line.split()[:length])) in known)
        for line, _ in _steps(tmp_path, tmp_path)
    }
    assert compared == known - {"watch"}, "which ends by a signal alone"
