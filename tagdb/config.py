"""Where tagdb keeps its files and which database it speaks to: settings come in, plain values go out."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tagdb.errors import Unavailable, UsageError

VERSION = "0.1.0"
ROOT_HOME = Path("/var/lib/tagdb")
DEFAULT_SCHEMA = "tagdb"
_LONGEST_NAME = 63  # bytes that PostgreSQL keeps of a name
_SERVER_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE")
_OTHER_VARIABLES = ("PGDATABASE", "PGUSER", "PGPORT", "PGPASSWORD")
_URL_SCHEME = re.compile(r"^(?:postgres|postgresql)(?:\+psycopg2?)?://")
_KEY_VALUE = re.compile(r"^\s*[a-z_]+\s*=")


@dataclass(frozen=True)
class Target:
    """The database to speak to.

    `dsn` is a libpq connection string (URL or key/value form, empty for libpq's own environment), or None for the
    embedded server. `origin` says which setting decided, for people; `unheeded` names one that speaks of a database but
    of no server, so that it decides nothing.
    """

    dsn: str | None
    origin: str
    unheeded: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether tagdb runs the server itself."""
        return self.dsn is None


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of tagdb's own files: `TAGDB_HOME`, or the platform's folder for user data.

    root gets a system folder: PostgreSQL cannot run as root, so another user has to be able to reach the data.

    Raises
    ------
    UsageError : `TAGDB_HOME` is below the home of a user there is not
    Unavailable : nothing says where to keep files, as for a user of a container who has no home
    """
    if given := environ.get("TAGDB_HOME"):
        try:
            return Path(given).expanduser().absolute()
        except RuntimeError as error:
            raise UsageError(f"TAGDB_HOME is {given}: there is no such home", hint="write the path in full") from error
    if os.geteuid() == 0:
        return ROOT_HOME
    try:
        folder = Path(platformdirs.user_data_dir("tagdb", appauthor=False))
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():
        raise Unavailable(
            "there is no home folder to keep tagdb's files in", hint="set TAGDB_HOME to a folder you may write"
        )
    return folder


def home_if_any(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return `home`, or None for a user without one, who can still work on a server of their own."""
    try:
        return home(environ)
    except Unavailable:
        return None


def resolve_target(db_url: str | None, environ: Mapping[str, str] = os.environ) -> Target:
    """Decide which database to use: flag, `TAGDB_DATABASE_URL`, `DATABASE_URL`, libpq's variables, embedded."""
    if db_url:
        return Target(libpq_dsn(db_url), "--db-url")
    for variable in ("TAGDB_DATABASE_URL", "DATABASE_URL"):
        if value := environ.get(variable):
            return Target(libpq_dsn(value), variable)
    for variable in _SERVER_VARIABLES:
        if environ.get(variable):
            return Target("", variable)
    return Target(None, "embedded", next((variable for variable in _OTHER_VARIABLES if environ.get(variable)), None))


def resolve_schema(given: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Decide which schema a collection lies in: what is given, `TAGDB_SCHEMA`, or `tagdb`; the name is taken exactly.

    Raises
    ------
    UsageError : no schema can have that name, or it is one of PostgreSQL's own
    """
    name = given if given is not None else environ.get("TAGDB_SCHEMA") or DEFAULT_SCHEMA
    if fault := _fault_of_schema(name):
        raise UsageError(f"no collection can lie in schema {name!r}: {fault}", hint="choose another --schema")
    return name


def _fault_of_schema(name: str) -> str | None:
    if not name.strip():
        return "it has no name"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "there are control characters in it"
    if len(name.encode()) > _LONGEST_NAME:
        return f"it is longer than {_LONGEST_NAME} bytes"
    if name.startswith("pg_") or name == "information_schema":
        return "it is PostgreSQL's own"
    if "$$" in name:
        return "$$ has a meaning of its own in SQL"
    return None


def libpq_dsn(url: str) -> str:
    """Turn an accepted URL or key/value string into what libpq takes; nothing else in it is read or rebuilt.

    Raises
    ------
    UsageError : it is neither; the text itself is not shown, for it may hold a password
    """
    if _URL_SCHEME.match(url):
        return _URL_SCHEME.sub("postgresql://", url)
    if _KEY_VALUE.match(url):
        return url
    raise UsageError(
        "the database URL is neither a PostgreSQL URL nor libpq's key=value form",
        hint="write it as postgresql://user@host:5432/database or 'host=… dbname=…'",
    )


_SECRET_KEY = r"\w*password|oauth_client_secret|scram_\w+_key"  # noqa: S105
_SECRETS = (
    (re.compile(r"(://[^:/@\s]*:)[^\n]*(@)"), r"\1***\2"),
    (re.compile(rf"([?&](?:{_SECRET_KEY})=)[^&\n]*", re.IGNORECASE), r"\1***"),
    (
        re.compile(rf"((?<![?&\w])(?:{_SECRET_KEY})\s*=\s*)('(?:\\.|[^'\\])*(?:'|$)|(?:\\.|[^\s\\])+)", re.I | re.S),
        r"\1***",
    ),
)


def is_secret(key: str) -> bool:
    """Whether the value of this parameter of libpq's is to be seen by nobody."""
    return re.fullmatch(_SECRET_KEY, key) is not None


def redact(text: str) -> str:
    """Blank out passwords in URLs and in key/value strings, wherever they stand; rather too much than less."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
