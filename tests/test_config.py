"""Settings: which of them decides, what they may look like, and that no password in them is ever shown."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from urllib.parse import quote

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb import config
from tagdb.errors import Unavailable, UsageError

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("flag", "environment", "dsn", "origin"),
    [
        ("host=a", {"TAGDB_DATABASE_URL": "host=b", "DATABASE_URL": "host=c", "PGHOST": "d"}, "host=a", "--db-url"),
        (
            None,
            {"TAGDB_DATABASE_URL": "host=b", "DATABASE_URL": "host=c", "PGHOST": "d"},
            "host=b",
            "TAGDB_DATABASE_URL",
        ),
        (None, {"DATABASE_URL": "host=c", "PGHOST": "d"}, "host=c", "DATABASE_URL"),
        (None, {"PGHOST": "d", "PGSERVICE": "e"}, "", "PGHOST"),
        (None, {"PGSERVICE": "e"}, "", "PGSERVICE"),
        (None, {"PGHOSTADDR": "10.0.0.1"}, "", "PGHOSTADDR"),
        (None, {"PGUSER": "me", "PGPORT": "6432", "DATABASE_URL": "", "PGHOST": ""}, None, "embedded"),
        ("", {}, None, "embedded"),
    ],
)
def test_first_setting_that_is_given_decides(
    flag: str | None, environment: dict[str, str], dsn: str | None, origin: str
) -> None:
    target = config.resolve_target(flag, environment)
    assert (target.dsn, target.origin) == (dsn, origin)
    assert target.embedded == (dsn is None)


def test_schema_is_what_is_given_then_the_variable_then_tagdb() -> None:
    assert config.resolve_schema("Tickets", {"TAGDB_SCHEMA": "articles"}) == "Tickets"
    assert config.resolve_schema(None, {"TAGDB_SCHEMA": "articles"}) == "articles"
    assert config.resolve_schema(None, {"TAGDB_SCHEMA": ""}) == config.resolve_schema(None, {}) == "tagdb"


@pytest.mark.parametrize(
    "name", ["", " ", "a" * 64, "ä" * 32, "pg_temp", "information_schema", "a\0b", "a\nb", "a\x7fb", "\udc80", "a$$b"]
)
def test_names_that_no_collection_can_have_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no collection can lie in"):
        config.resolve_schema(name, {})
    if name:
        with pytest.raises(UsageError, match="no collection can lie in"):
            config.resolve_schema(None, {"TAGDB_SCHEMA": name})


@pytest.mark.parametrize("name", ["a" * 63, "ä" * 31, 'Tickets "2026" – it\'s 100% {a} :b', "pgvector", "public"])
def test_any_other_name_is_taken_as_it_is(name: str) -> None:
    assert config.resolve_schema(name, {}) == name


@pytest.mark.parametrize("variable", ["PGDATABASE", "PGUSER", "PGPORT", "PGPASSWORD"])
def test_variable_of_a_database_without_a_server_is_named_as_unheeded(variable: str) -> None:
    assert config.resolve_target(None, {variable: "x"}).unheeded == variable
    assert config.resolve_target(None, {variable: ""}).unheeded is None
    for decisive in ("TAGDB_DATABASE_URL", "DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
        assert config.resolve_target(None, {variable: "x", decisive: "host=a"}).unheeded is None


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg", "postgres+psycopg2"]
)
def test_schemes_that_others_write_become_that_of_libpq(scheme: str) -> None:
    rest = "://me:p%40ss@h1,h2:5433/db?sslmode=require&host=/tmp"
    assert config.libpq_dsn(scheme + rest) == "postgresql" + rest


@pytest.mark.parametrize("text", ["host=/tmp dbname=x", " dbname = 'my db' password='a b'", "service=mine"])
def test_key_value_form_is_passed_on_as_it_is(text: str) -> None:
    assert config.libpq_dsn(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql:/alice:{SECRET}@host/db",
        f"postgresql:alice:{SECRET}@host/db",
        f"mysql://alice:{SECRET}@host/db",
        f"postgresql+asyncpg://alice:{SECRET}@host/db",
        f"alice:{SECRET}@host/db",
        f"{SECRET}",
        f"{SECRET} host=h",
        f"PASSWORD={SECRET}",
        " ",
    ],
)
def test_anything_else_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        config.libpq_dsn(text)
    assert SECRET not in f"{refused.value} {refused.value.hint}"
    assert "postgresql://" in (refused.value.hint or "")


def test_home_is_what_the_user_says() -> None:
    assert config.home({"TAGDB_HOME": "/srv/tagdb"}) == Path("/srv/tagdb")
    assert config.home({"TAGDB_HOME": "~/tags"}) == Path.home() / "tags"
    assert config.home({"TAGDB_HOME": "tags"}) == Path.cwd() / "tags"
    with pytest.raises(UsageError, match="no such home"):
        config.home({"TAGDB_HOME": "~nobody-has-this-name/tags"})


def test_home_without_a_word_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert config.home({}) == Path("/var/lib/tagdb")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert config.home({}) == Path(platformdirs.user_data_dir("tagdb", appauthor=False))


def test_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", _no_such_user)
    with pytest.raises(Unavailable, match="no home folder") as refused:
        config.home({})
    assert "TAGDB_HOME" in (refused.value.hint or "")
    assert config.home_if_any({}) is None
    assert config.home({"TAGDB_HOME": "/srv/tagdb"}) == Path("/srv/tagdb")


def _no_such_user(number: int) -> pwd.struct_passwd:
    raise KeyError(number)


_ANY = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=12)
_PASSWORD = st.tuples(_ANY, _ANY).map(lambda parts: f"{parts[0]}{SECRET}{parts[1]}")
_NAME = st.text(st.sampled_from("abcXYZ019-_.%"), max_size=8)
_AROUND = st.sampled_from(["", "connection to ", "could not connect: ", "(", '"'])


def _key_value_quoted(password: str) -> str:
    return "'" + password.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _key_value_escaped(password: str) -> str:
    return "".join("\\" + c if c in "\\'" or c.isspace() else c for c in password)


@given(
    before=_AROUND,
    user=_NAME,
    password=_PASSWORD,
    host=_NAME,
    after=st.sampled_from(["", "/db", ":5432/db?a=b", '" x']),
)
def test_password_in_a_url_is_blanked_out(before: str, user: str, password: str, host: str, after: str) -> None:
    for written in (password, quote(password), quote(password, safe="")):
        redacted = config.redact(f"{before}postgresql://{user}:{written}@{host}{after}")
        assert SECRET not in redacted
        assert redacted == f"{before}postgresql://{user}:***@{host}{after}"


@given(key=st.sampled_from(["password", "sslpassword", "PGPASSWORD", "oauth_client_secret"]), password=_PASSWORD)
def test_password_in_key_value_form_is_blanked_out(key: str, password: str) -> None:
    for written in (_key_value_quoted(password), _key_value_escaped(password)):
        for equals in ("=", " = "):
            text = f"host=h {key}{equals}{written} dbname=db"
            assert config.redact(text) == f"host=h {key}{equals}*** dbname=db"


@given(key=st.sampled_from(["password", "sslpassword", "scram_client_key"]), password=_PASSWORD)
def test_password_among_the_parameters_of_a_url_is_blanked_out(key: str, password: str) -> None:
    for start in ("?", "?sslmode=require&"):
        text = f"postgresql://host/db{start}{key}={quote(password, safe='')}&user=me"
        assert config.redact(text) == f"postgresql://host/db{start}{key}=***&user=me"


@given(password=_PASSWORD)
def test_password_in_a_string_that_ends_too_early_is_blanked_out(password: str) -> None:
    quoted = _key_value_quoted(password)[:-1]
    assert SECRET not in config.redact(f"host=h password={quoted}")


@given(text=st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = config.redact(text)
    assert config.redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me@host:5432/db?sslmode=require",
        "host=h dbname=passwords user=me",
        'relation "password" does not exist',
        "see https://example.org:8080/a",
    ],
)
def test_text_without_a_password_stays_as_it_is(text: str) -> None:
    assert config.redact(text) == text
