"""A signal ends a method with what was done kept, and is the program's: its handler gets it in the end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import numpy as np
import pytest

import tagdb
from tagdb.elmo import Elmo
from tagdb.pipeline.embedders import registry
from tests.pipeline.world import World, load_once


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", load_once)


@pytest.fixture
def told() -> Iterator[list[int]]:
    """What a program's own handler of SIGTERM was called with."""
    signals: list[int] = []

    def note(signum: int, _frame: FrameType | None) -> None:
        signals.append(signum)

    before = signal.signal(signal.SIGTERM, note)
    yield signals
    assert signal.getsignal(signal.SIGTERM) is note
    signal.signal(signal.SIGTERM, before)


def _signal_in_the_second_block(monkeypatch: pytest.MonkeyPatch, signum: int) -> None:
    embed, blocks = Elmo.embed_tokens, []

    def signalled(self: Elmo, tokenized: Sequence[Sequence[str]]) -> np.ndarray:
        blocks.append(len(tokenized))
        if len(blocks) == 2:
            os.kill(os.getpid(), signum)
        return embed(self, tokenized)

    monkeypatch.setattr(Elmo, "embed_tokens", signalled)


def _embedded(world: World) -> Any:
    return world.scalar("SELECT count(*) FROM tagdb.text_vector")


def test_ctrl_c_is_keyboard_interrupt_after_the_block_at_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _signal_in_the_second_block(monkeypatch, signal.SIGINT)
    db = tagdb.connect()
    with pytest.raises(KeyboardInterrupt) as interrupted:
        db.sync(batch_size=10)
    assert isinstance(interrupted.value.__context__, tagdb.Stopped)
    assert (_embedded(world), world.last_run()["status"]) == (20, "stopped")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert db.sync().embedded == 40


def test_handler_of_the_program_gets_what_ended_the_work(
    world: World, monkeypatch: pytest.MonkeyPatch, told: list[int]
) -> None:
    _signal_in_the_second_block(monkeypatch, signal.SIGTERM)
    with pytest.raises(tagdb.Stopped):
        tagdb.connect().sync(batch_size=10)
    assert told == [signal.SIGTERM]
    assert _embedded(world) == 20


def test_sigterm_without_a_handler_is_an_exception(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _signal_in_the_second_block(monkeypatch, signal.SIGTERM)
    with pytest.raises(tagdb.Stopped) as stopped:
        tagdb.connect().sync(batch_size=10)
    assert stopped.value.signum == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_threads_leave_signals_alone(world: World, told: list[int]) -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(tagdb.connect().sync(batch_size=10)))
    thread.start()
    os.kill(os.getpid(), signal.SIGTERM)
    thread.join()
    assert told == [signal.SIGTERM]
    assert results[0].embedded == 60
