"""A world whose texts the stub embeds, and processes that work on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from tagdb.db.connection import Database
from tagdb.pipeline.embedders import registry
from tests.pipeline.working import stub
from tests.pipeline.world import World

QUESTIONS = {number: f"t{number % 7} u{number % 11} v{number}" for number in range(1, 121)}
Started: TypeAlias = "subprocess.Popen[str]"
Start: TypeAlias = Callable[..., Started]


@pytest.fixture
def world(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """120 questions that wait for their vectors."""
    monkeypatch.setattr(registry, "load", stub.load)
    monkeypatch.setattr(registry, "load_here", stub.load)
    made = World(database, tiny_embedder)
    made.put(QUESTIONS)
    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start tagdb with some words as a process of its own, which takes so many seconds a text; none is left after."""
    processes: list[Started] = []

    def run(*words: str, seconds: float = 0.0, **more: str) -> Started:
        environment = {**stub.environment(tmp_path), stub.SLOW: str(seconds), **more}
        command = [sys.executable, "-m", "tagdb", *words]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=stub.ROOT
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finished(process: Started, *, code: int = 0, seconds: float = 90) -> tuple[str, str]:
    """Wait for a process to end as it should; return what it said on stdout and stderr."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def assert_whole(world: World) -> None:
    """Every text has the one vector that a process alone gives it, and nothing is left of the work."""
    found = world.rows(
        "SELECT text, CAST(embedding AS real[]) FROM tagdb.text_vector JOIN tagdb.text t ON t.id = text_id"
    )
    assert sorted(text for text, _ in found) == sorted(set(world.texts().values()))
    for text, numbers in found:
        np.testing.assert_array_equal(np.array(numbers, dtype=np.float32), stub.vector(text))
    assert world.scalar("SELECT count(*) FROM tagdb.due") == 0
    assert world.scalar("SELECT count(*) FROM tagdb.due_range") == 0


def vectors(world: World) -> int:
    """Return how many there are."""
    return int(world.scalar("SELECT count(*) FROM tagdb.text_vector"))


def workers_at_work(world: World) -> int:
    """Return how many have committed something and have not ended."""
    return int(world.scalar("SELECT count(*) FROM tagdb.worker WHERE texts > 0 AND ended_at IS NULL"))
