"""With --verbose every line on stderr begins with the time, for a log that cron writes."""

from __future__ import annotations

import re

from tagdb.db.connection import Database
from tests.cli.running import done, tagdb

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d ")


def test_news_and_errors_bear_the_time(standing_world: Database) -> None:
    news = done("status", "-v").stderr.splitlines()
    assert news
    assert all(TIME.match(line) for line in news)
    assert not TIME.match(done("status").stderr)
    failed = tagdb("predict", "-q", "-v").stderr
    assert [bool(TIME.match(line)) for line in failed.splitlines()[-2:]] == [True, True]
    assert "Traceback" in failed


def test_results_do_not(standing_world: Database) -> None:
    assert not any(map(TIME.match, done("nearest", "java", "-v").stdout.splitlines()))
