"""The benchmark of the whole loop: all of its steps run, in their order, and the edits are seen by the last one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "whole_loop.py"
ROWS, EDITS = 300, 7


def test_loop_runs_to_its_end_and_finds_the_edits(short_folder: Path) -> None:
    lines = [f'{number},"python n{number % 40}",{number % 2}' for number in range(ROWS)]
    file = short_folder / "tagdataset.csv"
    file.write_text("\n".join([",tags,label", *lines]), encoding="utf-8")
    command = [sys.executable, str(BENCHMARK), str(file), "--home", str(short_folder / "loop")]
    done = subprocess.run([*command, "--edits", str(EDITS), "--json"], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    names = ["import", "sync", "train", "predict", "second sync", f"sync after {EDITS} edits"]
    assert [step["name"] for step in report["steps"]] == names
    assert report["rows"] == ROWS
    assert all(step["peak_mb"] > 10 and step["disk_gb"] > 0 for step in report["steps"])
    changed = re.findall(r"(\d+) changed", done.stdout)
    assert changed == ["0", "0", str(EDITS)]
