"""`--schema`: one name for what a command works in, wherever it was said, and the nearest saying counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagdb import advice, config
from tagdb.db.connection import Database
from tagdb.pipeline.running import opening
from tests.cli.running import commands, done, objects, tagdb
from tests.pipeline import stored


class _Opened(BaseException):
    """Somebody opened a collection."""


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """What a command asks for when it opens its collection."""
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path))

    def opened(*_args: object, schema: str | None = None, **_options: Any) -> None:
        raise _Opened(config.resolve_schema(schema))

    monkeypatch.setattr(opening, "open_database", opened)

    def run(*words: str, **environment: str) -> str:
        with pytest.raises(_Opened) as asked:
            tagdb(*words, **environment)
        return str(asked.value)

    return run


def test_nearest_saying_counts(used: Callable[..., str], tmp_path: Path) -> None:
    assert used("status") == "tagdb"
    (tmp_path / "config.toml").write_text('schema = "everywhere"\n[status]\nschema = "here"\n')
    assert used("status") == "here"
    assert used("predict") == "everywhere"
    assert used("predict", TAGDB_SCHEMA="set") == "set"
    assert used("status", TAGDB_SCHEMA="set") == "set"
    assert used("status", TAGDB_SCHEMA="set", TAGDB_STATUS_SCHEMA="set for it") == "set for it"
    assert used("--schema", "before", "status", TAGDB_STATUS_SCHEMA="set for it") == "before"
    assert used("--schema", "before", "status", "--schema", "after") == "after"


@pytest.mark.parametrize(
    "words",
    [
        ("sync",),
        ("models", "list"),
        ("nearest", "java"),
        ("index", "build"),
        ("db", "prune"),
        ("db", "views", "drop"),
        ("embedder", "use", "starter"),
        ("export", "predictions", "-"),
        ("train", "--query", "SELECT 1"),
        ("import", "-"),
        ("demo",),
    ],
    ids=str,
)
def test_it_reaches_what_a_command_opens(used: Callable[..., str], words: tuple[str, ...]) -> None:
    assert used(*words, "--schema", 'odd "name"') == 'odd "name"'


def test_every_command_on_a_database_takes_it() -> None:
    without = {words for words, command in commands() if "schema" not in {each.name for each in command.params}}
    assert without == {"db schemas", "db stop", "embedder add", "embedder show", "embedder verify"}


@pytest.mark.parametrize("words", [("status",), ("db", "migrate"), ("db", "url"), ("doctor",)], ids=str)
def test_name_that_cannot_be_is_refused(database: object, words: tuple[str, ...]) -> None:
    result = tagdb(*words, "--schema", "pg_catalog")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == " next: choose another --schema"


def test_file_with_another_kind_of_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("schema = true\n")
    result = tagdb("status")
    assert result.exit_code == 2
    assert f"error: {tmp_path}/config.toml: schema: it can be a text or a number" in result.stderr


def test_words_name_the_schema_that_is_meant(database: object) -> None:
    assert done("db", "migrate", TAGDB_SCHEMA="tagdb").stdout == "schema tagdb was up to date\n"


def test_schemas_are_listed_with_what_each_embeds(world: Database) -> None:
    done("db", "migrate", "--schema", "Other one")
    stored.run(world, "DROP SCHEMA IF EXISTS nothing_of_tagdb; CREATE SCHEMA nothing_of_tagdb")
    found = {each["name"]: each for each in objects(done("db", "schemas", "--json").stdout)}
    assert set(found) == {"tagdb", "Other one"}
    assert (found["tagdb"]["source"], found["tagdb"]["questions"]) == ("title", 60)
    assert (found["Other one"]["source"], found["Other one"]["embedder"]) == (None, None)
    header, _, *rows = done("db", "schemas").stdout.splitlines()
    assert header.split()[:2] == ["schema", "embeds"]
    assert len(rows) == 2
    stored.run(world, """UPDATE "Other one".alembic_version SET version_num = '0009'""")
    old = done("db", "schemas")
    assert "warning: schema Other one: " in old.stderr
    assert "tagdb db migrate --schema 'Other one'" in old.stderr


def test_what_is_advised_names_the_collection_where_the_command_can(world: Database, tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("id,tags\n1,java\n")
    done("db", "migrate", "--schema", "Other one")
    imported = tagdb("import", str(tmp_path / "q.csv"), "--schema", "Other one")
    assert imported.stderr.endswith("next: tagdb sync --schema 'Other one'\n")
    assert "tagdb nearest --schema 'Other one' pandas" in tagdb("nearest", "--schema", "Other one").stderr
    for path, command in commands():
        takes_it = any("--schema" in parameter.opts for parameter in command.params)
        typed = f"tagdb {path} x"
        assert (advice.addressed(typed, "other") != typed) == takes_it, typed
