"""Records become rows: this is where a record is taken, skipped or refused, and where batches are cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tagdb.errors import InputRefused
from tagdb.formats.rows import (
    ANSWER_POST_TYPE,
    QUESTION_POST_TYPE,
    BadRow,
    Fields,
    Reason,
    Recognised,
    Record,
    Rows,
    Unfit,
    excerpt,
)
from tagdb.formats.taglists import single_tag, tag_list
from tagdb.formats.values import instant, question_id

BATCH_RECORDS: Final = 20_000
BATCH_CHARACTERS: Final = 16 * 1024 * 1024


class Reader:
    """The batches of one recognised file, to be iterated over once.

    A batch ends after `batch_records` records or about 16 million characters, whichever comes first. With
    `strict` the first record that cannot be taken ends the reading with InputRefused. Where there is a `codec`, records
    whose texts it cannot write are not taken.
    """

    def __init__(
        self,
        name: str,
        recognised: Recognised,
        records: Iterable[Record],
        *,
        strict: bool = False,
        codec: str | None = None,
        batch_records: int = BATCH_RECORDS,
    ) -> None:
        self.recognised = recognised
        self._name = name
        self._records = records
        self._take = self._take_question if "question" in recognised.provides else self._take_tag
        self._strict = strict
        self._codec = codec
        self._batch_records = batch_records
        self._place = 0
        self._characters = 0

    def __iter__(self) -> Iterator[Rows]:
        rows = Rows()
        for line, raw, content in self._records:
            rows.read += 1
            if isinstance(content, Reason):
                self._refuse(rows, line, raw, content)
            else:
                try:
                    self._take(rows, content)
                except Unfit as unfit:
                    self._refuse(rows, line, raw, unfit.reason)
            if rows.read >= self._batch_records or self._characters >= BATCH_CHARACTERS:
                yield rows
                rows = Rows()
                self._characters = 0
        if rows.read:
            yield rows

    def _take_question(self, rows: Rows, fields: Fields) -> None:
        id_text, title, tags_text, label, created_text, post_type = fields
        if post_type != QUESTION_POST_TYPE:
            kind = "answer" if post_type == ANSWER_POST_TYPE else "other post type"
            rows.skipped[kind] = rows.skipped.get(kind, 0) + 1
            return
        question = question_id(id_text)
        tags = " ".join(tag_list(tags_text))
        created_at = instant(created_text) if created_text else None
        self._require_storable(title, tags, label)
        rows.questions.append((question, self._place, title.strip() or None, label or None, created_at))
        rows.tag_lists.append(tags)
        self._place += 1
        self._characters += len(title) + len(tags_text) + len(label)

    def _take_tag(self, rows: Rows, fields: Fields) -> None:
        question, tag = question_id(fields[0]), single_tag(fields[2])
        self._require_storable(tag)
        rows.tags.append((question, self._place, tag))
        self._place += 1

    def _require_storable(self, *texts: str) -> None:
        if self._codec is None:
            return
        try:
            "".join(texts).encode(self._codec)
        except UnicodeEncodeError:
            raise Unfit(Reason.NOT_STORABLE) from None

    def _refuse(self, rows: Rows, line: int, raw: bytes, reason: Reason) -> None:
        shown = excerpt(raw)
        if self._strict:
            raise InputRefused(
                f"{self._name}, line {line}: {reason}: {shown}",
                hint="correct the line, or leave --strict out to import the other rows",
            )
        rows.bad.append(BadRow(line, reason, shown))
