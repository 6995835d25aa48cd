"""What to type next names the collection that it is about, wherever it is said."""

from __future__ import annotations

import re
import shlex

from tagdb.config import DEFAULT_SCHEMA

_COMMAND = re.compile(
    r"\btagdb (?:db views \w+|db (?!stop|schemas|views)\w+|embedder (?!add|show|verify)\w+|(?:capture|index|models) \w+"
    r"|(?:demo|doctor|export|import|nearest|predict|status|sync|train|watch|work)\b)(?! --schema)"
)


def addressed(text: str, schema: str) -> str:
    """Let the commands of tagdb's in a hint name the collection that it is about."""
    if schema == DEFAULT_SCHEMA:
        return text
    return _COMMAND.sub(lambda command: f"{command[0]} --schema {shlex.quote(schema)}", text)
