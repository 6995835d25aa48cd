"""Arrow's arrays become the texts that the same values have in CSV, many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from tagdb.formats.rows import RECORD_LIMIT, Reason
from tagdb.formats.taglists import as_field

_PLAIN_TAG = r"\A[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*(?:[#+]+[A-Za-z0-9._-]*)?\z"


def is_readable(kind: Any) -> bool:
    """Whether values of a type have a text: strings, numbers, times, and lists of strings."""
    from pyarrow import types

    if is_list(kind):
        return _is_text(_plain(kind.value_type))
    kind = _plain(kind)
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_timestamp)
    return _is_text(kind) or any(test(kind) for test in (*tests, types.is_date, types.is_null))


def is_list(kind: Any) -> bool:
    """Whether values of a type are lists."""
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def sizes(array: Any) -> Any:
    """How many bytes of text each value has; array of shape (n_values,)."""
    import pyarrow.compute as pc

    if is_list(array.type):
        inner = np.concatenate([[0], sizes(array.flatten()).cumsum()])
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        ends = np.asarray(lengths, dtype=np.int64).cumsum()
        return inner[ends] - inner[ends - lengths]
    if hasattr(array, "dictionary"):
        of_values = sizes(array.dictionary)
        if not len(of_values):
            return np.zeros(len(array), dtype=np.int64)
        return of_values[pc.fill_null(array.indices, 0).to_numpy(zero_copy_only=False)]
    if _is_text(array.type):
        lengths = pc.fill_null(pc.binary_length(array), 0)
        return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)
    return np.full(len(array), 8, dtype=np.int64)


def texts(array: Any, damaged: dict[int, Reason], *, between_blanks: bool) -> list[str]:
    """The text of every value, "" for what is missing; rows whose text cannot be taken are put into `damaged`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if is_list(array.type):
        return _lists(array, damaged, between_blanks)
    array = _decoded(array)
    kind = array.type
    if _is_text(kind):
        return _strings(array, damaged)
    if types.is_null(kind):
        return [""] * len(array)
    if types.is_floating(kind):
        values = array.to_numpy(zero_copy_only=False)
        missing = np.isnan(values)
        return ["" if gone else text for gone, text in zip(missing.tolist(), values.astype(str).tolist(), strict=True)]
    if types.is_timestamp(kind):
        array = array.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.timestamp("us"), safe=False)
    return list(pc.fill_null(array.cast(pa.string()), "").to_numpy(zero_copy_only=False))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in tests)


def _plain(kind: Any) -> Any:
    return getattr(kind, "value_type", kind) if hasattr(kind, "index_type") else kind


def _strings(array: Any, damaged: dict[int, Reason]) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    of_bytes = array.cast(pa.large_binary())
    if bool(pc.any(pc.greater(pc.binary_length(of_bytes), RECORD_LIMIT)).as_py()) or bool(
        pc.any(pc.match_substring(of_bytes, b"\0")).as_py()
    ):
        return _strings_one_by_one(of_bytes, damaged)
    try:
        valid = of_bytes.cast(pa.large_string())
    except pa.ArrowInvalid:
        return _strings_one_by_one(of_bytes, damaged)
    return list(pc.fill_null(valid, "").to_numpy(zero_copy_only=False))


def _strings_one_by_one(of_bytes: Any, damaged: dict[int, Reason]) -> list[str]:
    found = []
    for at, value in enumerate(of_bytes):
        text, reason = _string(value.as_buffer().to_pybytes() if value.is_valid else b"")
        found.append(text)
        if reason:
            damaged.setdefault(at, reason)
    return found


def _string(value: bytes) -> tuple[str, Reason | None]:
    if len(value) > RECORD_LIMIT:
        return value[:RECORD_LIMIT].decode(errors="replace")[:80], Reason.RECORD_TOO_LONG
    if b"\0" in value:
        return value.decode(errors="replace"), Reason.NUL_BYTE
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return value.decode(errors="replace"), Reason.INVALID_UTF8


def _are_plain(tags: Any) -> bool:
    """Whether tags are like most: without anything that another style of lists would take for its own."""
    import pyarrow.compute as pc

    distinct = tags.dictionary if hasattr(tags, "dictionary") else tags
    if not _is_text(distinct.type) or distinct.null_count:
        return False
    return bool(pc.all(pc.match_substring_regex(distinct, _PLAIN_TAG), min_count=0).as_py())


def _offsets(lists: Any) -> Any:
    """Where the lists begin in what they are flattened to, and where the last ends."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())


def _decoded(array: Any) -> Any:
    return array.dictionary_decode() if hasattr(array, "dictionary") else array


def _lists(array: Any, damaged: dict[int, Reason], between_blanks: bool) -> list[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    flat = array.flatten()
    if between_blanks and not flat.null_count and _are_plain(flat):
        lists = pa.ListArray.from_arrays(_offsets(array), _decoded(flat).cast(pa.string()))
        return list(pc.binary_join(lists, " ").to_numpy(zero_copy_only=False))
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    ends = np.asarray(lengths, dtype=np.int64).cumsum()
    missing = flat.is_null().to_numpy(zero_copy_only=False)
    damaged_tags: dict[int, Reason] = {}
    tags = texts(flat, damaged_tags, between_blanks=between_blanks)
    for at, reason in damaged_tags.items():
        damaged.setdefault(int(ends.searchsorted(at, side="right")), reason)
    if not missing.any():
        return [
            as_field(tags[end - length : end], between_blanks=between_blanks)
            for end, length in zip(ends.tolist(), np.asarray(lengths).tolist(), strict=True)
        ]
    gone = missing.tolist()
    return [
        as_field([tags[at] for at in range(end - length, end) if not gone[at]], between_blanks=between_blanks)
        for end, length in zip(ends.tolist(), np.asarray(lengths).tolist(), strict=True)
    ]
