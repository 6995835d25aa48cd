"""`tagdb embedder add, show, list, verify, remove`: what a person sees on the way from files to vectors of theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagdb.db.connection import Database
from tagdb.elmo.precision import PRECISIONS
from tests.cli.running import done, objects, tagdb
from tests.elmo.weights import write_random_elmo


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_random_elmo(tmp_path / "source")


def test_from_files_to_an_embedder_in_use_and_away_again(source: Path, database: Database, home: Path) -> None:
    added = done("embedder", "add", "mine", str(source), "--tokenizer", "words", "--licence", "CC0")
    assert added.stderr.endswith("next: tagdb embedder use mine\n")
    for told in ("dimension    16", str(home / "embedders" / "mine")):
        assert told in added.stdout

    shown = done("embedder", "show", "mine").stdout
    for told in ("tokenizer", "words", "licence", "CC0", "start state", "zero", "parameters", str(source)):
        assert told in shown
    (verified,) = objects(done("embedder", "verify", "mine", "--json").stdout)
    assert (verified["files"], verified["proof"]) == (3, None)
    assert "mine: 3 files are as they were added" in done("embedder", "verify", "mine").stdout

    states = {each["name"]: each["state"] for each in objects(done("embedder", "list", "--json").stdout)}
    assert states == {"mine": "added", "starter": "shipped"}
    assert done("embedder", "use", "mine").stdout == "sync embeds with mine (16 dimensions) from now on\n"
    refused = tagdb("embedder", "remove", "mine", "--yes")
    assert (refused.exit_code, "tagdb embedder use starter && tagdb sync" in refused.stderr) == (1, True)
    done("embedder", "use", "starter")
    assert tagdb("embedder", "remove", "mine", typed="n\n").exit_code == 1
    assert done("embedder", "remove", "mine", typed="y\n").stdout.endswith("mine is removed\n")
    assert not (home / "embedders" / "mine").exists()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precision_is_chosen_and_shown(source: Path, precision: str) -> None:
    done("embedder", "add", "mine", str(source), "--precision", precision)
    (shown,) = objects(done("embedder", "show", "mine", "--json").stdout)
    assert shown["config"]["precision"] == precision


def test_add_tells_a_script_everything(source: Path) -> None:
    (added,) = objects(done("embedder", "add", "mine", str(source), "--json").stdout)
    assert (added["spec"]["name"], added["spec"]["dim"], added["proof"]) == ("mine", 16, None)
    assert json.dumps(added["spec"]["config"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("mine",), 2, "Missing argument 'SOURCE'"),
        (("mine", "nowhere"), 2, "neither a folder, nor an archive, nor an address"),
        (("mine", "{source}", "--start-state", "hot"), 2, "'hot' is not one of 'zero', 'frozen-warm'"),
        (("mine", "{source}", "--precision", "float16"), 2, "'float16' is not one of 'float32', 'bf16'"),
        (("mine", "{source}", "--tokenizer", "letters"), 2, "there is no tokenizer 'letters'"),
        (("starter", "{source}"), 1, "embedder 'starter' comes with tagdb next: choose another name"),
    ],
)
def test_add_refuses_in_a_line_with_what_comes_next(
    source: Path, home: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    result = tagdb("embedder", "add", *(word.format(source=source) for word in words))
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
    assert not (home / "embedders").exists() or list((home / "embedders").iterdir()) == []


def test_verify_finds_a_changed_file(source: Path, home: Path) -> None:
    done("embedder", "add", "mine", str(source))
    (home / "embedders" / "mine" / "weights.hdf5").write_bytes(b"")
    result = tagdb("embedder", "verify", "mine")
    assert (result.exit_code, "weights.hdf5 has 0 bytes" in result.stderr) == (3, True)
