"""What is printed does not grow with what is stored: long texts and long lists are cut, and say so."""

from __future__ import annotations

import json

from tagdb.db.connection import Database
from tagdb.pipeline.asking import nearest
from tests.cli.running import done, objects, tagdb
from tests.pipeline import stored

LONG = "long " * 1_000_000
MANY = "SELECT id, 'label ' || id AS label FROM questions WHERE label IS NOT NULL"


def test_text_of_megabytes_leaves_the_database_in_part_unless_asked_for(world: Database) -> None:
    stored.run(world, "UPDATE tagdb.text SET text = repeat('long ', 1000000) WHERE text = 'text 1'")
    shown = done("nearest", "java", "--questions", "-k", "60").stdout
    assert len(shown) < 20_000
    (line,) = [line for line in shown.splitlines() if "long" in line]
    assert line.endswith(("long…", "lon…", "lo…", "l…", " …"))
    found = objects(done("nearest", "java", "--questions", "-k", "60", "--json").stdout)
    assert max(len(each["text"]) for each in found) == len(LONG)


def test_table_asks_for_no_more_than_it_shows(world: Database, monkeypatch: object) -> None:
    stored.run(world, "UPDATE tagdb.text SET text = repeat('long ', 1000000) WHERE text = 'text 1'")
    for exact in (False, True):
        found = nearest.nearest_questions(world, "java", 60, stored.Listener(), exact=exact, longest=201).found
        assert max(len(each.text or "") for each in found) == 201


def test_error_is_one_line_that_can_be_read(world: Database) -> None:
    for query in (MANY, f"SELECT id, '{'x' * 50_000}'::bigint::text AS label FROM questions"):
        refused = tagdb("train", "--query", query)
        assert refused.exit_code == 1
        assert all(len(line) < 1_100 for line in refused.stderr.splitlines())
        assert " more" in refused.stderr
    columns = ", ".join(f"{number} AS c{number}" for number in range(1_000))
    refused = tagdb("train", "--query", f"SELECT {columns}")
    assert "it has c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 and 990 more" in refused.stderr


def test_error_is_kept_in_part(world: Database) -> None:
    tagdb("train", "--query", f"SELECT id, '{'x' * 50_000}'::bigint::text AS label FROM questions")
    (detail,) = stored.column(world, "SELECT detail FROM tagdb.run WHERE status = 'failed'")
    assert len(json.dumps(detail)) < 1_200


def test_classifier_of_many_long_classes_is_shown_in_part(world: Database) -> None:
    stored.run(
        world,
        "INSERT INTO questions SELECT i, 'text ' || (i - 1000) % 60 + 1, 'class ' || i % 10 || repeat('x', 500) "
        "FROM generate_series(1000, 1600) i",
        "INSERT INTO tagdb.question SELECT q.id, t.id FROM questions q JOIN tagdb.text t ON t.text = q.title "
        "WHERE q.id >= 1000",
    )
    query = f"SELECT id, label FROM questions WHERE id >= 1000 -- {'y' * 20_000}"
    trained = done("train", "--query", query)
    for result in (trained, done("models", "list"), done("models", "show", "1")):
        assert max(map(len, result.stdout.splitlines())) < 4_000
        assert "y" * 2_000 not in result.stdout
    (whole,) = objects(done("models", "show", "1", "--json").stdout)
    assert whole["query"] == query
    assert len(whole["classes"]) == 10
