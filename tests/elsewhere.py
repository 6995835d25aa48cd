"""Lets the tests work in another collection than the default one: TAGDB_TEST_SCHEMA='any "name"' pytest tests/pipeline.

What tests themselves say of `tagdb` is renamed on its way to the database; what tagdb says is not, so that a place that
forgot the schema is found.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from tagdb.config import DEFAULT_SCHEMA
from tagdb.db import naming
from tagdb.db.connection import Database, Session

SCHEMA = os.environ.get("TAGDB_TEST_SCHEMA") or DEFAULT_SCHEMA


def work_in(schema: str) -> None:
    """Make `schema` the one that a database is opened in when a test names none."""
    defaults: Any = Database.__init__.__kwdefaults__
    defaults["schema"] = schema
    for name in ("rows_of", "run_script", "stream"):
        setattr(Session, name, _renaming(getattr(Session, name), schema))


def _renaming(method: Callable[..., Any], schema: str) -> Callable[..., Any]:
    def renaming(self: Session, sql: str, *arguments: Any) -> Any:
        if "/tests/" in sys._getframe(1).f_code.co_filename:
            colon = "\\:" if method.__name__ == "rows_of" else ":"
            sql = naming.renamed(sql, schema, lambda name: name.replace(":", colon))
        return method(self, sql, *arguments)

    return renaming
