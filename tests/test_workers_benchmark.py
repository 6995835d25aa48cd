"""The benchmark of workers: one and two of them share small runs, and all that it measures is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tagdb.db.embedded import EmbeddedServer

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "workers.py"


def test_workers_share_small_runs(server: EmbeddedServer) -> None:
    small = ["--texts", "60", "--workers", "2", "--sleep", "0.001", "--sleeping-texts", "30", "--timeout", "100"]
    command = [sys.executable, str(BENCHMARK), *small, "--only", "sleeping", "--json", "--server", server.dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)["measured"]
    assert [(each["workers"], each["texts"]) for each in measured] == [(1, 30), (2, 60)]
    assert all(each["share_of_linear"] > 0 and each["texts_per_second"] > 0 for each in measured)
