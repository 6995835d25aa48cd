"""How old a label is when a reader first sees it: `tagdb watch` beside an application that writes all the time.

    python benchmarks/watching.py --rows 1000000 --writes 200 --minutes 10 --capture
    python benchmarks/watching.py --rows 100000 --minutes 1 --embedder ./small-elmo --json

Questions with a title each, of `--texts` different ones, are synced and a classifier is trained on a part of them. Then
one connection inserts (6 of 10), edits (3) and deletes (1) questions, each in a transaction of its own, and notes in it
what is to be seen; another one asks ten times a second which of that is: the question's label, of the very text it has
now, or that there is none any more. An edit that is overtaken by another one before it is seen does not count. At the
end, by plain SQL and numpy: lost (a question without a label), stale (a label of another text), left over (a label of
no question), and wrong (another label than the stored weights give the stored vector, in a sample).

All is done in a database of its own, on an embedded server of its own or on that of --server, and dropped after.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
from measuring import machine, print_table
from scratch import scratch_database

from tagdb.db.connection import Database

LANGUAGES = ("java", "python", "ruby")
TABLES = """
CREATE TABLE questions (id bigint PRIMARY KEY, title text, label text);
CREATE TABLE expected (id bigint PRIMARY KEY, title text, written_at timestamptz NOT NULL);
INSERT INTO questions
SELECT n, l || ' w' || n % {texts} || ' w' || n % 97, l
FROM (SELECT n, (ARRAY['java', 'python', 'ruby'])[1 + n % 3] AS l FROM generate_series(1, {rows}) n) made_up;
ANALYZE
"""
QUERY = "SELECT id AS question_id, label FROM questions"
WRITTEN = """
INSERT INTO expected VALUES (%(id)s, %(title)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET title = EXCLUDED.title, written_at = EXCLUDED.written_at
"""
CHANGES = {
    "insert": "INSERT INTO questions VALUES (%(id)s, %(title)s, NULL)",
    "edit": "UPDATE questions SET title = %(title)s WHERE id = %(id)s",
    "delete": "DELETE FROM questions WHERE id = %(id)s",
}
SEEN = """
DELETE FROM expected e
USING (
    SELECT e.id, t.text
    FROM expected e
    LEFT JOIN tagdb.labels l ON l.question_id = e.id
    LEFT JOIN tagdb.text t ON t.id = l.text_id
) now
WHERE now.id = e.id AND now.text IS NOT DISTINCT FROM e.title
RETURNING extract(epoch FROM clock_timestamp() - e.written_at)
"""
FAULTS = """
SELECT count(*) FILTER (WHERE q.id IS NOT NULL AND l.question_id IS NULL) AS lost,
    count(*) FILTER (WHERE t.text <> q.title) AS stale,
    count(*) FILTER (WHERE q.id IS NULL) AS left_over
FROM questions q
FULL JOIN tagdb.labels l ON l.question_id = q.id
LEFT JOIN tagdb.text t ON t.id = l.text_id
"""
CURRENT_AT = "SELECT current_at FROM tagdb.health"
SAMPLE = """
SELECT CAST(e.embedding AS real[]), l.label
FROM tagdb.embedding e JOIN tagdb.labels l USING (question_id)
ORDER BY hashint8(question_id) LIMIT 500
"""
WEIGHTS = """
SELECT w.class, CAST(w.coef AS real[]), w.intercept
FROM tagdb.classifier_weight w JOIN tagdb.classifier c ON c.id = w.classifier_id AND c.active
ORDER BY w.position
"""


def main() -> None:
    """Measure and print a Markdown table."""
    arguments = _arguments()
    with scratch_database(arguments.server) as database:
        report = _measure(database, arguments)
    if arguments.json:
        print(json.dumps({"machine": machine(), **report}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine().items()) + "\n")
    print_table([report], list(report))


def _measure(database: Database, arguments: argparse.Namespace) -> dict[str, Any]:
    _run(database, TABLES.format(rows=arguments.rows, texts=arguments.texts))
    if arguments.embedder:
        _tagdb(database, "embedder", "use", str(arguments.embedder))
    _tagdb(database, "sync", "--text", "title", "--no-index")
    _tagdb(database, "train", "--query", QUERY, "--sample", str(min(arguments.rows, 20_000)))
    _tagdb(database, "sync")
    if arguments.capture:
        _tagdb(database, "capture", "on")
        _tagdb(database, "sync")
    before = _rows(database, CURRENT_AT)
    with _watching(database, arguments.every) as watch:
        while _rows(database, CURRENT_AT) == before:
            time.sleep(0.1)
        ages, writes = _write_and_read(database, arguments)
        used, resident = _used(watch.pid)
    lost, stale, left_over = _rows(database, FAULTS)[0]
    return {
        "rows": arguments.rows,
        "capture": arguments.capture,
        "writes": writes,
        "writes/s": round(writes / (60 * arguments.minutes), 1),
        "p50 s": round(float(np.percentile(ages, 50)), 2),
        "p95 s": round(float(np.percentile(ages, 95)), 2),
        "max s": round(max(ages), 2),
        "passes": _rows(database, "SELECT count(*) FROM tagdb.run WHERE command = 'sync'")[0][0] - 2,
        "watch, CPU s": round(used, 1),
        "watch, MB": round(resident / 1e6),
        "lost": lost,
        "stale": stale,
        "left over": left_over,
        "wrong": _wrong(database),
    }


def _write_and_read(database: Database, arguments: argparse.Namespace) -> tuple[list[float], int]:
    """Let an application write, and return how old each change was when it was seen, and how many were written."""
    ages: list[float] = []
    written: list[int] = []
    writer = threading.Thread(target=lambda: written.append(_write(database, arguments)))
    writer.start()
    deadline = time.monotonic() + 60 * arguments.minutes + arguments.patience
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while True:
            writes = writer.is_alive()
            cursor.execute(SEEN)
            ages += [float(age) for (age,) in cursor.fetchall()]
            cursor.execute("SELECT count(*) FROM expected")
            (left,) = cursor.fetchone() or (0,)
            if not writes and not left:
                break
            if time.monotonic() > deadline:
                sys.exit(f"{left:,} changes were not seen in time")
            time.sleep(0.1)
    writer.join()
    return ages, written[0]


def _write(database: Database, arguments: argparse.Namespace) -> int:
    """Write at a steady rate; return how many changes there were."""
    draw, ids = random.Random(arguments.seed), list(range(1, arguments.rows + 1))
    begin, written = time.monotonic(), 0
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        while time.monotonic() - begin < 60 * arguments.minutes:
            kind = draw.choices(list(CHANGES), (6, 3, 1))[0]
            title: str | None = f"{draw.choice(LANGUAGES)} w{draw.randrange(arguments.texts)} w{draw.randrange(97)}"
            place = draw.randrange(len(ids))
            if kind == "insert":
                ids.append(arguments.rows + written + 1)
                question = ids[-1]
            elif kind == "edit":
                question = ids[place]
            else:
                question, title = ids[place], None
                ids[place] = ids[-1]
                ids.pop()
            change = {"id": question, "title": title}
            cursor.execute(CHANGES[kind], change)
            cursor.execute(WRITTEN, change)
            connection.commit()
            written += 1
            time.sleep(max(0.0, begin + written / arguments.writes - time.monotonic()))
    return written


@contextmanager
def _watching(database: Database, every: float) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tagdb", "watch", "--every", str(every), "--json", "-q"],
        env={**os.environ, "TAGDB_DATABASE_URL": database.dsn},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _used(pid: int) -> tuple[float, int]:
    """Return the processor seconds and the resident bytes of a process, where Linux tells them."""
    if not Path("/proc/self/stat").exists():
        return 0.0, 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def _wrong(database: Database) -> int:
    """Count labels, in a sample, that the stored weights do not give the stored vector."""
    classes, coef, intercept = zip(*_rows(database, WEIGHTS), strict=True)
    sample = _rows(database, SAMPLE)
    scores = np.array([row[0] for row in sample]) @ np.array(coef).T + np.array(intercept)
    return int(sum(classes[best] != row[1] for best, row in zip(scores.argmax(axis=1), sample, strict=True)))


def _tagdb(database: Database, *words: str) -> None:
    environment = {**os.environ, "TAGDB_DATABASE_URL": database.dsn}
    subprocess.run([sys.executable, "-m", "tagdb", *words, "-q"], env=environment, check=True)


def _run(database: Database, statements: str) -> None:
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements.split(";"):
            cursor.execute(statement)


def _rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=10_000, help="how many numbers there are for titles to be made of")
    parser.add_argument("--writes", type=float, default=200.0, help="changes a second")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two polls of the watch")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for what is not seen yet at the end")
    parser.add_argument("--capture", action="store_true", help="let triggers write down what changes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embedder", type=Path, help="a folder with another embedder than the shipped one")
    parser.add_argument("--server", metavar="URL", help="a server to make the database on")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
