"""The benchmark of file formats writes every shape and compression, and reads back what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "import_formats.py"


def test_every_file_has_all_rows(tmp_path: Path) -> None:
    rows = tmp_path / "tagdataset.csv"
    rows.write_text(",tags,label\n" + "".join(f"{number},java c#,0\n" for number in range(250)))
    command = [sys.executable, str(BENCHMARK), str(rows), "--rounds", "1", "--json", "--folder", str(tmp_path)]
    measured = json.loads(subprocess.check_output(command))["formats"]
    assert {"csv", "tsv", "jsonl", "json", "pages.json", "parquet", "csv.xz", "csv.zip", "jsonl.zst"} <= set(measured)
    for kind, row in measured.items():
        assert row["rows"] == 250
        assert (tmp_path / f"rows.{kind}").stat().st_size == row["MB"] * 1e6
