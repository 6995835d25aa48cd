"""The whole loop on one file of tag lists: seconds, rows/s, processor share and peak memory of every command.

    python benchmarks/whole_loop.py tagdataset.csv
    python benchmarks/whole_loop.py tagdataset.csv --size original --home /srv/loop --index

The file is the notebook's `tagdataset.csv` of any size, and the database a fresh one. Each command is a process of its
own, as a user runs it; peak memory is that process's alone. The share of the processors is that of the process and of
the server together, 1 being all cores. After a second sync, which has nothing to do, some questions get other tags.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psycopg2
from measuring import machine, print_table
from random_weights import write_random

from tagdb.elmo.precision import FLOAT32, PRECISIONS
from tagdb.elmo.spec import read_description, write_description

QUERY = "SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL"
EDIT = """
INSERT INTO tags (question_id, position, tag)
SELECT question_id, max(position) + 1, 'edited-' || mod(abs(hashtext(question_id::text)), 7) FROM tags
WHERE question_id IN (SELECT id FROM questions ORDER BY hashtext(id::text) LIMIT %s) GROUP BY question_id
"""
CPU_FIELDS = slice(13, 17)  # of /proc/PID/stat: user, system, and the same of children that have ended


@dataclass(frozen=True)
class Step:
    """One command: wall-clock seconds, processor share, peak memory and what the database takes on disk after it."""

    name: str
    seconds: float
    rows_per_second: float
    processors: float | None
    peak_mb: float
    disk_gb: float


class Loop:
    """Commands in one home, with one server that runs on between them; of another `checkout` where one is given."""

    def __init__(self, home: Path, rows: int, checkout: Path | None = None) -> None:
        self._rows, self._home = rows, home
        self._environment = os.environ | {
            "TAGDB_HOME": str(home),
            "TAGDB_DATABASE_URL": "",
            "DATABASE_URL": "",
            "NO_COLOR": "1",
        }
        if checkout is not None:
            self._environment["PYTHONPATH"] = str(checkout)
        self.url = self._output(["db", "start"]).split()[-1]
        self.steps: list[Step] = []

    def run(self, name: str, *command: str) -> None:
        """Run one command, note what it took and print what it says."""
        server = self._server_seconds()
        started = time.perf_counter()
        process = subprocess.Popen(
            self._arguments(*command), env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            sys.exit(f"tagdb {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
        used = None
        if server is not None:
            own = usage.ru_utime + usage.ru_stime
            used = (own + (self._server_seconds() or 0.0) - server) / seconds / (os.cpu_count() or 1)
        # Linux counts in KB, macOS in bytes.
        peak_mb = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
        self.steps.append(Step(name, seconds, self._rows / seconds, used, peak_mb, self._disk_bytes() / 1e9))
        print(f"\n{name}, {seconds:.1f} s:\n{output}", flush=True)

    def edit(self, rows: int) -> None:
        """Give that many questions a tag they did not have."""
        self.execute(EDIT, rows)

    def execute(self, statements: str, *parameters: object) -> None:
        """Run SQL of the benchmark's own in the database."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(statements, parameters)
            connection.commit()

    def stop(self) -> None:
        """Stop the server."""
        self._output(["db", "stop"])

    def _arguments(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "tagdb", *command]

    def _output(self, command: list[str]) -> str:
        return subprocess.run(
            self._arguments(*command), env=self._environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def _server_seconds(self) -> float | None:
        """Return the processor time of the server and all its processes, None where the system does not tell."""
        if not Path("/proc/self/stat").exists():
            return None
        server = (self._data / "postmaster.pid").read_text().split()[0]
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)
            except OSError:
                continue
            after_name = ["", "", *fields[1].split()]
            if stat.parent.name == server or after_name[3] == server:
                ticks += sum(map(int, after_name[CPU_FIELDS]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def _disk_bytes(self) -> int:
        return sum(file.lstat().st_blocks * 512 for file in self._data.rglob("*") if file.is_file())

    @property
    def _data(self) -> Path:
        return self._home / "postgres" / "data"


def main() -> None:
    """Run the loop and print a Markdown table."""
    arguments = _arguments()
    with arguments.file.open("rb") as lines:
        rows = sum(1 for _ in lines) - 1
    home = arguments.home or Path(tempfile.mkdtemp(prefix="tagdb-benchmark-", dir="/tmp"))
    loop = Loop(home, rows)
    try:
        for step in _steps(loop, arguments):
            step()
    finally:
        loop.stop()
        if arguments.home is None:
            shutil.rmtree(home)
    about = machine() | {"size": arguments.size, "precision": arguments.precision}
    if arguments.json:
        print(json.dumps({"machine": about, "rows": rows, "steps": [asdict(step) for step in loop.steps]}))
        return
    print(f"{rows:,} rows; " + ", ".join(f"{name} {value}" for name, value in about.items()) + "\n")
    print_table([asdict(step) for step in loop.steps], list(Step.__dataclass_fields__))


def _steps(loop: Loop, arguments: argparse.Namespace) -> list[Callable[[], None]]:
    steps: list[Callable[[], None]] = []
    if arguments.size == "original":
        weights = arguments.home or Path(tempfile.gettempdir())
        steps += [lambda: _use_original(loop, weights / "original-size", arguments.precision)]
    steps += [
        lambda: loop.run("import", "import", str(arguments.file)),
        lambda: loop.run("sync", "sync", "--no-index"),
        lambda: loop.run("train", "train", "--query", QUERY),
        lambda: loop.run("predict", "predict"),
        lambda: loop.run("second sync", "sync", "--no-index"),
        lambda: loop.edit(arguments.edits),
        lambda: loop.run(f"sync after {arguments.edits:,} edits", "sync", "--no-index"),
    ]
    if arguments.index:
        steps += [
            lambda: loop.run("index build", "index", "build"),
            lambda: loop.run("nearest tags", "nearest", arguments.tag),
            lambda: loop.run("nearest questions", "nearest", arguments.tag, "--questions"),
        ]
    return steps


def _use_original(loop: Loop, folder: Path, precision: str) -> None:
    """Choose random weights of the original's size: they cost what published ones cost, and tell nothing."""
    folder.mkdir(exist_ok=True)
    write_random(folder, "original")
    write_description(folder, replace(read_description(folder), precision=precision))
    loop.run("embedder use", "embedder", "use", str(folder))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--size", choices=["starter", "original"], default="starter", help="original: random weights")
    parser.add_argument("--precision", choices=PRECISIONS, default=FLOAT32, help="with --size original")
    parser.add_argument("--home", type=Path, help="where the database goes, and stays (default: temporary)")
    parser.add_argument("--edits", type=int, default=1_000, help="questions that get other tags before the last sync")
    parser.add_argument("--index", action="store_true", help="build the HNSW indexes too, and ask them")
    parser.add_argument("--tag", default="java", help="the tag whose neighbours are asked for, with --index")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.precision != FLOAT32 and arguments.size != "original":
        parser.error("--precision goes with --size original")
    return arguments


if __name__ == "__main__":
    main()
