"""Where a database is: as a URL for other programs, and in words for people, both without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode

import psycopg2
import psycopg2.extensions

from tagdb import config
from tagdb.errors import UsageError

_FROM_ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "dbname": "PGDATABASE",
    "service": "PGSERVICE",
}
_USUAL_PORT = "5432"
_URL_AS_MEANT = re.compile(r"postgresql://([^@/]*@)?[^@?]*(\?|$)")
_QUOTING = "in a URL write %40 for @, %2F for /, %25 for % in the password; in key=value form quote it: password='…'"
_SEARCH_PATH = ("schema", "currentschema", "search_path")


class Unreadable(ValueError):
    """A connection string that says nothing to libpq, or something else than it was meant to."""

    def __init__(self, reason: str = "", *, hint: str = _QUOTING) -> None:
        super().__init__(reason)
        self.hint = hint


def settings(dsn: str) -> dict[str, str]:
    """Return the settings in a connection string.

    Raises
    ------
    Unreadable : libpq cannot read it, or would take a piece of the password for something else. libpq's own words are
        not passed on, for they quote what it stumbled over.
    """
    try:
        found: dict[str, str] = psycopg2.extensions.parse_dsn(dsn) if dsn else {}
    except psycopg2.ProgrammingError:
        raise _unreadable(dsn) from None
    misread = dsn.startswith("postgresql://") and not _URL_AS_MEANT.match(dsn)
    if misread or _strange(found.get("host", "")) or not re.fullmatch(r"[\d,\s]*", found.get("port", "")):
        raise Unreadable
    return found


def _strange(hosts: str) -> bool:
    """Whether a host has a piece of a password before it; the folder of a socket may well have an @ in its name."""
    return any("@" in host and not host.startswith(("/", "@")) for host in hosts.split(","))


def place(dsn: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Name the database and its server for people, as far as the connection string tells; None when it cannot be read.

    What it leaves out, libpq takes from its variables, as here.
    """
    try:
        given = settings(dsn)
    except Unreadable:
        return None
    told = {key: environ[name] for key, name in _FROM_ENVIRONMENT.items() if environ.get(name)} | given
    if "service" in told and "host" not in given:
        named = f" of service {told['service']}"
        return config.redact(f"{given['dbname']}{named}" if "dbname" in given else f"the database{named}")
    name = told.get("dbname") or told.get("user") or "the database of this user"
    return config.redact(f"{name} on {_server(told.get('host', ''), told.get('port', ''))}")


def _server(host: str, port: str) -> str:
    shown = f" port {port}" if port not in ("", _USUAL_PORT) else ""
    if not host or host.startswith(("/", "@")):
        return f"the socket in {host}{shown}" if host else f"the local socket{shown}"
    if "," in host or "," in port:
        return f"{host}{shown}"
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if shown else "")


def _unreadable(dsn: str) -> Unreadable:
    """Name the parameter of a URL that is not libpq's, unless it may be a piece of a password."""
    url, _, query = dsn.partition("?")
    if not (dsn.startswith("postgresql://") and "password" not in query.lower() and _URL_AS_MEANT.match(dsn)):
        return Unreadable()
    strange = [key for key, _ in parse_qsl(query, keep_blank_values=True) if not _known(key)]
    if not strange or "=" not in query or not re.fullmatch(r"[a-zA-Z_]{1,30}", strange[0]):
        return Unreadable()
    try:
        psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        return Unreadable()
    hint = f"leave {strange[0]} out"
    if strange[0].lower() in _SEARCH_PATH:
        hint += "; a search path is written so: ?options=-csearch_path%3Dmine"
    return Unreadable(f": it has a parameter libpq does not know: {strange[0]}", hint=hint)


def _known(key: str) -> bool:
    if key == "ssl":  # what other drivers say for sslmode, which libpq understands in a URL
        return True
    try:
        psycopg2.extensions.parse_dsn(f"{key}=1")
    except psycopg2.ProgrammingError:
        return False
    return True


def public_url(dsn: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the URL of a connection string that libpq can read; of an empty one, what libpq's variables say."""
    parts: dict[str, str] = psycopg2.extensions.parse_dsn(dsn) if dsn else {}
    if not dsn:
        parts = {key: environ[name] for key, name in _FROM_ENVIRONMENT.items() if environ.get(name)}
    parts = {key: value for key, value in parts.items() if not config.is_secret(key)}
    host = parts.get("host", "")
    place = ""
    if host and not host.startswith("/") and "," not in host:
        del parts["host"]
        place = (f"[{host}]" if ":" in host else host) + (f":{parts.pop('port')}" if "port" in parts else "")
    user = quote(parts.pop("user"), safe="") + "@" if "user" in parts else ""
    name = "/" + quote(parts.pop("dbname"), safe="") if "dbname" in parts else ""
    query = "?" + urlencode(parts, quote_via=quote, safe="/") if parts else ""
    return f"postgresql://{user}{place}{name}{query}"


def own_dsn(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return what this machine's settings say of the database of a public URL, with its password, else the URL."""
    try:
        own = config.resolve_target(None, environ).dsn or ""
        return own if own and settings(own) and public_url(own, environ) == url else url
    except (Unreadable, UsageError):
        return url


def secret_environment(dsn: str) -> dict[str, str]:
    """Return the environment that hands the password of a connection string to a child, out of sight of `ps`.

    libpq has no variable for its other secrets: psql asks for the one of a client's key (`sslpassword`) itself.
    """
    parts: dict[str, str] = psycopg2.extensions.parse_dsn(dsn) if dsn else {}
    return {"PGPASSWORD": parts["password"]} if "password" in parts else {}
