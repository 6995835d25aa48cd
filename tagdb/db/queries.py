"""Loads the named queries of `sql/queries`: a file per topic, each query under a line `-- name: what_it_does`."""

from __future__ import annotations

import re
from functools import cache

import sqlalchemy

from tagdb.db.resources import folder

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def topic(name: str) -> dict[str, str]:
    """Return the queries of `sql/queries/<name>.sql` by name."""
    parts = _NAME.split((folder("sql") / "queries" / f"{name}.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


@cache
def statement(query: str) -> sqlalchemy.TextClause:
    """Return the query called `topic.name` as a statement with `:parameters`."""
    topic_name, _, name = query.partition(".")
    return sqlalchemy.text(topic(topic_name)[name])
