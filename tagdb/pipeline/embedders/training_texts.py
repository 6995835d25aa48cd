"""The texts an embedder learns from: streamed from queries, from files, or from what tagdb embeds anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

from tagdb import config, formats
from tagdb.db import lifting, source, userquery
from tagdb.db.connection import Database, Session
from tagdb.db.userquery import UserQuery
from tagdb.errors import InputRefused, QueryRefused
from tagdb.pipeline.running.locking import exclusive

TaggedText: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class TrainingTexts:
    """Where texts come from, all that is named together; when nothing is, from the view `tagdb.source`.

    `query` is a SELECT of `text` (else its first column counts); `tags_query` one of `text` and `tags`, an array or
    a list as text, `a b` or `<a><b>`. `files` hold a text a line, in UTF-8, also compressed with gzip; `-` is standard
    input.
    """

    query: str | None = None
    tags_query: str | None = None
    files: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say what is read, for the model card; never with a password."""
        parts = [f"the query: {self.query}"] if self.query else []
        parts += [f"the query of texts and tags: {self.tags_query}"] if self.tags_query else []
        parts += [f"the file {name}" if name != formats.STANDARD_INPUT else "standard input" for name in self.files]
        return config.redact("; ".join(parts or ["the texts that tagdb embeds, with their tags"]))

    def read(self, open_database: Callable[[], Database]) -> Iterator[TaggedText]:
        """Yield every text with its tags; `open_database` is called only when there is a query to run.

        Raises
        ------
        QueryRefused : a query cannot be run or lacks a column
        InputRefused : a file cannot be read or is not UTF-8, or there is nothing that tagdb embeds
        """
        if self.query is not None or self.tags_query is not None or not self.files:
            with open_database().session() as session:
                yield from self._from_database(session)
        for name in self.files:
            yield from _lines(name)

    def _from_database(self, session: Session) -> Iterator[TaggedText]:
        if self.query is not None:
            yield from _with_text(userquery.stream(session, self.query, _text))
        if self.tags_query is not None:
            yield from _with_text(userquery.stream(session, self.tags_query, _text_and_tags))
        if self.query is None and self.tags_query is None:
            yield from _embedded_texts(session)


def _embedded_texts(session: Session) -> Iterator[TaggedText]:
    with exclusive(session):
        lifting.require_standing(session)
        source.ensure(session, source.Choice())
    with session.transaction(read_only=True):
        yield from _with_text(session.stream(session.script("pretraining.source_texts")))


def _text(query: UserQuery) -> str:
    return f"q.{_text_column(query)}::text, NULL"


def _text_and_tags(query: UserQuery) -> str:
    return f"q.{_text_column(query)}::text, q.{query.column('tags')}"


def _text_column(query: UserQuery) -> str:
    return query.column("text", *query.columns[:1])


def _with_text(rows: Iterable[tuple[Any, ...]]) -> Iterator[TaggedText]:
    return ((text, _tags(tags)) for text, tags in rows if text is not None)


def _tags(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(str(tag) for tag in value if tag is not None)
    if not isinstance(value, str):
        raise QueryRefused(
            f"the column tags of the query holds {value!r}: neither an array nor a list of tags as text",
            hint="aggregate them: SELECT …, array_agg(tag) AS tags",
        )
    listed = value.strip()
    return tuple(listed[1:-1].split("><") if listed.startswith("<") and listed.endswith(">") else listed.split())


def _lines(name: str) -> Iterator[TaggedText]:
    with closing(formats.open_source(name)) as opened:
        for number, line in enumerate(opened.stream, 1):
            try:
                yield line.decode("utf-8"), ()
            except UnicodeDecodeError as error:
                raise InputRefused(
                    f"{opened.name}, line {number}: {error.reason} at byte {error.start + 1}, so it is not UTF-8",
                    hint=f"iconv -f latin1 -t utf8 {name}",
                ) from error
        if opened.cut_short:
            raise InputRefused(f"{opened.name} ends before its compressed data do", hint="fetch the file again")
