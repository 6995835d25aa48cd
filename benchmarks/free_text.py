"""From the start of a process to the neighbours of a text: `tagdb nearest TEXT`, beside a tag and the encoder for many.

    python benchmarks/free_text.py
    python benchmarks/free_text.py --embedder original --rounds 10

It runs on the bundled sample in a home of its own. A tag needs no embedder: what is above its time is the text's. The
last line loads TensorFlow and the encoder that sync takes, and embeds the same text.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine, print_table

TEXT, TAG = "how to parse json", "java"
ENCODER = "from pathlib import Path; from tagdb import elmo; elmo.load(Path({folder!r})).embed([{text!r}])"
STARTER = Path(__file__).parents[1] / "tagdb" / "embedders" / "starter"


def main() -> None:
    """Measure in turns, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedder", help="another embedder than the shipped one; the sample is embedded anew")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="tagdb-benchmark-", dir="/tmp"))
    home.chmod(0o755)  # below it, root's servers run as another user
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TAGDB_", "PG"))}
    environment |= {"TAGDB_HOME": str(home / "home")}
    tagdb = [sys.executable, "-m", "tagdb"]
    try:
        _run([*tagdb, "demo", "-q"], environment)
        if arguments.embedder:
            _run([*tagdb, "embedder", "use", arguments.embedder], environment)
            _run([*tagdb, "sync", "-q"], environment)
        script = ENCODER.format(folder=arguments.embedder or str(STARTER), text=TEXT)
        commands = {
            "tagdb nearest TAG": [*tagdb, "nearest", TAG],
            "tagdb nearest TEXT": [*tagdb, "nearest", TEXT],
            "tagdb nearest TEXT --questions": [*tagdb, "nearest", TEXT, "--questions"],
            "the encoder for many, alone": [sys.executable, "-c", script],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                seconds[name].append(_run(command, environment))
    finally:
        _run([*tagdb, "db", "stop", "--force", "-q"], environment, check=False)
        shutil.rmtree(home)
    if arguments.json:
        print(json.dumps({"machine": machine(), "seconds": seconds}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()) + "\n")
    rows = [
        {"command": name, "median, s": round(statistics.median(taken), 2), "fastest, s": round(min(taken), 2)}
        for name, taken in seconds.items()
    ]
    print_table(rows, list(rows[0]))


def _run(command: list[str], environment: dict[str, str], *, check: bool = True) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=check, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
