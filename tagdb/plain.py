"""Results as plain values, in one way: what `--json` prints and what Python gets of them agree by construction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any


def as_json(result: Any) -> Any:
    """Return a result, or a list of them, as what `json.dumps` takes: the very values that `--json` prints.

    A result of several fields becomes a dict of them, a time its ISO form, and what JSON has no form for a text.
    """
    if result is None or isinstance(result, bool | int | float | str):
        return result
    if (own := getattr(result, "as_json", None)) is not None:
        return as_json(own())
    if is_dataclass(result):
        result = {field.name: getattr(result, field.name) for field in fields(result)}
    if isinstance(result, Mapping):
        return {str(key): as_json(value) for key, value in result.items()}
    if isinstance(result, Iterable):
        return [as_json(each) for each in result]
    return result.isoformat() if isinstance(result, date) else str(result)
