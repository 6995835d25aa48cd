"""`tagdb doctor`: findings as lines and as JSON, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tests.cli.running import done, objects, tagdb
from tests.pipeline.world import World

KEYS = {"check", "ok", "level", "found", "mend"}


@pytest.fixture
def synced(database: Database, tiny_embedder: Path) -> World:
    """Three questions that have been synced."""
    world = World(database, tiny_embedder)
    world.put({1: "a", 2: "a b", 3: "c"})
    world.sync()
    return world


def test_all_is_well(synced: World) -> None:
    shown = done("doctor")
    assert "ok       schema      revision " in shown.stdout
    assert shown.stderr == ""
    quiet = done("doctor", "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    for each in objects(done("doctor", "--json").stdout):
        assert set(each) == KEYS
        assert each["ok"] is True


def test_4_with_the_command_that_mends_it(synced: World) -> None:
    synced.run("CREATE OR REPLACE VIEW tagdb.embedding AS SELECT * FROM (TABLE tagdb.embedding) e LIMIT 3")
    for words in (("doctor",), ("doctor", "-q")):
        result = tagdb(*words)
        assert result.exit_code == 4
        found = "problem  routines    gone, or not of this version: tagdb.embedding\n"
        assert f"{found}                     mend: tagdb db migrate\n" in result.stdout
        assert " of 15 findings have to be mended\n next: tagdb db migrate\n" in result.stderr
    assert len(tagdb("doctor", "-q").stdout.splitlines()) == 2
    told = {each["check"]: each["ok"] for each in objects(tagdb("doctor", "--json").stdout)}
    assert (told["routines"], told["schema"]) == (False, True)


def test_3_without_a_connection_and_the_rest_is_told() -> None:
    result = tagdb("doctor", "--db-url", "postgresql://me:s3cret@127.0.0.1:9/db", "--json")
    assert result.exit_code == 3
    told = {each["check"]: each["ok"] for each in objects(result.stdout)}
    assert (told["versions"], told["connection"], told["schema"]) == (True, False, None)
    assert "error: no connection to PostgreSQL" in result.stderr
    assert "s3cret" not in result.output
