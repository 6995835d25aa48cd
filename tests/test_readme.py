"""The README's commands do what it shows: each of them is run, on the demo's sample, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tagdb.cli import app
from tagdb.db.connection import Database

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
_ELSEWHERE = ("tagdb db stop", "tagdb db url", "tagdb db psql", "tagdb import Posts.xml")
"""Commands that are about the server rather than the sample, or about a file of the reader's own."""


def _shown_commands() -> list[tuple[str, str]]:
    """Return every `$ command` of the README's console blocks with the output shown under it."""
    shown = []
    for block in re.findall(r"```console\n(.*?)```", README.split("## Every command")[1], re.DOTALL):
        for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = entry.partition("\n")
            shown.append((command, output.strip()))
    return shown


@pytest.fixture
def reader(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Somebody who has run the demo and now follows the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    runner = CliRunner()
    assert runner.invoke(app, ["demo"]).exit_code == 0
    return runner


def test_every_command_of_the_page_prints_what_the_page_shows(reader: CliRunner) -> None:
    commands = _shown_commands()
    assert len(commands) > 20
    for command, output in commands:
        if command.startswith("cat "):
            Path(command.split()[1]).write_text(output + "\n", encoding="utf-8")
        if not command.startswith("tagdb ") or command.startswith(_ELSEWHERE):
            continue
        done = reader.invoke(app, shlex.split(command)[1:])
        assert done.exit_code == (1 if command.startswith("tagdb import") else 0), f"{command}: {done.output}"
        for line in filter(_is_stable, output.splitlines()):
            assert _words(line) in _words(done.output), f"{command} no longer prints: {line}\n{done.output}"


def _is_stable(line: str) -> bool:
    """Whether a line is the same on every machine and at every time."""
    return not re.search(
        r"\d{4}-\d\d-\d\d|/s\b|\d s\b|[~…/]|versions|using the|folder|─|fingerprint|0\.\d|[0-9a-f]{12}", line
    )


def _words(text: str) -> str:
    return " ".join(text.split())


def test_every_command_is_on_the_page() -> None:
    for name in (
        "demo",
        "import",
        "sync",
        "work",
        "watch",
        "train",
        "predict",
        "nearest",
        "status",
        "doctor",
        "export",
        "models",
        "embedder",
        "index",
        "db",
    ):
        assert f"tagdb {name}" in README


def test_own_questions_get_their_own_labels(reader: CliRunner) -> None:
    rows = [f"{n},{tags},{label}" for n in range(1, 61, 2) for n, tags, label in _two_questions(n)]
    Path("questions.csv").write_text("id,tags,label\n" + "\n".join(rows), encoding="utf-8")
    section = README.split("## Your own questions")[1].split("### Your own database")[0]
    for line in "\n".join(re.findall(r"```bash\n(.*?)```", section, re.DOTALL)).splitlines():
        command = shlex.split(line, comments=True)
        if command and not line.startswith(_ELSEWHERE) and "'python', 'java'" not in line:
            done = reader.invoke(app, command[1:])
            assert done.exit_code == 0, f"{line}: {done.output}"
    exported = reader.invoke(app, ["export", "predictions", "-", "-q"]).stdout.split()
    assert {line.split(",")[1] for line in exported[1:]} == {"sport", "food"}


def _two_questions(number: int) -> list[tuple[int, str, str]]:
    return [(number, f"ball goal-{number}", "sport"), (number + 1, f"pan salt-{number}", "food")]
