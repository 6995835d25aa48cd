"""config.toml: between the environment and the built-in defaults, and refused where it says what is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tagdb.db.connection import Database
from tests.cli.running import commands, done, tagdb


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the file, in a home of its own."""
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path))
    return tmp_path / "config.toml"


def _found(*words: str, **environment: str) -> int:
    return len(done("nearest", "java", "--json", *words, **environment).stdout.splitlines())


def test_command_line_beats_environment_beats_file_beats_default(standing_world: Database, file: Path) -> None:
    assert _found("--questions") == 10
    file.write_text("[nearest]\nk = 2\nquestions = true\n")
    assert _found() == 2
    assert _found(TAGDB_NEAREST_K="3") == 3
    assert _found("-k", "4", TAGDB_NEAREST_K="3") == 4
    file.unlink()
    assert _found("--questions") == 10


def test_tables_of_groups_and_names_with_dashes(standing_world: Database, file: Path) -> None:
    file.write_text(
        "[index.status]\njson = true\n[train]\ntest-size = 0.5\nmax_iter = 7\nC = 2\n[sync]\nindex = false\n"
    )
    assert done("index", "status").stdout.startswith("{")
    page = " ".join(done("train", "--help").stdout.split())
    for value in ("[default: 0.5]", "[default: 7]", "[default: 2"):
        assert value in page.replace("│ ", "")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[bogus]\nk = 1\n", "bogus is not the table of a command", "[sync], [work], [watch]"),
        ("[models.bogus]\nk = 1\n", "models.bogus is not the table of a command", "[models.list], [models.show]"),
        ("k = 1\n", "k is not the table of a command", "[sync]"),
        ("sync = 1\n", "sync is not the table of a command", "[sync]"),
        ("[models]\njson = true\n", "models.json is not the table of a command", "[models.list]"),
        ("[sync]\nlimits = 1\n", "[sync] has no option limits", "options there are: text, source-sql"),
        ("[nearest]\nas_json = true\n", "[nearest] has no option as_json", "json"),
        ("[nearest]\nwanted = 'x'\n", "[nearest] has no option wanted", "questions, k, where"),
        ("[sync]\ndb-url = 'postgresql:///x'\n", "[sync] has no option db-url", "TAGDB_DATABASE_URL"),
        ("[sync]\nlimit = [1]\n", "[sync] limit: it can be a text or a number", "tagdb sync --help"),
        ("[sync]\nlimit = true\n", "[sync] limit: it can be a text or a number", "tagdb sync --help"),
        ("[models.list]\njson = 1\n", "[models.list] json: it can be true or false", "tagdb models list --help"),
        ("[sync]\nlimit = 'many'\n", "[sync] limit: ", ""),
        ("[sync]\nlimit = 0\n", "[sync] limit: ", ""),
        ("[sync\n", "is not TOML", "[sync]"),
        (b"\xff", "is not TOML", ""),
    ],
)
def test_what_is_not_there_is_refused_with_the_name_of_the_file(
    file: Path, text: str | bytes, message: str, hint: str
) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = tagdb("nearest", "java")
    assert result.exit_code == 2
    error, *following = result.stderr.splitlines()
    assert error.startswith(f"error: {file}")
    assert message in error
    assert hint in " ".join(following)


def test_file_that_cannot_be_read_is_told(file: Path) -> None:
    file.mkdir()
    result = tagdb("status")
    assert result.exit_code == 2
    assert f"error: {file} cannot be read: Is a directory" in result.stderr


def test_help_and_version_work_with_a_broken_file(file: Path) -> None:
    file.write_text("[")
    assert "Usage" in done("--help").stdout
    assert done("--version").stdout.startswith("tagdb ")


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_option_but_the_database_can_be_set(file: Path, words: str, command: Any) -> None:
    typed = {max(each.opts, key=len).lstrip("-") for each in command.params if each.param_type_name == "option"}
    flags = [each for each in command.params if getattr(each, "is_flag", False) and each.name != "help"]
    table = ".".join(words.split())
    file.write_text("".join([f"[{table}]\n", *(f"{each.name} = true\n" for each in flags), "bogus = 1\n"]))
    result = tagdb("db", "url")
    _, hint = result.stderr.splitlines()
    assert f"[{table}] has no option bogus" in result.stderr
    assert set(hint.removeprefix(" next: options there are: ").split(", ")) == (typed - {"help", "db-url"} or {"none"})
