"""Where a database is, as a URL for other programs: what libpq understands, without secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import psycopg2.extensions

from tagdb import config

_FROM_ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "dbname": "PGDATABASE",
    "service": "PGSERVICE",
}


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


def secret_environment(dsn: str) -> dict[str, str]:
    """Return the environment that hands the password of a connection string to a child, out of sight of `ps`.

    libpq has no variable for its other secrets: psql asks for the one of a client's key (`sslpassword`) itself.
    """
    parts: dict[str, str] = psycopg2.extensions.parse_dsn(dsn) if dsn else {}
    return {"PGPASSWORD": parts["password"]} if "password" in parts else {}
