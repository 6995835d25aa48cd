"""Both directions of an ELMo are computed at once; where one fails or is interrupted, the other ends as well."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tagdb.elmo import Elmo
from tests.elmo.weights import write_random_elmo

DIRECTIONS = ["_forward", "_backward"]
LEVELS = 20_000


@pytest.fixture
def elmo(tmp_path: Path) -> Elmo:
    return Elmo.load(write_random_elmo(tmp_path))


def _endless(walk: Any, walked: list[int], interrupted_at: int | None, levels: Any, inputs: Any) -> Iterator[Any]:
    """Walk the first level again and again, for as long as half a minute."""
    first = next(iter(walk(levels, inputs)))
    for number in range(LEVELS):
        if number == interrupted_at:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.0015)
        walked.append(number)
        yield first


def test_directions_run_at_once(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=60)

    def wait(walk: Any, *given: Any) -> Any:
        both.wait()
        return walk(*given)

    for direction in DIRECTIONS:
        lstm = getattr(elmo, direction)
        monkeypatch.setattr(lstm, "walk", partial(wait, lstm.walk))
    assert elmo.embed(["a b", "c"]).shape == (2, elmo.dim)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_interrupt_ends_both(elmo: Elmo, monkeypatch: pytest.MonkeyPatch, direction: str) -> None:
    """One direction goes on for long; the other has long been done, and the main thread may wait for the first."""
    walked: list[int] = []
    lstm = getattr(elmo, direction)
    monkeypatch.setattr(lstm, "walk", partial(_endless, lstm.walk, walked, 200))
    with pytest.raises(KeyboardInterrupt):
        elmo.embed(["a b", "c"])
    assert 200 <= len(walked) < LEVELS


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_failure_ends_both(elmo: Elmo, monkeypatch: pytest.MonkeyPatch, direction: str) -> None:
    walked: list[int] = []
    (other,) = set(DIRECTIONS) - {direction}
    lstm = getattr(elmo, other)

    def fail(*_: object) -> None:
        while not walked:
            time.sleep(0.001)
        raise MemoryError

    monkeypatch.setattr(lstm, "walk", partial(_endless, lstm.walk, walked, None))
    monkeypatch.setattr(getattr(elmo, direction), "walk", fail)
    with pytest.raises(MemoryError):
        elmo.embed(["a b", "c"])
    assert len(walked) < LEVELS
