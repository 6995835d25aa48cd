"""How a database is named to people, and which connection strings are told what is wrong with them."""

from __future__ import annotations

import pytest

from tagdb.config import Target
from tagdb.db import address
from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed


@pytest.mark.parametrize(
    ("dsn", "environ", "place"),
    [
        ("postgresql://me:pw@db.example.org/shop", {}, "shop on db.example.org"),
        ("postgresql://me:pw@db.example.org:5432/shop", {}, "shop on db.example.org"),
        ("postgresql://me@db.example.org:6543/shop", {"PGPORT": "1"}, "shop on db.example.org:6543"),
        ("postgresql://db.example.org/shop", {"PGPORT": "6543"}, "shop on db.example.org:6543"),
        ("postgresql://[::1]:6543/shop", {}, "shop on [::1]:6543"),
        ("postgresql://me@db.example.org", {}, "me on db.example.org"),
        ("postgresql://db.example.org", {"PGUSER": "me"}, "me on db.example.org"),
        ("postgresql://db.example.org", {}, "the database of this user on db.example.org"),
        ("host=a,b port=1,2 dbname=shop", {}, "shop on a,b port 1,2"),
        ("dbname='my shop' password=pw", {}, "my shop on the local socket"),
        ("postgresql:///shop?host=/run/pg&port=5433", {}, "shop on the socket in /run/pg port 5433"),
        ("postgresql://%2Frun%2Fpg/shop", {}, "shop on the socket in /run/pg"),
        ("postgresql://me@/shop?host=/home/me%40corp/pg", {}, "shop on the socket in /home/me@corp/pg"),
        ("host=@pg,db dbname=shop", {}, "shop on the socket in @pg,db"),
        ("", {"PGHOST": "/run/pg", "PGDATABASE": "shop"}, "shop on the socket in /run/pg"),
        ("", {"PGHOST": "db.example.org", "PGUSER": "me"}, "me on db.example.org"),
        ("", {"PGSERVICE": "prod"}, "the database of service prod"),
        ("service=prod dbname=shop", {}, "shop of service prod"),
        ("dbname='postgresql://bob:pw@h/db'", {}, "postgresql://bob:***@h/db on the local socket"),
        ("postgresql://alice:x@pw@localhost/db", {}, None),
        ("postgresql://localhost/db?pw=x", {}, None),
        ("host=db,pw@db dbname=shop", {}, None),
    ],
)
def test_database_is_named_by_what_decides_where_it_is(dsn: str, environ: dict[str, str], place: str | None) -> None:
    assert address.place(dsn, environ) == place


def test_setting_that_decided_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("postgresql://me:pw@db.example.org:6543/shop", "TAGDB_DATABASE_URL")
    assert Database.open(target).shown == "shop on db.example.org:6543 (TAGDB_DATABASE_URL)"
    assert Database.open(Target("nonsense", "--db-url")).shown == "the database of --db-url"


@pytest.mark.parametrize(
    ("dsn", "parameter", "hint"),
    [
        ("postgresql://me@localhost/db?schema=public", "schema", "options=-csearch_path%3Dmine"),
        ("postgresql://me@localhost/db?sslmode=require&currentSchema=x", "currentSchema", "options=-csearch_path"),
        ("postgresql://me:pw@localhost/db?ssl=true&pgbouncer=true", "pgbouncer", "leave pgbouncer out"),
    ],
)
def test_parameter_that_only_other_programs_know_is_named(dsn: str, parameter: str, hint: str) -> None:
    with pytest.raises(ConnectionFailed) as refused, Database(dsn, origin="--db-url").session():
        pass
    assert str(refused.value) == (
        f"the connection string of --db-url cannot be read: it has a parameter libpq does not know: {parameter}"
    )
    assert hint in (refused.value.hint or "")
    assert "public" not in str(refused.value.hint)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://localhost/db?password=x&pw=y",
        "postgresql://localhost/db?sslpassword=x&pw=y",
        "postgresql://localhost/db?pw",
        "postgresql://localhost/db?x%3Dpw=1",
        "postgresql://a:b/pw?schema=x@localhost/db",
        "host=localhost pw=1",
    ],
)
def test_what_may_be_a_piece_of_a_password_is_not(dsn: str) -> None:
    with pytest.raises(address.Unreadable) as refused:
        address.settings(dsn)
    assert "pw" not in f"{refused.value}{refused.value.hint}".replace("password", "")


def test_ssl_is_understood_as_libpq_does() -> None:
    assert address.settings("postgresql://localhost/db?ssl=true")["sslmode"] == "require"


PUBLIC = "postgresql://me@db.example.org/shop"


@pytest.mark.parametrize(
    ("environ", "dsn"),
    [
        ({}, PUBLIC),
        ({"TAGDB_DATABASE_URL": "postgresql://me:pw@db.example.org/shop"}, "postgresql://me:pw@db.example.org/shop"),
        ({"DATABASE_URL": "host=db.example.org user=me dbname=shop password=pw"}, None),
        ({"TAGDB_DATABASE_URL": "postgresql://me:pw@db.example.org/other"}, PUBLIC),
        ({"TAGDB_DATABASE_URL": "postgresql://you:pw@db.example.org/shop"}, PUBLIC),
        ({"TAGDB_DATABASE_URL": "postgresql://me:p/w@db.example.org/shop"}, PUBLIC),
        ({"TAGDB_DATABASE_URL": "what is this"}, PUBLIC),
        ({"PGHOST": "db.example.org"}, PUBLIC),
    ],
)
def test_own_password_is_found_where_the_place_is_the_same(environ: dict[str, str], dsn: str | None) -> None:
    assert address.own_dsn(PUBLIC, environ) == (dsn or environ["DATABASE_URL"])
