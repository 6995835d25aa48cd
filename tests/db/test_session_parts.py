"""Parts of a transaction that are taken back, one inside another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tagdb.db.connection import Session


class Undone(Exception):
    """What a part ends in."""


@pytest.fixture
def session(shared_session: Session) -> Iterator[Session]:
    shared_session.run_script("CREATE TABLE noted (n integer)")
    yield shared_session
    shared_session.run_script("DROP TABLE noted")


def _note(session: Session, number: int, *, undone: bool) -> None:
    session.run_script(f"INSERT INTO noted VALUES ({number})")
    if undone:
        raise Undone


def test_part_is_taken_back_whole_after_a_part_of_it_was(session: Session) -> None:
    def part() -> None:
        with session.transaction():
            _note(session, 2, undone=False)
            with pytest.raises(Undone), session.transaction():
                _note(session, 3, undone=True)
            _note(session, 4, undone=True)

    with session.transaction():
        _note(session, 1, undone=False)
        with pytest.raises(Undone):
            part()
        _note(session, 5, undone=False)
    assert session.rows_of("SELECT n FROM noted ORDER BY n", {}) == [(1,), (5,)]
