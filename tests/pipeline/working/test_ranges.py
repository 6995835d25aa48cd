"""Ranges as they are cut, taken, left and halved: every text is in exactly one of them, whoever dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb.db.connection import Database, Session
from tagdb.models import Silent
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running.recording import recorded
from tagdb.pipeline.syncing import ranges, staging, tally
from tagdb.pipeline.syncing.blocks import Block
from tagdb.pipeline.syncing.ranges import Pace, Range
from tagdb.pipeline.syncing.staging import Work
from tests.examples import examples
from tests.pipeline.world import World

FREE_AT_ONCE = """
UPDATE tagdb.due_range SET claimed_at = '-infinity'
WHERE id IN (SELECT id FROM tagdb.due_range FOR UPDATE SKIP LOCKED)
"""


@contextmanager
def _staged(session: Session, *, limit: int | None = None, block_size: int | None = None) -> Iterator[Work]:
    with recorded(session, "sync", {}) as counts:
        embedder = registry.chosen(session)
        counts.detail["embedder_id"] = embedder.id
        yield staging.stage(session, counts.run, embedder, limit=limit, max_tokens=512, block_size=block_size)


def _texts(session: Session, lengths: list[int]) -> None:
    session.run_script("TRUNCATE tagdb.text, tagdb.due, tagdb.due_range, tagdb.worker CASCADE")
    session.rows_of(
        "INSERT INTO tagdb.text (hash, text) SELECT sha256(convert_to(t, 'UTF8')), t FROM ("
        "SELECT repeat('x', length) || n AS t FROM unnest(CAST(:lengths AS integer[])) WITH ORDINALITY AS l (length, n)"
        ") t RETURNING id",
        {"lengths": lengths},
    )


def _register(session: Session, work: Work) -> int:
    worker: int = session.scalar("work.register", run=work.run, host="here", pid=1)
    session.execute("work.hold", worker=worker)
    return worker


def _finish(session: Session, work: Work, worker: int, held: Range) -> None:
    ranges.finish(session, work, worker, held.id, Block())
    session.commit()


@pytest.fixture
def sessions(database: Database, tiny_embedder: Path) -> Iterator[list[Session]]:
    World(database, tiny_embedder)
    with database.session() as one, database.session() as two, database.session() as three:
        yield [one, two, three]


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_place_is_done_exactly_once(data: st.DataObject, sessions: list[Session]) -> None:
    coordinator, *hands = sessions
    for session in hands:
        session.roll_back()
    lengths = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=40))
    _texts(coordinator, lengths)
    with _staged(coordinator, block_size=data.draw(st.none() | st.integers(1, 9))) as work:
        assert work.texts == len(lengths)
        workers = [_register(session, work) for session in hands]
        held: dict[int, Range] = {}
        done: list[int] = []
        while len(done) < work.texts:
            place = data.draw(st.integers(0, len(hands) - 1))
            session = hands[place]
            if place in held:
                mine = held.pop(place)
                fate = data.draw(st.sampled_from(["done", "done", "dies", "gives back"]))
                if fate == "done":
                    _finish(session, work, workers[place], mine)
                    done += range(mine.first, mine.last + 1)
                    continue
                session.roll_back()
                if fate == "gives back":
                    ranges.give_back(session, mine)
                coordinator.run_script(FREE_AT_ONCE)
                continue
            pace = Pace(work)
            pace.texts, pace.bytes = min(pace.texts, data.draw(st.integers(1, 50))), data.draw(st.integers(1, 600))
            parked = _parked(coordinator)
            found = ranges.claim(session, work, workers[place], pace, ahead=data.draw(st.booleans()))
            done += [0] * (_parked(coordinator) - parked)
            if found is not None:
                assert found.last - found.first < pace.texts
                held[place] = found
        assert sorted(number for number in done if number) == [
            number for number in range(1, work.texts + 1) if number not in _parked_places(coordinator, work)
        ]
        assert not coordinator.scalar("work.is_left", run=work.run)
        for session, worker in zip(hands, workers, strict=True):
            session.execute("work.let_go", worker=worker)


def _parked(session: Session) -> int:
    return int(session.rows_of("SELECT count(*) FROM tagdb.failure", {})[0][0])


def _parked_places(session: Session, work: Work) -> set[int]:
    query = "SELECT place FROM tagdb.due JOIN tagdb.failure USING (text_id) WHERE run_id = :run"
    return {row.place for row in session.rows_of(query, {"run": work.run})}


def test_pieces_are_as_long_as_asked_for_and_shrink_for_many_towards_the_end(
    sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator, one, two = sessions
    monkeypatch.setattr(ranges, "FIRST_BLOCK_BYTES", 10)
    _texts(coordinator, [8] * 99)  # and a number of one or two digits
    with _staged(coordinator) as work:
        pace = Pace(work)
        pace.bytes = 200
        first = _register(one, work)
        alone = ranges.claim(one, work, first, pace, ahead=False)
        assert alone is not None
        assert 180 < alone.bytes <= 200, "one worker alone takes what its pace says"
        second = _register(two, work)
        sizes = []
        while found := ranges.claim(two, work, second, pace, ahead=True):
            sizes.append(found.bytes)
            _finish(two, work, second, found)
        assert sizes[0] > 150
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] <= 20, "two of them end together"
        one.roll_back()


def test_long_text_is_a_piece_of_its_own(sessions: list[Session]) -> None:
    coordinator, one, _ = sessions
    _texts(coordinator, [50, 5, 5])
    with _staged(coordinator) as work:
        pace, worker, found = Pace(work), _register(one, work), []
        pace.bytes = 14
        while held := ranges.claim(one, work, worker, pace, ahead=False):
            found.append((held.first, held.last))
            _finish(one, work, worker, held)
        assert found == [(1, 2), (3, 3)]


def test_what_others_died_of_is_taken_alone_and_last(sessions: list[Session]) -> None:
    coordinator, one, two = sessions
    _texts(coordinator, [5] * 9)
    with _staged(coordinator, block_size=3) as work:
        pace, worker = Pace(work), _register(one, work)
        dead = ranges.claim(one, work, worker, pace, ahead=False)
        assert dead is not None
        one.roll_back()
        coordinator.run_script(FREE_AT_ONCE)
        seen = []
        while held := ranges.claim(two, work, worker, pace, ahead=True):
            seen.append(held)
            _finish(two, work, worker, held)
        assert [(each.first, each.attempts) for each in seen] == [(4, 1), (7, 1)]
        again = ranges.claim(two, work, worker, pace, ahead=False)
        assert again is not None
        assert (again.first, again.attempts, again.suspect) == (1, 2, True)
        _finish(two, work, worker, again)


def test_piece_whose_worker_is_about_to_lock_it_is_nobody_elses(sessions: list[Session]) -> None:
    coordinator, one, two = sessions
    _texts(coordinator, [5] * 3)
    with _staged(coordinator) as work:
        pace, worker = Pace(work), _register(one, work)
        held = ranges.claim(one, work, worker, pace, ahead=False)
        assert held is not None
        one.roll_back()  # as if it had not come to the lock yet
        assert ranges.claim(two, work, worker, pace, ahead=False) is None


def test_next_run_knows_what_the_workers_of_a_dead_one_had_tried(sessions: list[Session]) -> None:
    coordinator, one, two = sessions
    _texts(coordinator, [5] * 20)
    with _staged(coordinator, block_size=8) as work:
        pace, worker = Pace(work), _register(one, work)
        tried = ranges.claim(one, work, worker, pace, ahead=False)
        given_back = ranges.claim(two, work, worker, pace, ahead=False)
        assert tried is not None
        assert given_back is not None
        one.roll_back()
        two.roll_back()
        ranges.give_back(two, given_back)
        texts = set(_of_places(coordinator, work, tried.first, tried.last))
    coordinator.run_script("DELETE FROM tagdb.text WHERE id = (SELECT min(text_id) FROM tagdb.due)")
    coordinator.run_script("INSERT INTO tagdb.text (hash, text) SELECT sha256('0'), '0 is the first'")
    with _staged(coordinator) as again:
        rows = coordinator.rows_of("SELECT first, last, attempts, cut FROM tagdb.due_range ORDER BY first", {})
        (kept,) = [row for row in rows if row.attempts]
        assert (kept.attempts, kept.cut) == (1, True)
        assert set(_of_places(coordinator, again, kept.first, kept.last)) <= texts
        assert kept.last - kept.first + 1 >= len(texts) - 1
        places = [place for row in rows for place in range(row.first, row.last + 1)]
        assert sorted(places) == list(range(1, again.texts + 1))


def _of_places(session: Session, work: Work, first: int, last: int) -> list[int]:
    query = "SELECT text_id FROM tagdb.due WHERE run_id = :run AND place BETWEEN :first AND :last"
    return [row.text_id for row in session.rows_of(query, {"run": work.run, "first": first, "last": last})]


def test_late_worker_of_a_dead_run_is_not_waited_for(sessions: list[Session]) -> None:
    coordinator, late, other = sessions
    _texts(coordinator, [5] * 9)
    with _staged(coordinator, block_size=3) as work:
        worker = _register(late, work)
        held = ranges.claim(late, work, worker, Pace(work), ahead=False)
        assert held is not None
    with _staged(coordinator) as again:
        runs = coordinator.rows_of("SELECT DISTINCT run_id FROM tagdb.due", {})
        assert [row.run_id for row in runs] == [again.run]
        _finish(late, work, worker, held)
        with pytest.raises(ranges.RunEnded):
            ranges.claim(late, work, worker, Pace(work), ahead=False)
        staging.clear(coordinator, again.run)
        assert not other.scalar("work.is_left", run=work.run)


def test_whoever_keeps_a_range_for_long_is_named_once(sessions: list[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator, one, _ = sessions
    monkeypatch.setattr(tally, "_HANGING_SECONDS", 0.0)
    said: list[str] = []

    class Listening(Silent):
        def say(self, message: str) -> None:
            said.append(message)

    _texts(coordinator, [5] * 3)
    with _staged(coordinator) as work:
        worker = _register(one, work)
        held = ranges.claim(one, work, worker, Pace(work), ahead=False)
        assert held is not None
        watching = tally.Tally(tally.Embedded(), Silent(), Listening(), work.run)
        watching.wait(coordinator, None)
        watching.wait(coordinator, None)
        (told,) = said
        assert told.startswith("waiting for process 1 on here, which has had a range for ")
        _finish(one, work, worker, held)


def test_worker_that_freezes_while_it_cuts_keeps_nobody_in_a_statement(sessions: list[Session]) -> None:
    coordinator, one, two = sessions
    _texts(coordinator, [5] * 3)
    with _staged(coordinator) as work:
        worker = _register(one, work)
        two.begin()
        assert two.row("work.lock_rest", run=work.run) is not None
        assert ranges.claim(one, work, worker, Pace(work), ahead=False) is None
        two.roll_back()
        held = ranges.claim(one, work, worker, Pace(work), ahead=False)
        assert held is not None
        _finish(one, work, worker, held)
