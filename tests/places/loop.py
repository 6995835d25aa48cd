"""A small whole loop through the command line, for whatever stands between it and the server."""

from __future__ import annotations

from pathlib import Path

from tests.cli.running import done

LABELLED = "SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL"
QUESTIONS = "id,tags,label\n" + "".join(
    f"{n},{'java spring' if n % 2 else 'python numpy'} t{n},{'java' if n % 2 else 'python'}\n" for n in range(1, 61)
)


def whole_loop(url: str, embedder: Path) -> None:
    """Migrate, import, sync, train, predict, ask, index and export by the database's URL."""
    environment = {"TAGDB_DATABASE_URL": url}
    done("db", "migrate", **environment)
    done("import", "-", typed=QUESTIONS, **environment)
    done("embedder", "use", str(embedder), **environment)
    assert "60 embedded" in done("sync", **environment).stdout
    done("train", "--query", LABELLED, **environment)
    assert "60 written" in done("predict", **environment).stdout
    for _ in range(2):
        assert "0 due, 0 embedded" in done("sync", **environment).stdout
    done("status", "--check", **environment)
    assert "python" in done("nearest", "numpy", "-k", "3", **environment).stdout
    done("index", "build", **environment)
    assert len(done("export", "predictions", "-", **environment).stdout.splitlines()) == 61
