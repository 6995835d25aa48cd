"""Puts the name of a collection's schema into SQL that says `tagdb`, so that the files stay as anybody can run them.

Only SQL that tagdb wrote is renamed, never the user's. What is renamed: the identifier `tagdb`; names that begin with
`tagdb.` inside of literals, function bodies and statements that `format` puts together; the literal 'tagdb' itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tagdb.config import DEFAULT_SCHEMA
from tagdb.db.rights import quoted

_LEXEME = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<dollar> \$(?:[^\W\d]\w*)?\$ ) (?P<body> .*? ) (?P=dollar)
    | '(?P<literal> (?: '' | [^'] )* )'
    | (?P<identifier> "(?: "" | [^"] )*" )
    | (?P<word> [\w$]+ )
    | (?P<part> \{[a-z_]+\} )
    """,
    re.DOTALL | re.VERBOSE,
)
_INSIDE = re.compile(r'(?P<name>(?<![\w.$"])tagdb(?=\.))|(?P<part>\{[a-z_]+\})')
_IS_FORMAT = re.compile(r"%(?:\d+\$)?-?\d*[sIL]")
_TO_NAMESPACE = re.compile(r"to_regnamespace\(\s*$", re.IGNORECASE)
_AS_NAMESPACE = re.compile(r"\s*(?:::|\bAS\b)\s*regnamespace\b", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """The place in a query, written `{name}`, where a piece of SQL is put in."""

    name: str


Piece = str | Part


def renamed(sql: str, schema: str, escape: Callable[[str], str] = str) -> str:
    """Return SQL of tagdb's own for the collection in `schema`; braces in it are nothing but braces.

    Parameters
    ----------
    escape : what is done to the schema's name, and to nothing else, for whoever reads the SQL before PostgreSQL does
    """
    if schema == DEFAULT_SCHEMA:
        return sql
    return "".join(f"{{{each.name}}}" if isinstance(each, Part) else each for each in pieces(sql, schema, escape))


def pieces(sql: str, schema: str, escape: Callable[[str], str] = str) -> Iterator[Piece]:
    """Yield what a query consists of, renamed as by `renamed`; what is put into its parts is never renamed."""
    end = 0
    for lexeme in _LEXEME.finditer(sql):
        yield sql[end : lexeme.start()]
        end = lexeme.end()
        if lexeme["dollar"] is not None:
            yield lexeme["dollar"]
            yield from pieces(lexeme["body"], schema, escape)
            yield lexeme["dollar"]
        elif lexeme["literal"] is not None:
            is_parsed = _TO_NAMESPACE.search(sql, 0, lexeme.start()) or _AS_NAMESPACE.match(sql, end)
            yield "'"
            yield from _of_literal(lexeme["literal"], quoted(schema) if is_parsed else schema, schema, escape)
            yield "'"
        elif lexeme["word"] == DEFAULT_SCHEMA and sql[lexeme.start() - 1 : lexeme.start()] not in (".", ":"):
            yield escape(quoted(schema))
        elif lexeme["part"] is not None:
            yield Part(lexeme["part"][1:-1])
        else:
            yield lexeme[0]
    yield sql[end:]


def _of_literal(content: str, whole: str, schema: str, escape: Callable[[str], str]) -> Iterator[Piece]:
    if content == DEFAULT_SCHEMA:
        yield escape(whole.replace("'", "''"))
        return
    name = quoted(schema).replace("'", "''")
    if _IS_FORMAT.search(content):
        name = name.replace("%", "%%")
    end = 0
    for found in _INSIDE.finditer(content):
        yield content[end : found.start()]
        end = found.end()
        yield Part(found["part"][1:-1]) if found["part"] else escape(name)
    yield content[end:]


def called(schema: str) -> str:
    """Return what to call the collection in a schema."""
    return "tagdb schema" if schema == DEFAULT_SCHEMA else f"collection {quoted(schema)}"
