"""The benchmark of `tagdb watch` sees every change that it writes, and finds nothing lost, stale or wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tagdb.db.embedded import EmbeddedServer

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "watching.py"


def test_all_changes_are_seen(server: EmbeddedServer, tiny_embedder: Path, short_folder: Path) -> None:
    url = f"postgresql://postgres@/postgres?host={server.socket_folder}"
    sizes = ("--rows", "600", "--texts", "40", "--writes", "40", "--minutes", "0.1", "--every", "0.1")
    command = [sys.executable, str(BENCHMARK), *sizes, "--embedder", str(tiny_embedder), "--server", url, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["writes"] > 100
    assert 0 < report["p50 s"] <= report["p95 s"] <= report["max s"]
    assert report["passes"] >= 1
    assert [report[fault] for fault in ("lost", "stale", "left over", "wrong")] == [0, 0, 0, 0]
