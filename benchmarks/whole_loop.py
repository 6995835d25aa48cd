"""The whole loop on one file of tag lists: seconds, rows/s and peak memory of every command, on a fresh database.

    python benchmarks/whole_loop.py tagdataset.csv

The file is the notebook's `tagdataset.csv` of any size. Each command is a process of its own, as a user runs it; peak
memory is that process's alone (the PostgreSQL server is another). The last step syncs again with nothing changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

QUERY = "SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL"


@dataclass(frozen=True)
class Measured:
    """One command: wall-clock seconds, peak resident memory in MB, and what it printed."""

    name: str
    seconds: float
    peak_mb: float
    output: str


def main() -> None:
    """Run the loop and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--home", type=Path, help="where the database goes, and stays (default: temporary)")
    parser.add_argument("--index", action="store_true", help="build the HNSW indexes too, as a step of its own")
    arguments = parser.parse_args()
    home = arguments.home or Path(tempfile.mkdtemp(prefix="tagdb-benchmark-", dir="/tmp"))
    with arguments.file.open() as lines:
        rows = sum(1 for _ in lines) - 1
    print(f"{rows:,} rows, {os.cpu_count()} cores\n")
    print("| step | seconds | rows/s | peak MB |\n|---|---|---|---|", flush=True)
    steps = [
        ("import", ["import", str(arguments.file)]),
        ("sync", ["sync", "--no-index"]),
        ("train", ["train", "--query", QUERY]),
        ("predict", ["predict"]),
        ("second sync", ["sync", "--no-index"]),
    ]
    if arguments.index:
        steps.append(("index build", ["index", "build"]))
    try:
        measured = [_run(name, command, home, rows) for name, command in steps]
        for each in measured:
            print(f"\n{each.name}:\n{each.output}")
    finally:
        if arguments.home is None:
            subprocess.run([sys.executable, "-m", "tagdb", "db", "stop"], check=False, env=_environment(home))
            shutil.rmtree(home)


def _run(name: str, command: list[str], home: Path, rows: int) -> Measured:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tagdb", *command, "--quiet"],
        env=_environment(home),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit(f"tagdb {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    # Linux counts in KB, macOS in bytes.
    peak_mb = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    print(f"| {name} | {seconds:.1f} | {rows / seconds:,.0f} | {peak_mb:,.0f} |", flush=True)
    return Measured(name, seconds, peak_mb, output)


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "TAGDB_HOME": str(home), "TAGDB_DATABASE_URL": "", "DATABASE_URL": "", "NO_COLOR": "1"}


if __name__ == "__main__":
    main()
