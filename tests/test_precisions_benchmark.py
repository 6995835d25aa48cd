"""The benchmark of precisions: both embed the same texts with the same weights, and how far apart they are is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import precisions


def test_both_precisions_are_timed_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(precisions, "product_rate", lambda _: 1e9)
    file = tmp_path / "titles.tsv"
    rows = [f"how to sort {number % 40} lists\t['python']" for number in range(90)]
    file.write_text("\n".join(["title\ttags", *rows]))
    monkeypatch.setattr(sys, "argv", ["precisions", f"{file}:title", "--size", "tiny", "--rounds", "1", "--json"])
    precisions.main()
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["corpus"], result["texts"]) == ("titles.tsv:title", 40)
    assert result["bf16 is, times"] == pytest.approx(result["bf16 texts/s"] / result["float32 texts/s"])
    assert 1e-5 < result["mean difference"] < result["largest difference"] < 1e-2
    assert 0 < result["apart"] < 1e-3
