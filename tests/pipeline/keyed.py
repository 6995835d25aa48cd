"""Small databases whose questions have keys of any type, each key made from a number."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagdb.db.connection import Database
from tests.pipeline.world import World

_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835


@dataclass(frozen=True)
class Kind:
    """A type that the user's keys have, what they are stored as, and the key of a number as it is read."""

    type: str
    stored: str
    key: Callable[[int], Any]


def _uuid(number: int) -> uuid.UUID:
    return uuid.UUID(int=number * _SPREAD % 2**128)


def _words(number: int) -> str:
    return f'Acme\'s \\ "{number}" / %s :x {{ä}} 数'


KINDS = {
    "smallint": Kind("smallint", "smallint", lambda number: number),
    "integer": Kind("integer", "integer", lambda number: number - 2**31),
    "bigint": Kind("bigint", "bigint", lambda number: number + 2**40),
    "uuid": Kind("uuid", "uuid", _uuid),
    "text": Kind("text", "text", _words),
    "varchar": Kind("varchar(60)", "text", _words),
    "text of another collation": Kind('text COLLATE "POSIX"', "text", _words),
    "varchar of another collation": Kind('varchar COLLATE "C.utf8"', "text", _words),
    "domain": Kind("number_of_a_ticket", "integer", lambda number: number),
    "char": Kind("char(12)", "text", lambda number: f"k{number}"),
    "enum": Kind("letter", "text", lambda number: f"letter {number}"),
    "name": Kind("name", "text", lambda number: f"name {number}"),
}
_TYPES = f"""
CREATE DOMAIN number_of_a_ticket AS integer CHECK (value >= 0);
CREATE TYPE letter AS ENUM ({", ".join(f"'letter {number}'" for number in range(120))})
"""
_TABLES = """
CREATE TABLE questions (id {type} PRIMARY KEY, title text, label text);
CREATE TABLE tags (question_id {type}, position smallint, tag text, PRIMARY KEY (question_id, position))
"""


class KeyedWorld(World):
    """The tables `questions` and `tags` with keys of a kind."""

    def __init__(self, database: Database, embedder: Path, kind: Kind) -> None:
        self.kind = kind
        super().__init__(database, embedder, tables=f"{_TYPES}; {_TABLES.format(type=kind.type)}")

    def literal(self, number: int) -> str:
        """Return the key of a number as SQL writes it."""
        return "'" + str(self.kind.key(number)).replace("'", "''") + "'"

    def write(self, questions: Mapping[int, str]) -> None:
        """Insert or update questions, each with its tags separated by blanks; a label comes from the first of them."""
        for number, tags in questions.items():
            key = self.literal(number)
            label = "'java'" if tags.startswith("java") else "'python'" if tags.startswith("python") else "NULL"
            self.run(f"DELETE FROM tags WHERE question_id = {key}; DELETE FROM questions WHERE id = {key}")
            self.run(f"INSERT INTO questions VALUES ({key}, 'title {number}', {label})")
            for place, tag in enumerate(tags.split()):
                self.run(f"INSERT INTO tags VALUES ({key}, {place}, '{tag}')")

    def erase(self, number: int) -> None:
        """Delete a question with its tags."""
        key = self.literal(number)
        self.run(f"DELETE FROM tags WHERE question_id = {key}; DELETE FROM questions WHERE id = {key}")

    def keyed(self, questions: Mapping[int, str]) -> dict[Any, str]:
        """Return the same with keys for numbers."""
        return {self.kind.key(number): tags for number, tags in questions.items()}

    def found(self) -> dict[Any, str]:
        """Return the stored text of each key."""
        return dict(self.texts())


def stored_types(world: World) -> list[str]:
    """Return the types of the ids in the relations that users join, and of what the function for neighbours takes."""
    columns = (
        "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attname = 'question_id' AND attnum > 0 "
        "AND attrelid IN (CAST('tagdb.question' AS regclass), CAST('tagdb.labels' AS regclass), "
        "CAST('tagdb.embedding' AS regclass), CAST('tagdb.source' AS regclass))"
    )
    arguments = "SELECT format_type(proargtypes[0], NULL) FROM pg_proc WHERE proname = 'nearest_questions'"
    return [row[0] for row in [*world.rows(columns), *world.rows(arguments)]]
