"""`tagdb embedder train`: from texts in a database or a file to an embedder that sync takes."""

from __future__ import annotations

import inspect
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tagdb import drawing
from tagdb.cli import embedder_train
from tagdb.db.connection import Database
from tagdb.elmo.training.settings import Settings, Size
from tagdb.pipeline.embedders import pretraining
from tagdb.pipeline.running import opening
from tests.cli.running import done, objects, tagdb
from tests.elmo.pretraining import sentences
from tests.pipeline import stored

PASSWORD = "s3cr3t-pa55"
SMALL = ("--cell-dim", "8", "--batch-tokens", "128", "--learning-rate", "0.02", "--words", "100")


@pytest.fixture(autouse=True)
def _few_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "Size", partial(Size, filters=((1, 4), (2, 8)), n_highway=0))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Texts in a file, one a line."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(sentences(40)))
    return path


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a database fails."""

    def opened(*_args: object) -> None:
        raise AssertionError("the database was opened")

    monkeypatch.setattr(opening, "open_database", opened)


def test_defaults_are_those_of_the_settings() -> None:
    shown = {name: each.default for name, each in inspect.signature(embedder_train.train).parameters.items()}
    settings, size = Settings(), Size()
    for name in (
        "token_epochs",
        "patience",
        "learning_rate",
        "batch_tokens",
        "dropout",
        "tag_weight",
        "seed",
        "hours",
        "tokenizer",
    ):
        assert shown[name] == getattr(settings, name), name
    assert (shown["words"], not shown["keep_case"]) == (settings.vocabulary, settings.lowercase)
    assert (shown["cell_dim"], shown["projection_dim"]) == (size.cell_dim, size.projection_dim)
    assert settings.epochs == embedder_train._EPOCHS
    assert f"Default: {settings.epochs}" in done("embedder", "train", "--help").stdout


def test_files_become_an_embedder_with_facts_and_what_comes_next(
    no_database: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "LINE_EVERY_SECONDS", 0.0)
    output, picture = tmp_path / "elmo", tmp_path / "curve.png"
    words = ("embedder", "train", "--output", str(output), "--file", str(file), *SMALL, "--projection-dim", "16")
    result = done(*words, "--epochs", "1", "--plot", str(picture), "--db-url", f"postgresql://me:{PASSWORD}@nowhere/db")
    told = dict(re.split(r"  +", line, maxsplit=1) for line in result.stdout.splitlines())
    assert told["epochs"] == told["best epoch"] == "1"
    assert told["ended because"] == "1 epochs are done"
    assert (told["nearest tag right"], told["dimension"], told["folder"]) == ("–", "32", str(output))
    assert float(told["held-out perplexity"]) > 1
    assert re.search(r"epoch 1: [\d,]+ tokens of .* tokens/s, .*; loss \d+\.\d\d, all done in ", result.stderr)
    assert f"drew {picture}" in result.stderr
    assert re.search(r"checkpoint \([\d.]+ MB\) lets the same command go on with more epochs", result.stderr)
    assert f"next: tagdb embedder use {output} && tagdb sync" in result.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert told["fingerprint"] in done("embedder", "show", str(output)).stdout
    command = json.loads((output / "model-card.json").read_text())["command"]
    assert command.startswith(f"tagdb embedder train --output {output} --file {file} --epochs 1 ")
    assert "--db-url" not in command
    assert all(PASSWORD not in path.read_text() for path in output.glob("*.*") if path.suffix in (".json", ".md"))
    again = done(*words, "--epochs", "2", "--json", "-q")
    assert again.stderr == ""
    (parsed,) = objects(again.stdout)
    assert (parsed["epochs"], parsed["directory"], parsed["dim"]) == (2, str(output), 32)


def test_embedder_from_a_query_serves_sync(database: Database, tmp_path: Path) -> None:
    stored.run(
        database,
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text)",
        *[f"INSERT INTO questions VALUES ({number}, '{text}')" for number, text in enumerate(sentences(40))],
    )
    output = tmp_path / "elmo"
    query = tmp_path / "query.sql"
    query.write_text("SELECT title AS text FROM questions")
    trained = done("embedder", "train", "--output", str(output), "--query-file", str(query), *SMALL, "--epochs", "1")
    assert f"next: tagdb embedder use {output} && tagdb sync" in trained.stderr
    card = json.loads((output / "model-card.json").read_text())
    assert card["corpus"] == "the query: SELECT title AS text FROM questions"
    assert card["texts"] == 40
    done("embedder", "use", str(output))
    different = len(set(sentences(40)))
    assert f"{different} embedded" in done("sync", "--text", "title").stdout
    assert stored.column(database, "SELECT count(*) FROM tagdb.text_vector") == [different]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "Missing option '--output'"),
        (("--output", "x", "--query", "SELECT 1", "--query-file", "q.sql"), 2, "both say what to read"),
        (("--output", "x", "--init", "starter", "--cell-dim", "8"), 2, "--cell-dim is decided by the embedder of"),
        (("--output", "x", "--number-format", "int8"), 2, "'int8' is not one of"),
        (("--output", "x", "--file", "no-such.txt"), 1, "no-such.txt cannot be read"),
        (("--output", "x", "--file", "-"), 1, "there is no text to learn from"),
        (("--output", "x", "--file", "-", "--dropout", "2"), 1, "dropout is 2"),
        (("--output", "x", "--file", "-", "--plot", "curve.gif"), 1, "cannot draw a picture"),
        (("--output", "x", "--file", "-", "--init", "no-such"), 3, "there is no embedder 'no-such'"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(
    words: tuple[str, ...], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = tagdb("embedder", "train", *words, typed="")
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_hours_take_the_limit_over(monkeypatch: pytest.MonkeyPatch, no_database: None) -> None:
    seen: list[Any] = []

    def keep(*given: Any, **_options: Any) -> None:
        seen.append(given[3])
        raise KeyboardInterrupt

    monkeypatch.setattr(pretraining, "pretrain", keep)
    for words in ((), ("--hours", "2"), ("--hours", "2", "--epochs", "4")):
        assert tagdb("embedder", "train", "--output", "x", "--file", "-", *words).exit_code == 130
    assert [(each.epochs, each.hours) for each in seen] == [(10, None), (10_000, 2.0), (4, 2.0)]


def test_options_of_a_file_may_be_repeated_or_set_in_config(
    monkeypatch: pytest.MonkeyPatch, no_database: None, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def keep(*given: Any, **_options: Any) -> None:
        seen.append(given[1].files)
        raise KeyboardInterrupt

    monkeypatch.setattr(pretraining, "pretrain", keep)
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path))
    tagdb("embedder", "train", "--output", "x", "--file", "a.txt", "--file", "b.txt")
    (tmp_path / "config.toml").write_text("[embedder.train]\nfile = 'from-config.txt'\n")
    tagdb("embedder", "train", "--output", "x")
    assert seen == [("a.txt", "b.txt"), ("from-config.txt",)]
