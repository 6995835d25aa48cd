"""A program hears of long work as it asks to, of news by logging, and of nothing on its own stdout and stderr."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from itertools import groupby
from pathlib import Path

import pytest

import tagdb
from tagdb.db.connection import Database
from tagdb.door.reporting import reporter
from tests.pipeline.world import World

WHOLE_LOOP = """
import sys, tagdb
db = tagdb.connect()
db.import_files(sys.argv[1])
db.sync(text="tags")
db.train("SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL", plot=sys.argv[2])
db.predict(); db.nearest("java"); db.nearest("no such tag"); db.status(); db.build_index(); db.doctor()
db.export(sys.argv[2] + ".csv"); db.close()
"""


def test_events_add_up(world: World) -> None:
    events: list[tagdb.Event] = []
    db = tagdb.connect(progress=events.append)
    synced = db.sync(batch_size=10)
    steps = {name: list(some) for name, some in groupby(events, lambda each: each.step)}
    for some in steps.values():
        assert (some[0].done, some[0].finished) == (0, False)
        assert [each.finished for each in some] == [False] * (len(some) - 1) + [True]
        assert [each.done for each in some] == sorted(each.done for each in some)
    embedding = steps["embedding"]
    assert {(each.total, each.unit) for each in embedding} == {(60, "texts")}
    assert [each.done for each in embedding] == [0, 10, 20, 30, 40, 50, 60, 60]
    assert synced.embedded == embedding[-1].done


def test_what_the_function_raises_ends_the_work_with_the_blocks_kept(world: World) -> None:
    def enough(event: tagdb.Event) -> None:
        if event.done >= 20:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        tagdb.connect(progress=enough).sync(batch_size=10)
    assert world.scalar("SELECT count(*) FROM tagdb.text_vector") == 20
    assert world.last_run()["status"] == "failed"
    assert tagdb.connect().sync().embedded == 40


def test_what_it_raises_in_a_thread_beside_is_raised_where_the_work_is() -> None:
    def enough(event: tagdb.Event) -> None:
        if event.done:
            raise RuntimeError("enough")

    def work() -> None:
        with reporter(enough).step("indexing", 10, "vectors") as progress:
            beside = threading.Thread(target=progress.advance, args=(3,))
            beside.start()
            beside.join()

    with pytest.raises(RuntimeError, match="enough"):
        work()


def test_step_that_fails_is_not_finished(world: World) -> None:
    events: list[tagdb.Event] = []
    with pytest.raises(tagdb.InputRefused):
        tagdb.connect(progress=events.append).predict()
    assert not any(each.finished for each in events if each.step == "embedding")


def test_news_are_logged_and_secrets_are_not(world: World, caplog: pytest.LogCaptureFixture) -> None:
    url = world.database.dsn.replace("postgres@", "postgres:s3cret@")
    with caplog.at_level(logging.INFO, logger="tagdb"):
        db = tagdb.connect(url)
        db.sync()
        reporter(None).warn("something may be wrong")
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told[0][1].startswith("using test_")
    assert ("WARNING", "something may be wrong") in told
    assert any(message.startswith("loading embedder") for _, message in told)
    assert "s3cret" not in caplog.text


def test_nothing_is_printed_without_being_asked_for(database: Database, tiny_embedder: Path, tmp_path: Path) -> None:
    tagdb.connect().use_embedder(tiny_embedder)
    file = tmp_path / "questions.csv"
    rows = (f"{n},{tag} t{n % 9},{tag}" for n in range(60) for tag in (("java", "python")[n % 2],))
    file.write_text("id,tags,label\nbad,row,here\n" + "\n".join(rows))
    command = [sys.executable, "-W", "error", "-c", WHOLE_LOOP, str(file), str(tmp_path / "plot.svg")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (tmp_path / "plot.svg").exists()


def test_progress_is_drawn_where_it_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tagdb import drawing

    monkeypatch.setattr(drawing, "LINE_EVERY_SECONDS", 0.0)
    tagdb.connect(progress=True).sync(batch_size=30)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "embedding: 30 texts of 60 texts" in printed.err
