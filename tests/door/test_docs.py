"""The examples of docs/python.md run as they stand, one after the other, and are typed."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import tagdb
from tagdb.db.connection import Database

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = (_ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
AIRFLOW = "from typing import TypeVar\nF = TypeVar('F')\ndef task(function: F) -> F:\n    return function\n"


@pytest.fixture
def reader(database: Database, tiny_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody in a folder with a file of questions, who has Airflow or what looks like it."""
    monkeypatch.chdir(tmp_path)
    tagdb.connect().use_embedder(tiny_embedder)
    rows = (f"{n},{tag} t{n % 9},{tag}" for n in range(60) for tag in (("java", "python")[n % 2],))
    Path("questions.csv").write_text("id,tags,label\n" + "\n".join(rows), encoding="utf-8")
    sdk = types.ModuleType("airflow.sdk")
    exec(AIRFLOW, sdk.__dict__)
    monkeypatch.setitem(sys.modules, "airflow", types.ModuleType("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    monkeypatch.setattr("logging.basicConfig", lambda **_options: None)


def test_examples_do_what_the_page_says(reader: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(EXAMPLES) >= 9
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(compile(example, "docs/python.md", "exec"), names)
    printed = capsys.readouterr().out
    for told in ("18 texts embedded, 0 refused", "classifier-1: accuracy ", "60 labels written", '"current": true'):
        assert told in printed
    assert 'column "nothing_like_it" does not exist' in printed
    assert len(Path("results.csv").read_text().splitlines()) == 61
    assert names["sync_questions"]()["failed"] == 0
    answered: list[str] = []
    body = names["application"]({"QUERY_STRING": "q=python+t4"}, lambda status, _headers: answered.append(status))
    assert answered == ["200 OK"]
    assert len(json.load(io.BytesIO(b"".join(body)))) == 5


def test_examples_are_typed(tmp_path: Path) -> None:
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow" / "__init__.py").touch()
    (tmp_path / "airflow" / "sdk.py").write_text(AIRFLOW, encoding="utf-8")
    revealed = {
        "db.sync()": "Synced",
        "db.plan()": "Plan",
        "db.train(again=True).metrics": "Metrics",
        "db.nearest('java')": "list[tagdb.door.results.NearTag]",
        "db.nearest('java', questions=True)": "list[tagdb.door.results.NearQuestion]",
        "db.status()": "Status",
        "db.models()": "Sequence[tagdb.pipeline.learning.classifiers.StoredClassifier]",
        "db.import_files('a.csv').bad": "dict[str, int]",
        "tagdb.connect(progress=print)": "Collection",
    }
    page = "\n".join([*EXAMPLES, *(f"reveal_type({each})" for each in revealed)])
    (tmp_path / "page.py").write_text(page, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\nfollow_imports = silent\n", encoding="utf-8")
    settings = ("--config-file", "mypy.ini", "--cache-dir", str(_ROOT / ".mypy_cache"))
    command = [sys.executable, "-m", "mypy", *settings, "page.py"]
    environment = {"MYPYPATH": f"{tmp_path}:{_ROOT}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    notes = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    assert len(notes) == len(revealed)
    for note, kind in zip(notes, revealed.values(), strict=True):
        assert kind in note
