"""Questions in another database, read through foreign tables, are a source like one's own."""

from __future__ import annotations

from pathlib import Path

import psycopg2.extensions
import pytest

from tests.cli.running import done, tagdb
from tests.places.dba import DbaServer, running
from tests.places.test_other_versions import WITH_VECTOR

WITH_BOTH = [path for path in WITH_VECTOR if (path.parent / "lib" / "postgres_fdw.so").exists()]
TICKETS = """
CREATE TABLE tickets (ticket_no integer PRIMARY KEY, subject text);
CREATE TABLE ticket_topics (ticket_no integer, topic text);
INSERT INTO tickets SELECT n, 'printer ' || n FROM generate_series(1, 50) n;
INSERT INTO ticket_topics SELECT n, 'topic' || n % 3 FROM generate_series(1, 50) n;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO away
"""
LENT = """
CREATE SERVER helpdesk FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '127.0.0.1', port '{port}', dbname 'helpdesk', fetch_size '10000');
CREATE USER MAPPING FOR me SERVER helpdesk OPTIONS (user 'away', password '{password}');
CREATE SCHEMA helpdesk AUTHORIZATION me;
GRANT USAGE ON FOREIGN SERVER helpdesk TO me;
SET ROLE me;
IMPORT FOREIGN SCHEMA public LIMIT TO (tickets, ticket_topics) FROM SERVER helpdesk INTO helpdesk
"""
SOURCE = "SELECT ticket_no AS question_id, subject AS text FROM helpdesk.tickets"
TAGS = "SELECT ticket_no AS question_id, topic AS tag FROM helpdesk.ticket_topics"


@pytest.mark.skipif(not WITH_BOTH, reason="no PostgreSQL of this system has pgvector and postgres_fdw")
def test_questions_of_another_database_are_read_in_place(places: Path, tiny_embedder: Path) -> None:
    server = DbaServer(places / "lending", programs=WITH_BOTH[0])
    with (
        running(server),
        server.role("me"),
        server.role("away"),
        server.database("helpdesk"),
        server.database("shop", "OWNER me"),
    ):
        server.admin(TICKETS, "helpdesk")
        server.admin("CREATE EXTENSION vector;\nCREATE EXTENSION postgres_fdw", "shop")
        away = psycopg2.extensions.parse_dsn(server.url("away", "helpdesk"))
        server.admin(LENT.format(port=away["port"], password=away["password"]), "shop")
        environment = {"TAGDB_DATABASE_URL": server.url("me", "shop")}
        done("db", "migrate", **environment)
        done("embedder", "use", str(tiny_embedder), **environment)
        assert "50 new" in done("sync", "--source-sql", SOURCE, "--source-tags-sql", TAGS, **environment).stdout
        server.admin("UPDATE tickets SET subject = 'modem' WHERE ticket_no = 5", "helpdesk")
        assert "0 new, 1 changed, 0 gone" in done("sync", **environment).stdout
        done("status", "--check", **environment)
        server.admin("ALTER SERVER helpdesk OPTIONS (SET dbname 'nowhere')", "shop")
        lost = tagdb("sync", **environment)
        assert lost.exit_code == 3
        assert "another server, whose tables are read here, is out of reach: could not connect" in lost.stderr
        server.admin("ALTER SERVER helpdesk OPTIONS (SET dbname 'helpdesk')", "shop")
        assert "0 new, 0 changed, 0 gone" in done("sync", **environment).stdout
