"""Where tagdb keeps its files and which database it speaks to: settings come in, plain values go out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tagdb.errors import UsageError

VERSION = "0.1.0"
ROOT_HOME = Path("/var/lib/tagdb")
_URL_SCHEME = re.compile(r"^(?:postgres|postgresql)(?:\+psycopg2?)?://")
_KEY_VALUE = re.compile(r"^\s*[a-z_]+\s*=")


@dataclass(frozen=True)
class Target:
    """The database to speak to.

    `dsn` is a libpq connection string (URL or key/value form, empty for libpq's own environment), or None for the
    embedded server. `origin` says which setting decided, for people.
    """

    dsn: str | None
    origin: str

    @property
    def embedded(self) -> bool:
        """Whether tagdb runs the server itself."""
        return self.dsn is None


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of tagdb's own files: `TAGDB_HOME`, or the platform's folder for user data.

    root gets a system folder: PostgreSQL cannot run as root, so another user has to be able to reach the data.
    """
    if given := environ.get("TAGDB_HOME"):
        try:
            return Path(given).expanduser().absolute()
        except RuntimeError as error:
            raise UsageError(f"TAGDB_HOME is {given}: there is no such user", hint="write the path in full") from error
    if os.geteuid() == 0:
        return ROOT_HOME
    return Path(platformdirs.user_data_dir("tagdb", appauthor=False))


def resolve_target(db_url: str | None, environ: Mapping[str, str] = os.environ) -> Target:
    """Decide which database to use: flag, `TAGDB_DATABASE_URL`, `DATABASE_URL`, libpq's variables, embedded."""
    if db_url:
        return Target(libpq_dsn(db_url), "--db-url")
    for variable in ("TAGDB_DATABASE_URL", "DATABASE_URL"):
        if value := environ.get(variable):
            return Target(libpq_dsn(value), variable)
    for variable in ("PGHOST", "PGSERVICE"):
        if environ.get(variable):
            return Target("", variable)
    return Target(None, "embedded")


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


def redact(text: str) -> str:
    """Blank out passwords in URLs and in key/value strings, wherever they stand; rather too much than less."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
