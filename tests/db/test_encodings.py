"""Databases that keep text in another encoding than UTF-8: the whole way through, and what does not fit into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tagdb.db import resources, schema
from tagdb.db.connection import Database
from tagdb.db.embedded import EmbeddedServer
from tagdb.errors import DatabaseError, Unavailable
from tests.cli.running import done, tagdb
from tests.conftest import _dsn
from tests.pipeline import stored

LETTER = {"LATIN1": "\xe9", "LATIN9": "\u20ac", "WIN1251": "\u0436", "EUC_JP": "\u65e5"}
FOREIGN = "\N{PILE OF POO}"


@pytest.fixture
def encoded(
    request: pytest.FixtureRequest, server: EmbeddedServer, execute: Callable[[str], None]
) -> Iterator[Database]:
    """An empty database in the encoding that a test names."""
    execute(f"CREATE DATABASE encoded ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0")
    with pytest.MonkeyPatch.context() as environment:
        dsn = _dsn(server, "encoded")
        environment.setenv("TAGDB_DATABASE_URL", dsn)
        yield Database(dsn, origin="test")
    execute("DROP DATABASE encoded WITH (FORCE)")


@pytest.mark.parametrize("encoded", LETTER, indirect=True)
def test_whole_loop_in_another_encoding(
    encoded: Database, tmp_path: Path, tiny_embedder: Path, request: pytest.FixtureRequest
) -> None:
    letter = LETTER[request.node.callspec.params["encoded"]]
    rows = [f"{n},title {n},{letter}tag{n % 7} {('red', 'blue')[n % 2]},{letter}{n % 2}" for n in range(40)]
    rows[7:7] = [f"100,{FOREIGN},red,x", f"101,title,{FOREIGN},x", f"102,title,red,{FOREIGN}"]
    file = tmp_path / "\u0416 questions.csv"  # a name that the database may have no letters for
    file.write_text("\n".join(["id,title,tags,label", *rows]), encoding="utf-8")
    done("db", "migrate")
    imported = tagdb("import", str(file))
    assert imported.exit_code == 1
    assert "3 bad (a letter that the database's encoding lacks)" in imported.stdout
    assert "line 9" in imported.stderr
    done("embedder", "use", str(tiny_embedder))
    done("sync")
    done("train", "--query", "SELECT id AS question_id, label FROM questions")
    done("sync")
    done("index", "build")
    assert f"{letter}tag1" in done("nearest", f"{letter}tag0", "-k", "12").stdout
    assert f"{letter}1" in done("export", "predictions", "-").stdout
    assert done("status", "--check").exit_code == 0
    assert stored.column(encoded, "SELECT count(*) FROM tagdb.nearest_questions(1, 100)") == [39]
    again = done("sync").stdout
    assert "0 new, 0 changed, 0 gone" in again


@pytest.mark.parametrize("encoded", ["LATIN1"], indirect=True)
def test_letters_that_the_database_lacks_are_refused_in_words(encoded: Database) -> None:
    with encoded.session() as session, pytest.raises(DatabaseError, match="encoding has no such letter") as refused:
        session.rows_of("SELECT CAST(:text AS text)", {"text": FOREIGN})
    assert "ENCODING 'UTF8'" in (refused.value.hint or "")


@pytest.mark.parametrize("encoded", ["LATIN1"], indirect=True)
def test_failed_run_is_recorded_whatever_letters_its_error_has(encoded: Database, tmp_path: Path) -> None:
    schema.migrate(encoded)
    assert tagdb("import", str(tmp_path / f"{FOREIGN}.csv")).exit_code == 1
    (status,) = stored.column(encoded, "SELECT last_status FROM tagdb.status")
    assert status == "failed"


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_database_without_an_encoding_is_refused_before_anything_is_made(encoded: Database) -> None:
    with pytest.raises(Unavailable, match="no encoding") as refused:
        schema.migrate(encoded)
    assert "ENCODING 'UTF8' TEMPLATE template0" in (refused.value.hint or "")
    assert stored.column(encoded, "SELECT to_regnamespace('tagdb')") == [None]


@pytest.mark.parametrize("folder", ["sql", "migrations"])
def test_files_of_sql_are_plain_ascii(folder: str) -> None:
    files = [path for path in resources.folder(folder).rglob("*") if path.suffix in (".sql", ".py")]
    assert len(files) > 5
    assert [str(path) for path in files if not path.read_bytes().isascii()] == []
