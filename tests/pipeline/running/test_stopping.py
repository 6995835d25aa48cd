"""Processes that are killed or asked to stop: nothing half written, nothing lost, and the right exit code."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tagdb.db.connection import Database
from tagdb.elmo import Elmo
from tagdb.pipeline.asking import status
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.running.stopping import Stopped, ending_on_sigterm, finishing_blocks
from tests.pipeline.world import (
    World,
    assert_same_centroids,
    assert_same_vectors,
    encoder,
    expected_centroids,
    load_once,
    wait_until,
)

QUESTIONS = {number: f"t{number % 7} u{number % 11} v{number}" for number in range(1, 201)}

SLOW_SYNC = """
import sys, time
from tagdb.cli import main
from tagdb.elmo import Elmo
embed = Elmo.embed_tokens
def slowly(self, tokenized):
    time.sleep(0.1)
    return embed(self, tokenized)
Elmo.embed_tokens = slowly
sys.argv = ["tagdb", "sync", "--batch-size", "5", "--quiet"]
main()
"""

SLOW_TOKENS = SLOW_SYNC.replace("time.sleep(0.1)", "time.sleep(0.001 * sum(map(len, tokenized)))").replace(
    '"--batch-size", "5", ', ""
)


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(registry, "load", load_once)
    made = World(database, tiny_embedder)
    made.put(QUESTIONS)
    return made


def _start(world: World, *, blocks: int) -> subprocess.Popen[str]:
    """Start a sync of a tenth of a second a block, and return once some blocks are committed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_SYNC], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    before = world.scalar("SELECT count(*) FROM tagdb.text_vector")
    wait_until(lambda: world.scalar("SELECT count(*) FROM tagdb.text_vector") >= before + 5 * blocks)
    return process


def _assert_whole(world: World, tiny_embedder: Path) -> None:
    expected = encoder(tiny_embedder).embed(list(QUESTIONS.values()))
    assert_same_vectors(world.vectors(), dict(zip(QUESTIONS, expected, strict=True)))
    tags = {number: text.split() for number, text in QUESTIONS.items()}
    assert_same_centroids(world.tag_vectors(), expected_centroids(world, tags), tolerance=1e-6)


def test_killed_syncs_lose_nothing_and_the_next_one_completes_them(world: World, tiny_embedder: Path) -> None:
    wait = random.Random(20)
    kept = 0
    for _ in range(2):
        process = _start(world, blocks=2)
        time.sleep(wait.uniform(0, 0.3))
        process.kill()
        process.communicate()
        wait_until(lambda: not world.scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
        stored = world.scalar("SELECT count(*) FROM tagdb.text_vector")
        assert kept < stored < len(QUESTIONS)
        assert stored % 5 == 0, "a block is committed whole or not at all"
        assert world.scalar("SELECT count(*) FROM pg_class WHERE relname LIKE 'stale%'") == 0
        last_run = status.status(world.database).last_run
        assert last_run is not None
        assert last_run["status"] == "killed"
        kept = stored
    assert world.sync().embedded.due == len(QUESTIONS) - kept
    _assert_whole(world, tiny_embedder)
    assert world.rows("SELECT status FROM tagdb.run ORDER BY id") == [("killed",)] * 2 + [("done",)]


def test_long_texts_are_committed_from_the_first_seconds_on(world: World) -> None:
    """All together take a minute and a half of the encoder's time, which a process that is killed must not lose."""
    long = {number: " ".join(f"w{number * 31 + place}" for place in range(30)) for number in range(3_000)}
    world.put(long)
    process = subprocess.Popen([sys.executable, "-c", SLOW_TOKENS], stderr=subprocess.DEVNULL, env=os.environ)
    try:
        wait_until(lambda: world.scalar("SELECT count(*) FROM tagdb.text_vector") > 0, seconds=45)
    finally:
        process.kill()
        process.wait()
    kept = world.scalar("SELECT count(*) FROM tagdb.text_vector")
    assert 0 < kept < len(long)
    wait_until(lambda: not world.scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
    assert world.plan().texts_due == len(long) - kept


def test_process_that_is_asked_to_stop_says_so_and_the_next_sync_goes_on(world: World, tiny_embedder: Path) -> None:
    process = _start(world, blocks=2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    said = ["error: stopped; what was done is kept", " next: run the same command again to go on"]
    assert (out, err.splitlines()[-2:], "Traceback" in err) == ("", said, False)
    run, stored = world.last_run(), world.scalar("SELECT count(*) FROM tagdb.text_vector")
    assert (run["status"], run["read"], run["written"], run["failed"]) == ("stopped", stored, stored, 0)
    assert 0 < stored < len(QUESTIONS)
    assert world.sync().embedded.due == len(QUESTIONS) - stored
    _assert_whole(world, tiny_embedder)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_block_at_hand_is_finished_when_a_signal_comes(
    world: World, monkeypatch: pytest.MonkeyPatch, signum: signal.Signals, code: int
) -> None:
    embed, blocks = Elmo.embed_tokens, []

    def signalled(self: Elmo, tokenized: Sequence[Sequence[str]]) -> np.ndarray:
        blocks.append(len(tokenized))
        if len(blocks) == 3:
            os.kill(os.getpid(), signum)
        return embed(self, tokenized)

    monkeypatch.setattr(Elmo, "embed_tokens", signalled)
    with pytest.raises(Stopped) as stopped:
        world.sync(block_size=10)
    assert (stopped.value.exit_code, blocks) == (code, [10, 10, 10])
    assert world.scalar("SELECT count(*) FROM tagdb.text_vector") == 30
    run = world.last_run()
    assert (run["status"], run["read"], run["written"]) == ("stopped", 30, 30)
    assert world.sync().embedded.due == len(QUESTIONS) - 30


def test_second_signal_ends_the_work_at_once() -> None:
    reached = []

    def work() -> None:
        with finishing_blocks() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append(stop.requested)
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append(False)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [True]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_stop_is_raised_only_when_the_block_is_done(signum: signal.Signals) -> None:
    seen = []
    before = signal.getsignal(signum)

    def work() -> None:
        with finishing_blocks() as stop:
            seen.append(stop.requested)
            os.kill(os.getpid(), signum)
            seen.append(stop.requested)

    with pytest.raises(Stopped) as stopped:
        work()
    assert seen == [False, True]
    assert stopped.value.exit_code == 128 + signum
    assert signal.getsignal(signum) == before


def test_sigterm_between_blocks_is_recorded_as_a_stop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal did not end it")

    monkeypatch.setattr(registry, "load", interrupt)
    with pytest.raises(Stopped) as stopped:
        world.sync()
    assert stopped.value.exit_code == 143
    assert world.last_run()["status"] == "stopped"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with ending_on_sigterm():
        pass
