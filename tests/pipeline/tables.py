"""Imports of small files, and a look at the user's tables afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tagdb.db.connection import Database
from tagdb.models import Silent
from tagdb.pipeline.importing import ImportResult, import_files


class Imports:
    """A database to import into, and a folder for the files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder

    def file(self, name: str, text: str) -> str:
        """Write a file and return its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8", newline="")
        return str(path)

    def load(self, text: str, *, name: str = "questions.csv", **options: Any) -> ImportResult:
        """Import a file of this text."""
        return self.run([self.file(name, text)], **options)

    def run(self, files: Sequence[str], **options: Any) -> ImportResult:
        """Import files."""
        return import_files(self.database, files, Silent(), **options)

    def sql(self, statements: str) -> None:
        """Run SQL as the user would."""
        with self.database.session() as session:
            session.run_script(statements)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.database.session() as session:
            return [tuple(row) for row in session.rows_of(query, {})]

    def questions(self) -> dict[int, tuple[str | None, ...]]:
        """Return title, label and time (UTC, as text) of each question."""
        rows = self.rows("SELECT id, title, label, CAST(created_at AT TIME ZONE 'UTC' AS text) || '+00' FROM questions")
        return {number: tuple(rest) for number, *rest in rows}

    def tags(self) -> dict[int, list[str]]:
        """Return the tags of each question that has any, in their order."""
        return dict(self.rows("SELECT question_id, array_agg(tag ORDER BY position) FROM tags GROUP BY 1"))

    def versions(self, *, where: str = "true", tags_where: str = "true") -> list[list[tuple[Any, ...]]]:
        """Return where each row lies and which transaction wrote it."""
        return [
            self.rows(f"SELECT CAST(ctid AS text), CAST(xmin AS text) FROM {table} WHERE {condition} ORDER BY ctid")
            for table, condition in (("questions", where), ("tags", tags_where))
        ]

    def last_run(self) -> dict[str, Any]:
        """Return the last row of `run`."""
        with self.database.session() as session:
            return dict(session.rows_of("SELECT * FROM tagdb.run ORDER BY id DESC LIMIT 1", {})[0]._mapping)
