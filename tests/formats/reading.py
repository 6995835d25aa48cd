"""What the tests of the formats share: bytes go in, and everything read from them comes out as one batch."""

from __future__ import annotations

import io
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from tagdb.errors import InputRefused, TagdbError
from tagdb.formats import Recognised, Rows, open_source, recognise
from tagdb.formats.rows import TAG_SEPARATOR


def read(content: bytes | str, **options: Any) -> Rows:
    """All of a file's batches as one; `options` are those of `recognise`."""
    with open_source("-", stdin=_stream(content)) as source:
        return merged(recognise(source, **options))


def recognised(content: bytes | str, **options: Any) -> Recognised:
    """What `recognise` makes of a file, without reading it."""
    with open_source("-", stdin=_stream(content)) as source:
        return recognise(source, **options).recognised


def refusal(content: bytes | str, **options: Any) -> str:
    """The message and the hint with which a file is refused."""
    with pytest.raises(TagdbError) as refused:
        read(content, **options)
    assert refused.value.hint
    return f"{refused.value} | {refused.value.hint}"


def read_or_refused(content: bytes | str, **options: Any) -> Rows | None:
    """All of a file's batches as one, None where the file is refused."""
    try:
        return read(content, **options)
    except InputRefused as refused:
        if not refused.hint:
            raise
        return None


def peak_of_reading(content: bytes) -> int:
    """The most memory that reading a file takes beside its own bytes, when its batches are dropped."""
    stream = io.BytesIO(content)
    tracemalloc.start()
    try:
        with open_source("-", stdin=stream) as source:
            for _ in recognise(source, batch_records=100):
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def merged(batches: Iterable[Rows]) -> Rows:
    """Several batches as one, after checking that each accounts for every record it read."""
    whole = Rows()
    skipped: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    for batch in batches:
        taken = len(batch.questions) or len(batch.tags)
        assert len(batch.tag_lists) == len(batch.questions)
        assert batch.read == taken + sum(batch.skipped.values()) + len(batch.bad)
        whole.questions += batch.questions
        whole.tag_lists += batch.tag_lists
        whole.tags += batch.tags
        whole.bad += batch.bad
        whole.read += batch.read
        skipped.update(batch.skipped)
        for part, words in batch.missing.items():
            whole.missing[part] = dict(Counter(whole.missing.get(part, {})) + Counter(words))
        unread.update(batch.unread)
        whole.unread_examples += batch.unread_examples
    whole.skipped, whole.unread = dict(skipped), dict(unread)
    return whole


def tags_by_question(rows: Rows) -> dict[int, list[str]]:
    """The tags of every question that has any, in the order of their places."""
    if rows.questions:
        return {
            question[0]: tags.split(TAG_SEPARATOR)
            for question, tags in zip(rows.questions, rows.tag_lists, strict=True)
            if tags
        }
    tags = defaultdict(list)
    for question, _, tag in sorted(rows.tags, key=lambda row: row[1]):
        tags[question].append(tag)
    return dict(tags)


def bad(rows: Rows) -> list[tuple[int, str]]:
    """(line, reason) of every bad row."""
    return [(row.line, str(row.reason)) for row in rows.bad]


def ids(rows: Rows) -> list[int]:
    """The ids of the questions, in the order of the file."""
    return [question[0] for question in rows.questions]


def _stream(content: bytes | str) -> io.BytesIO:
    return io.BytesIO(content.encode() if isinstance(content, str) else content)
