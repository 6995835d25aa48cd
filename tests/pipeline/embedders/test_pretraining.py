"""Texts to learn from come from queries, files or what is embedded, streamed and checked, and no secret leaves."""

from __future__ import annotations

import gzip
import io
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tagdb.db import connection
from tagdb.db.connection import Database
from tagdb.errors import InputRefused, QueryRefused
from tagdb.models import Silent
from tagdb.pipeline.embedders import installed
from tagdb.pipeline.embedders.pretraining import pretrain
from tagdb.pipeline.embedders.training_texts import TrainingTexts
from tagdb.pipeline.running.stopping import Stopped
from tests.elmo.pretraining import SETTINGS, SIZE, sentences
from tests.pipeline import stored


def _unopened() -> Database:
    raise AssertionError("the database was opened")


def _read(database: Database, **given: object) -> list[tuple[str, tuple[str, ...]]]:
    return list(TrainingTexts(**given).read(lambda: database))  # type: ignore[arg-type]


def _texts(database: Database, **given: object) -> list[str]:
    return [text for text, _ in _read(database, **given)]


@pytest.fixture(scope="module")
def filled(server: object, execute: object, template: str) -> Iterator[Database]:
    """Three questions, one of them without a text, in a database of this module's own."""
    with stored.shared_database(server, execute, template, "test_pretraining") as database:  # type: ignore[arg-type]
        stored.run(
            database,
            "CREATE TABLE questions (id bigint PRIMARY KEY, title text)",
            "INSERT INTO questions VALUES (1, 'sort a list'), (2, NULL), (3, 'join 100% of tables')",
            "CREATE TABLE tags (question_id bigint, position smallint, tag text)",
            "INSERT INTO tags VALUES (1, 1, 'python'), (1, 2, 'list'), (3, 1, 'sql')",
        )
        yield database


def test_query_gives_its_column_text_or_its_first(filled: Database) -> None:
    expected = ["sort a list", "join 100% of tables"]
    assert _texts(filled, query="SELECT title FROM questions ORDER BY id") == expected
    assert _texts(filled, query="SELECT id, title AS text FROM questions ORDER BY id; -- end") == expected
    assert _texts(filled, query="SELECT id FROM questions ORDER BY id") == ["1", "2", "3"]


@pytest.mark.parametrize(
    "tags", ["ARRAY['a', NULL, 'b c']", "' a  b c '", "'<a><b c>'", "NULL", "''", "ARRAY['a', 'b']::varchar[]"]
)
def test_tags_are_an_array_or_a_list_as_text(filled: Database, tags: str) -> None:
    expected = {"A": ("a", "b c"), "'": ("a", "b", "c"), "<": ("a", "b c"), "N": (), "v": ("a", "b")}
    kind = "v" if "varchar" in tags else "<" if "<" in tags else "N" if tags in ("NULL", "''") else tags[0]
    ((text, found),) = _read(filled, tags_query=f"SELECT {tags} AS tags, title AS text FROM questions WHERE id = 1")
    assert (text, found) == ("sort a list", expected[kind])


def test_without_a_word_it_is_what_sync_embeds_with_its_tags(filled: Database) -> None:
    assert _read(filled) == [("python list", ("list", "python")), ("", ()), ("sql", ("sql",))]
    assert stored.column(filled, "SELECT to_regclass('tagdb.source') IS NOT NULL") == [True]


def test_nothing_embedded_says_what_to_do(database: Database) -> None:
    with pytest.raises(InputRefused, match="there is no table questions here") as refused:
        _read(database)
    assert "tagdb import FILE" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"query": "DELETE FROM questions RETURNING title"}, "cannot be run"),
        ({"query": "SELECT 1; SELECT 2"}, "more than one statement"),
        ({"query": ""}, "the query is empty"),
        ({"query": "SELECT FROM questions"}, "no column text"),
        ({"query": "SELECT (1 / (id - 3))::text FROM questions ORDER BY id"}, "division by zero"),
        ({"tags_query": "SELECT title AS text FROM questions"}, "no column tags"),
        ({"tags_query": "SELECT title AS text, id AS tags FROM questions"}, "neither an array nor a list"),
    ],
    ids=str,
)
def test_queries_that_cannot_be_learnt_from_are_refused(filled: Database, given: dict[str, str], message: str) -> None:
    with pytest.raises(QueryRefused, match=message) as refused:
        _read(filled, **given)
    assert refused.value.hint
    assert stored.column(filled, "SELECT count(*) FROM questions") == [3]


