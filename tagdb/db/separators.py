"""What stands between the tags of one text (`--source-tags-separator`), and the SQL that takes it apart there."""

from __future__ import annotations

from tagdb.db.connection import Row, Session

OPTION = "--source-tags-separator"
_PAIRS = ("<>", "[]", "{}", "()")
_LOOK_AT = 10_000
_NEARLY_ALL = 0.8


def normalised(typed: str) -> str | None:
    """Return a separator without the blanks around it, which belong to no tag anyway; None for an empty one."""
    return typed.strip() or typed or None


def split(text: str, separator: str) -> str:
    """Return SQL for the pieces of an SQL expression, as a set; each is a tag once `trimmed`, if anything is left.

    A pair of brackets stands on both sides of each tag.
    """
    if separator in _PAIRS:
        opening, separator = separator[0], separator[1]
        text = f"translate({text}, {_literal(opening)}, {_literal(separator)})"
    return f"string_to_table({text}, {_literal(separator)})"


def trimmed(piece: str) -> str:
    """Return SQL for a piece without the white space around it, NULL where that is all."""
    return rf"nullif(btrim({piece}, E' \t\r\n'), '')"


def overlooked(session: Session) -> str | None:
    """Say that nearly each of the tags read now is a list of several, and what to type if so it is."""
    found = session.row("source.separated_tags", most=_LOOK_AT)
    if found is None or (separator := _most_frequent(found)) is None:
        return None
    return f"nearly every tag holds '{separator}'; if each is a list of several: tagdb sync {OPTION} '{separator}'"


def _most_frequent(found: Row) -> str | None:
    counts = {"<>": found.angles, ";": found.semicolons, "|": found.pipes, ",": found.commas}
    separator = max(counts, key=lambda each: counts[each])
    return separator if found.tags and counts[separator] >= _NEARLY_ALL * found.tags else None


def _literal(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'"
