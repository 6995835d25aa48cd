"""Loads the named queries of `sql/queries`: a file per topic, each query under a line `-- name: what_it_does`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache

import sqlalchemy

from tagdb.config import DEFAULT_SCHEMA
from tagdb.db import naming
from tagdb.db.naming import Part, Piece
from tagdb.db.resources import folder

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_KEPT = 4_096


@cache
def topic(name: str) -> dict[str, str]:
    """Return the queries of `sql/queries/<name>.sql` by name, as they are written."""
    parts = _NAME.split((folder("sql") / "queries" / f"{name}.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


@lru_cache(_KEPT)
def statement(query: str, schema: str = DEFAULT_SCHEMA) -> sqlalchemy.TextClause:
    """Return the query called `topic.name` as a statement with `:parameters`, for the collection in `schema`."""
    return sqlalchemy.text(naming.renamed(_written(query), schema, _without_parameters))


def statement_of(query: str, schema: str, parts: Mapping[str, str]) -> sqlalchemy.TextClause:
    """Return the same of a query with `{parts}`; a colon in what they are is nothing but a colon."""
    filled = {name: _without_parameters(part) for name, part in parts.items()}
    return sqlalchemy.text(_filled(_pieces(query, schema, for_statement=True), filled))


def script(query: str, schema: str, parts: Mapping[str, str]) -> str:
    """Return the query called `topic.name` as the driver takes it, with its `{parts}` put in."""
    return _filled(_pieces(query, schema, for_statement=False), parts)


def _filled(pieces: tuple[Piece, ...], parts: Mapping[str, str]) -> str:
    return "".join(parts[each.name] if isinstance(each, Part) else each for each in pieces)


@lru_cache(_KEPT)
def _pieces(query: str, schema: str, *, for_statement: bool) -> tuple[Piece, ...]:
    return tuple(naming.pieces(_written(query), schema, _without_parameters if for_statement else str))


def _written(query: str) -> str:
    topic_name, _, name = query.partition(".")
    return topic(topic_name)[name]


def _without_parameters(sql: str) -> str:
    return sql.replace(":", "\\:")
