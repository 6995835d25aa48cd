"""The doctor where tagdb is not at home: it tells what kind of place it is in, and what can be done about that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import done, objects, tagdb
from tests.places.conftest import needs_pgbouncer
from tests.places.dba import DbaServer, pooler, running
from tests.places.loop import whole_loop

Findings = dict[str, dict[str, Any]]


@dataclass
class Looked:
    """What the doctor found, by what it looked at, and how it ended."""

    exit_code: int
    found: Findings
    stderr: str

    def of(self, level: str) -> set[str]:
        """Name what is of this level."""
        return {check for check, each in self.found.items() if each["level"] == level}


@pytest.fixture
def looped(dba: DbaServer, owner: str, shop: str, tiny_embedder: Path) -> str:
    """The URL of the owner's database, in which everything is current."""
    url = dba.url(owner, shop)
    whole_loop(url, tiny_embedder)
    return url


@pytest.fixture
def reader(dba: DbaServer, shop: str) -> Iterator[str]:
    """A role that may do nothing yet."""
    with dba.role("doctor_reader") as name:
        yield name
        dba.admin(f"DROP OWNED BY {name}", shop)


def _look(url: str) -> Looked:
    result = tagdb("doctor", "--json", TAGDB_DATABASE_URL=url)
    return Looked(result.exit_code, {each["check"]: each for each in objects(result.stdout)}, result.stderr)


def test_standby_is_told_and_looked_at_as_any_other(
    dba: DbaServer, owner: str, shop: str, looped: str, places: Path
) -> None:
    with running(DbaServer(places / f"doctor-{shop}"), standby_of=dba) as standby:
        looked = _look(standby.url(owner, shop))
    assert (looked.exit_code, looked.of("problem"), looked.of("skipped")) == (0, set(), set())
    assert looked.found["server"]["found"].endswith("a standby, which only reads")
    assert looked.found["server"]["mend"] == "to write, name the primary server"


@needs_pgbouncer
def test_pooler_that_keeps_sessions_is_told_and_looked_through(
    dba: DbaServer, owner: str, shop: str, looped: str, places: Path
) -> None:
    with pooler(dba, places / f"doctor-{shop}", "session") as port:
        looked = _look(dba.url(owner, shop, port=port))
    assert (looked.exit_code, looked.of("problem"), looked.of("skipped")) == (0, set(), set())
    assert looked.found["pooler"]["level"] == "note"
    assert "pooler" not in _look(looped).found


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_pooler_that_mixes_sessions_is_a_problem_and_nothing_is_asked_through_it(
    dba: DbaServer, owner: str, shop: str, places: Path, mode: str
) -> None:
    with pooler(dba, places / f"doctor-{shop}", mode) as port:
        looked = _look(dba.url(owner, shop, port=port))
    assert (looked.exit_code, looked.of("problem"), looked.of("ok")) == (3, {"connection"}, {"versions"})
    assert looked.found["connection"]["found"] == "this is a pooler in transaction mode"
    assert "next: use its session mode, or the server itself" in looked.stderr


def test_role_without_a_right_is_told_which_and_a_narrow_reader_has_no_fault(
    dba: DbaServer, shop: str, looped: str, reader: str
) -> None:
    url = dba.url(reader, shop)
    looked = _look(url)
    assert (looked.exit_code, looked.of("problem")) == (4, {"rights", "schema"})
    assert looked.found["schema"]["mend"].startswith(f"tagdb db grant {reader}")
    assert "version" not in looked.found["routines"]["found"]  # it is a right that is missing
    done("db", "grant", reader, TAGDB_DATABASE_URL=looped)
    looked = _look(url)
    assert (looked.exit_code, looked.of("problem")) == (0, set())
    assert "writes none" in looked.found["rights"]["found"]
    assert looked.found["source"]["mend"].startswith(f"tagdb db grant {reader} --wide")
    done("db", "grant", reader, "--wide", TAGDB_DATABASE_URL=looped)
    looked = _look(url)
    assert (looked.exit_code, looked.of("problem")) == (0, set())
    assert "embedder" in looked.of("ok")


def test_member_that_only_reads_by_default_is_named_and_not_the_owner(
    dba: DbaServer, owner: str, shop: str, looped: str
) -> None:
    with dba.role("doctor_member", f"IN ROLE {owner}") as member:
        dba.admin(f"ALTER ROLE {member} SET default_transaction_read_only = on")
        found = _look(dba.url(member, shop)).found["server"]
        assert f"role {owner};" in found["found"]
        dba.admin(found["mend"])
        assert _look(dba.url(member, shop)).found["server"]["level"] == "ok"
