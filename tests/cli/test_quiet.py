"""With -q a command that does something says nothing when all is well, so that cron has nothing to mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.elmo.training.settings import Size
from tagdb.pipeline import demo
from tagdb.pipeline.embedders import pretraining
from tagdb.pipeline.running import server
from tests.cli.running import commands, done, tagdb
from tests.elmo.pretraining import sentences
from tests.pipeline import stored
from tests.pipeline.world import refuse_poison, sync_running

RESULTS = {
    "capture status",
    "db psql",
    "db schemas",
    "db url",
    "doctor",
    "embedder list",
    "embedder show",
    "index status",
    "models list",
    "models show",
    "nearest",
    "status",
}
"""Commands whose result is what they print."""

ENDLESS = {"watch"}
"""Commands that end by a signal alone."""

SMALL = ("--cell-dim", "8", "--projection-dim", "8", "--batch-tokens", "128", "--words", "100", "--epochs", "1")


@pytest.fixture
def acts(
    database: Database,
    tiny_embedder: Path,
    tmp_path: Path,
    execute: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[list[str]]:
    """What somebody types who does everything, in an order in which it can be done."""
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pretraining, "Size", partial(Size, filters=((1, 4), (2, 8)), n_highway=0))
    monkeypatch.setattr(demo, "demo", lambda *_: 1.0)
    monkeypatch.setattr(server, "start", lambda *_, **_options: "postgresql://somewhere")
    monkeypatch.setattr(server, "stop", lambda *_, force: not force)
    rows = (f"{n},{tag} t{n % 9},{tag}" for n in range(60) for tag in (("java", "python")[n % 2],))
    (tmp_path / "questions.csv").write_text("id,tags,label\n" + "\n".join(rows))
    (tmp_path / "texts.txt").write_text("\n".join(sentences(40)))
    execute("CREATE ROLE quiet_reader")
    yield [
        "demo",
        "db start",
        "db stop",
        "db migrate",
        f"import {tmp_path}/questions.csv",
        f"embedder add mine {tiny_embedder}",
        "embedder verify mine",
        "embedder use mine",
        "sync",
        "work",
        "train --query-file -",
        "train --again --activate",
        "predict",
        f"export predictions {tmp_path}/results.csv",
        f"export vectors {tmp_path}/vectors.parquet",
        f"export tags {tmp_path}/tags.csv",
        "index build",
        "index drop",
        "models activate classifier-1",
        "models delete classifier-2 --yes",
        "db views drop",
        "db views restore",
        "capture on",
        "capture off",
        "db prune",
        "db grant quiet_reader --wide",
        "db revoke quiet_reader",
        f"embedder train --output {tmp_path}/trained --file {tmp_path}/texts.txt {' '.join(SMALL)}",
        f"embedder add other {tiny_embedder}",
        "embedder remove other --yes",
    ]
    execute("DROP ROLE quiet_reader")


def _command(line: str, known: set[str]) -> str:
    words = line.split()
    return next(name for length in (3, 2, 1) if (name := " ".join(words[:length])) in known)


def test_nothing_is_said_when_all_is_well(acts: list[str], database: Database) -> None:
    known = {words for words, _ in commands()}
    assert {_command(line, known) for line in acts} == known - RESULTS - ENDLESS
    for line in acts:
        with sync_running(database) if line == "work" else nullcontext():
            result = tagdb(*line.split(), "-q", typed=stored.LABELLED)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", ""), line


def test_json_and_results_are_printed_all_the_same(world: Database) -> None:
    done("train", "--query", stored.LABELLED, "-q")
    for line in _asking():
        quiet = done(*line.split(), "-q")
        assert quiet.stdout, line
        assert quiet.stderr == "", line


def _asking() -> Iterator[str]:
    yield from ("predict --json", "db url", "embedder list", "index status", "models list", "models show 1", "status")
    yield from ("nearest java", "export predictions -", "index build --json", "models activate 1 --json")


def test_warnings_and_failures_are_told(database: Database, tmp_path: Path, tiny_embedder: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("id,tags,label\n1,java,java\nx,python,python\n")
    bad = tagdb("import", str(file), "-q")
    assert (bad.exit_code, bad.stdout) == (1, "")
    assert "line 3: bad id" in bad.stderr
    assert tagdb("predict", "-q").stderr.startswith("error: there is no classifier yet")


def test_texts_that_fail_are_told(database: Database, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_poison(monkeypatch)
    done("embedder", "use", str(tiny_embedder), "-q")
    done("import", "-", "-q", typed="id,tags,label\n1,poison,a\n2,java,b\n")
    result = tagdb("sync", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "warning: 1 texts failed: tagdb status says why\n"
