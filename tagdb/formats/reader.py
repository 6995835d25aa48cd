"""Records become rows: this is where a record is taken, skipped or refused, and where batches are cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tagdb.errors import InputRefused
from tagdb.formats.dates import instant
from tagdb.formats.meaning import Meaning
from tagdb.formats.rows import (
    ANSWER_POST_TYPE,
    QUESTION_POST_TYPE,
    TAG_SEPARATOR,
    BadRow,
    Fields,
    Reason,
    Recognised,
    Record,
    Rows,
    Unfit,
    Unread,
    excerpt,
)
from tagdb.formats.taglists import single_tag
from tagdb.formats.values import question_id, without_entities, without_escapes

BATCH_RECORDS: Final = 20_000
BATCH_CHARACTERS: Final = 16 * 1024 * 1024

_UNREAD_EXAMPLES = 3
_OTHER_POSTS: Final = ("wiki", "nomination", "article")


class Reader:
    """The batches of one recognised file, to be iterated over once.

    A batch ends after `batch_records` records or about 16 million characters, whichever comes first. With
    `strict` the first record that cannot be taken ends the reading with InputRefused. Where there is a `codec`, records
    whose texts it cannot write are not taken. `meaning` says how the texts of the records become values.
    """

    def __init__(
        self,
        name: str,
        recognised: Recognised,
        records: Iterable[Record],
        *,
        meaning: Meaning | None = None,
        strict: bool = False,
        codec: str | None = None,
        batch_records: int = BATCH_RECORDS,
    ) -> None:
        self.recognised = recognised
        self._name = name
        self._records = records
        self._take = self._take_question if "question" in recognised.provides else self._take_tag
        self._has_labels = "label" in recognised.provides
        self._meaning = meaning or Meaning()
        self._tags_of = self._meaning.tags_of
        self._no_title, self._no_tags, self._no_label = (
            self._meaning.missing[part] for part in ("title", "tags", "label")
        )
        self._no_label |= {""}
        self._longest_no_tags = max(map(len, self._no_tags), default=0)
        self._is_rewritten = self._meaning.html or self._meaning.escapes
        self._strict = strict
        self._codec = codec
        self._batch_records = batch_records
        self._place = 0
        self._characters = 0

    def __iter__(self) -> Iterator[Rows]:
        rows = Rows()
        for line, raw, content in self._records:
            rows.read += 1
            if isinstance(content, tuple):
                try:
                    self._take(rows, line, content)
                except Unfit as unfit:
                    self._refuse(rows, line, raw, unfit.reason)
            else:
                self._refuse(rows, line, raw, content)
            if rows.read >= self._batch_records or self._characters >= BATCH_CHARACTERS:
                yield rows
                rows = Rows()
                self._characters = 0
        if rows.read:
            yield rows

    def _take_question(self, rows: Rows, line: int, fields: Fields) -> None:
        id_text, title, tags_text, label, created_text, post_type = fields
        if post_type != QUESTION_POST_TYPE and (kind := _other_kind(post_type)):
            rows.skipped[kind] = rows.skipped.get(kind, 0) + 1
            return
        question = question_id(id_text)
        no_tags = None
        if len(tags_text) <= self._longest_no_tags and tags_text.strip() in self._no_tags:
            tags, no_tags = "", tags_text.strip()
        else:
            tags = TAG_SEPARATOR.join(self._tags_of(tags_text))
        self._characters += len(title) + len(tags_text) + len(label)
        if self._is_rewritten:
            title, label = self._rewritten("title", title), self._rewritten("label", label)
        if self._codec is not None:
            self._require_storable(title, tags, label)
        if title and (title := title.strip()) in self._no_title:
            title = _count(rows, "title", title)
        if self._has_labels and (word := label.strip()) in self._no_label:
            label = _count(rows, "label", word)
        if no_tags is not None:
            _count(rows, "tags", no_tags)
        created_at = self._instant(rows, line, created_text) if created_text else None
        rows.questions.append((question, self._place, title or None, label or None, created_at))
        rows.tag_lists.append(tags)
        self._place += 1

    def _rewritten(self, part: str, text: str) -> str:
        if self._meaning.escapes and text.strip() not in self._meaning.missing[part]:
            text = without_escapes(text)
        return without_entities(text) if self._meaning.html and part == "title" else text

    def _take_tag(self, rows: Rows, _line: int, fields: Fields) -> None:
        question, text = question_id(fields[0]), fields[2]
        if text.strip() in self._no_tags:
            raise Unfit(Reason.NO_TAG)
        tag = single_tag(text, self._tags_of)
        if self._codec is not None:
            self._require_storable(tag)
        rows.tags.append((question, self._place, tag))
        self._place += 1

    def _instant(self, rows: Rows, line: int, text: str) -> str | None:
        """A time, or None for one that is missing or that nothing certain can be made of; both are counted."""
        created_at = instant(text, day_first=self._meaning.day_first)
        if created_at is None and (word := text.strip()):
            if word in self._meaning.missing["created_at"]:
                _count(rows, "created_at", word)
            else:
                rows.unread["created_at"] = rows.unread.get("created_at", 0) + 1
                if len(rows.unread_examples) < _UNREAD_EXAMPLES:
                    rows.unread_examples.append(Unread(line, "created_at", excerpt(word.encode(errors="replace"))))
        return created_at

    def _require_storable(self, *texts: str) -> None:
        try:
            "".join(texts).encode(self._codec or "")
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


def _other_kind(post_type: str) -> str | None:
    """What a post is that is no question, by its number in a dump or its name there; other words tell nothing."""
    word = post_type.strip().lower()
    if word in (ANSWER_POST_TYPE, "answer"):
        return "answer"
    return None if word.isalpha() and not any(name in word for name in _OTHER_POSTS) else "other post type"


def _count(rows: Rows, part: str, word: str) -> str:
    """Count a word for "missing", and return what stands in its place."""
    words = rows.missing.setdefault(part, {})
    words[word] = words.get(word, 0) + 1
    return ""