def test_rows_are_fetched_in_blocks_as_they_are_asked_for(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_ROWS_AT_ONCE", 10)
    texts = TrainingTexts(query="SELECT n + 0 * (1 / (n - 35)) FROM generate_series(1, 1000000) n").read(lambda: filled)
    for number in range(1, 31):
        assert next(texts) == (str(number), ())
    with pytest.raises(QueryRefused, match="division by zero"):
        next(texts)
    assert len(_texts(filled, query="SELECT generate_series(1, 25)")) == 25


def test_files_are_read_line_by_line_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, packed = tmp_path / "plain.txt", tmp_path / "packed.gz"
    plain.write_text("über uns\n\nlast", encoding="utf-8")
    packed.write_bytes(gzip.compress("日本 語\n".encode()))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"piped\n")))
    texts = TrainingTexts(files=(str(plain), str(packed), "-"))
    assert [text.strip() for text, _ in texts.read(_unopened)] == ["über uns", "", "last", "日本 語", "piped"]
    assert texts.describe() == f"the file {plain}; the file {packed}; standard input"


def test_files_and_queries_are_learnt_together(tmp_path: Path, filled: Database) -> None:
    (tmp_path / "more.txt").write_text("more\n")
    given = {
        "query": "SELECT 'one'",
        "tags_query": "SELECT 'two' AS text, 'x' AS tags",
        "files": (str(tmp_path / "more.txt"),),
    }
    assert _read(filled, **given) == [("one", ()), ("two", ("x",)), ("more\n", ())]


def test_files_that_cannot_be_read_say_where(tmp_path: Path) -> None:
    latin, cut = tmp_path / "latin.txt", tmp_path / "cut.gz"
    latin.write_bytes(b"fine\nna\xefve\n")
    cut.write_bytes(gzip.compress(os.urandom(5000).hex().encode())[:-900])
    for path, message in (
        (latin, "latin.txt, line 2: .* at byte 3, so it is not UTF-8"),
        (cut, "cut.gz ends before"),
        (tmp_path / "none.txt", "none.txt cannot be read: No such file"),
    ):
        with pytest.raises(InputRefused, match=message):
            list(TrainingTexts(files=(str(path),)).read(_unopened))


def test_description_never_tells_a_password() -> None:
    query = "SELECT t FROM dblink('host=x password=s3cr3t', 'SELECT 1') AS d (t text)"
    told = TrainingTexts(query=query, tags_query="SELECT tags, text FROM posts").describe()
    assert "s3cr3t" not in told
    assert told.startswith("the query: SELECT t FROM dblink(")
    assert told.endswith("; the query of texts and tags: SELECT tags, text FROM posts")
    assert TrainingTexts().describe() == "the texts that tagdb embeds, with their tags"


def test_signal_keeps_the_run_and_the_same_call_ends_it(tmp_path: Path) -> None:
    file, output = tmp_path / "texts.txt", tmp_path / "out"
    file.write_text("\n".join(sentences(30)))

    class Signalled(Silent):
        def note(self, text: str) -> None:  # noqa: ARG002
            os.kill(os.getpid(), signal.SIGTERM)

    call = (_unopened, TrainingTexts(files=(str(file),)), output, replace(SETTINGS, epochs=1), SIZE)
    with pytest.raises(Stopped) as stopped:
        pretrain(*call, Signalled())
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert not (output / "weights.hdf5").exists()
    file.unlink()
    picture = tmp_path / "curve.svg"
    result = pretrain(*call, Silent(), plot=picture)
    assert (result.epochs, result.best_epoch, result.dim, result.can_be_stored) == (1, 1, 32, True)
    assert not replace(result, dim=4_002).can_be_stored
    assert result.fingerprint == installed.describe(str(output)).fingerprint
    assert result.checkpoint_bytes > 10_000
    assert picture.read_text().startswith("<?xml")


def test_picture_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="cannot draw"):
        pretrain(_unopened, TrainingTexts(), tmp_path, SETTINGS, SIZE, Silent(), plot=tmp_path / "curve.jpeg")
