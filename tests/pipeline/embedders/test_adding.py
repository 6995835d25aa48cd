"""Embedders are added from folders and archives, kept with checksums, verified, and removed when nothing needs them."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tagdb import elmo
from tagdb.db.connection import Database
from tagdb.elmo.independence import TOLERANCE
from tagdb.errors import EmbedderUnavailable, InputRefused, TagdbError, UsageError, WeightsError
from tagdb.models import Silent
from tagdb.pipeline.embedders import adding, installed, registry, verifying
from tagdb.pipeline.embedders.adding import Added, Reading
from tagdb.pipeline.embedders.pretraining import Settings, Size, TrainingTexts, pretrain
from tests.elmo.weights import write_random_elmo
from tests.pipeline.stored import Listener
from tests.pipeline.world import World

TEXTS = ["Java Spring", "c#, .net"]
BF16_IS_NO_FASTER = "bf16 is no faster than float32 here: the processor has no instructions for it"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tagdb's own for each test; the databases of tests do not lie in it."""
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_random_elmo(tmp_path / "source")


def _add(source: Path | str, name: str = "mine", **reading: object) -> Added:
    return adding.add(name, str(source), Reading(**reading), Silent())  # type: ignore[arg-type]


def _left(home: Path) -> list[str]:
    return sorted(each.name for each in (home / "embedders").iterdir()) if (home / "embedders").exists() else []


def test_folder_becomes_an_embedder_with_the_same_vectors(source: Path, home: Path) -> None:
    added = _add(source)
    assert added.spec.name == "mine"
    assert Path(added.spec.directory) == installed.locate("mine") == home / "embedders" / "mine"
    assert added.spec.fingerprint == elmo.read_spec(source).fingerprint == installed.describe("mine").fingerprint
    assert added.spec.config["source"] == str(source)
    np.testing.assert_array_equal(elmo.load(installed.checked("mine")).embed(TEXTS), elmo.load(source).embed(TEXTS))
    assert set(installed.named()) == {"mine", "starter"}
    assert _left(home) == ["mine"]


def test_reading_is_chosen_when_adding(source: Path) -> None:
    plain = _add(source, "plain").spec
    words = _add(source, "words", tokenizer="words", lowercase=True).spec
    assert words.fingerprint != plain.fingerprint
    assert (words.config["tokenizer"], words.config["lowercase"]) == ("words", True)
    embedder = elmo.load(installed.checked("words"))
    assert embedder.tokenize(TEXTS) == [["java", "spring"], ["c#", ".net"]]


def test_warm_start_has_a_text_of_its_own_and_zero_takes_it_off_again(source: Path) -> None:
    plain, warm = _add(source, "plain").spec, _add(source, "warm", start_state="frozen-warm").spec
    assert len(str(warm.config["start_text"]).split()) > 10
    assert warm.fingerprint != plain.fingerprint
    assert _add(warm.directory, "cold", start_state="zero").spec.fingerprint == plain.fingerprint
    given = _add(source, "given", start_state="frozen-warm", start_text="select rows").spec
    assert given.config["start_text"] == "select rows"
    with pytest.raises(WeightsError, match="start_text"):
        _add(source, "useless", start_text="select rows")


@pytest.mark.parametrize("has_instructions", [True, False])
def test_precision_is_chosen_when_adding_and_a_processor_that_gains_nothing_is_told_of(
    source: Path, monkeypatch: pytest.MonkeyPatch, *, has_instructions: bool
) -> None:
    monkeypatch.setattr(adding, "has_bf16_instructions", lambda: has_instructions)
    heard = Listener()
    quick = adding.add("quick", str(source), Reading(precision="bf16"), heard).spec
    assert quick.config["precision"] == "bf16"
    assert heard.said == ([] if has_instructions else [BF16_IS_NO_FASTER])
    assert verifying.verify("quick").fingerprint == quick.fingerprint
    heard.said.clear()
    exact = adding.add("exact", "quick", Reading(precision="float32"), heard).spec
    assert exact.fingerprint == elmo.read_spec(source).fingerprint != quick.fingerprint
    assert heard.said == []


def test_embedder_that_is_here_is_added_again_to_be_read_otherwise(source: Path) -> None:
    plain = _add(source, "small").spec
    again = _add("small", "again", tokenizer="words").spec
    assert again.config["source"] == plain.config["source"]
    assert again.fingerprint == _add(source, "third", tokenizer="words").spec.fingerprint != plain.fingerprint


def test_what_a_trained_folder_says_of_itself_is_kept(tmp_path: Path) -> None:
    described = {"name": "other", "lowercase": True, "tokenizer": "words", "source": "my texts", "licence": "CC0"}
    spec = _add(write_random_elmo(tmp_path / "trained", embedder=described)).spec
    kept = {key: spec.config[key] for key in described if key != "name"}
    assert (spec.name, kept) == ("mine", {key: value for key, value in described.items() if key != "name"})


@pytest.mark.parametrize("around", ["", "elmo_2x8/"])
@pytest.mark.parametrize("name", ["elmo.tar.gz", "3?tf-hub-format=compressed"])
def test_archives_are_unpacked_whatever_they_are_called_and_pack(
    source: Path, tmp_path: Path, around: str, name: str
) -> None:
    with tarfile.open(tmp_path / name, "w:gz") as archive:
        for each in ("options.json", "weights.hdf5"):
            archive.add(source / each, f"{around}published_{each}")
            archive.add(source / "options.json", f"{around}._published_{each}")  # as macOS leaves them
        archive.add(source / "options.json", "__MACOSX/options.json")
    assert _add(tmp_path / name).spec.fingerprint == elmo.read_spec(source).fingerprint


def test_a_file_changed_after_adding_is_found_whoever_reads_it(source: Path, database: Database) -> None:
    folder = Path(_add(source).spec.directory)
    (folder / "embedder.json").write_text('{"name": "mine", "tokenizer": "words"}')
    for use in (
        lambda: registry.choose(database, "mine"),
        lambda: verifying.verify("mine"),
        lambda: _add("mine", "again"),
        lambda: pretrain(lambda: database, TrainingTexts(), folder, Settings(), Size(), Silent(), init="mine"),
    ):
        with pytest.raises(WeightsError, match=r"embedder\.json"):
            use()


def test_damaged_weights_are_refused_and_nothing_is_left(source: Path, home: Path) -> None:
    weights = source / "weights.hdf5"
    weights.write_bytes(weights.read_bytes()[:-2000])
    with pytest.raises(WeightsError):
        _add(source)
    assert _left(home) == []


def test_checksum_of_an_archive_is_compared(source: Path, tmp_path: Path, home: Path) -> None:
    with tarfile.open(tmp_path / "elmo.tar", "w") as archive:
        archive.add(source, "elmo")
    right = hashlib.sha256((tmp_path / "elmo.tar").read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=f"has SHA-256 {right}, not 00"):
        adding.add("mine", str(tmp_path / "elmo.tar"), Reading(), Silent(), sha256="00")
    assert _left(home) == []
    adding.add("mine", str(tmp_path / "elmo.tar"), Reading(), Silent(), sha256=right.upper())


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("starter", InputRefused, "comes with tagdb"),
        ("../up", UsageError, "no name for an embedder"),
        (".hidden", UsageError, "no name for an embedder"),
        ("", UsageError, "no name for an embedder"),
        ("mine", InputRefused, "there is an embedder 'mine' already"),
    ],
)
def test_names_that_cannot_be_given_are_refused(
    source: Path, home: Path, name: str, error: type[TagdbError], message: str
) -> None:
    _add(source)
    with pytest.raises(error, match=message):
        _add(source, name)
    assert _left(home) == ["mine"]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("no/such/folder", UsageError, "neither a folder, nor an archive"),
        ("~no-such-user/elmo", UsageError, "no-such-user"),
        ("a" * 300, UsageError, "too long"),
        ("http://[bad/elmo.tar.gz", EmbedderUnavailable, "cannot be read as http"),
        ("ftp://example.org/elmo.tar.gz", EmbedderUnavailable, "cannot be read as http"),
        ("notes.txt", WeightsError, "notes.txt"),
        (".", EmbedderUnavailable, "holds neither options.json and weights.hdf5 nor a SavedModel, but notes.txt"),
    ],
)
def test_sources_that_hold_no_embedder_are_refused(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, source: str, error: type[TagdbError], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing here")
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(error, match=message) as refusal:
        _add(source)
    assert refusal.value.hint
    assert _left(home) == []


def test_a_home_that_cannot_be_written_is_refused(source: Path, home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(InputRefused, match="home") as refusal:
        _add(source)
    assert "TAGDB_HOME" in str(refusal.value.hint)


def test_published_name_that_was_not_added_yet_gets_the_command_that_adds_it() -> None:
    with pytest.raises(EmbedderUnavailable) as refusal:
        installed.locate("original")
    assert refusal.value.hint == "tagdb embedder add original original"


def test_added_embedder_serves_a_database_by_name_and_is_kept_while_it_does(
    database: Database, tmp_path: Path, tiny_embedder: Path
) -> None:
    _add(tiny_embedder)
    _add(write_random_elmo(tmp_path / "spare", seed=3), "spare")
    world = World(database, "mine")
    world.put({1: "a b", 2: "c"})
    world.sync()
    listed = {each.name: each.state for each in registry.overview(database)}
    assert listed == {"mine": "in use", "spare": "added", "starter": "shipped"}
    with pytest.raises(InputRefused, match="the database embeds with 'mine'"):
        registry.remove(database, "mine")
    registry.remove(database, "spare")
    assert set(installed.named()) == {"mine", "starter"}
    for absent in ("spare", "starter"):
        with pytest.raises(EmbedderUnavailable, match=f"no embedder was added as '{absent}'"):
            registry.remove(database, absent)


def test_tokenizer_that_does_not_exist_is_refused_before_anything_is_fetched(home: Path) -> None:
    with pytest.raises(UsageError, match="there is no tokenizer 'letters'"):
        _add("original", tokenizer="letters")
    assert not home.exists()


def test_embedder_behind_a_link_is_kept_while_it_is_in_use(
    database: Database, tmp_path: Path, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "link"))
    _add(tiny_embedder)
    registry.choose(database, str(tmp_path / "link" / "embedders" / "mine"))
    with pytest.raises(InputRefused, match="the database embeds with 'mine'"):
        registry.remove(database, "mine")


def test_list_tells_of_a_broken_embedder_and_remove_takes_it_away(source: Path, home: Path, database: Database) -> None:
    _add(source)
    (home / "embedders" / "mine" / "weights.hdf5").unlink()
    (home / "embedders" / "empty").mkdir()
    listed = {each.name: each.state for each in registry.overview(database)}
    assert listed["starter"] == "shipped"
    assert "weights.hdf5" in listed["mine"]
    for name in ("mine", "empty"):
        registry.remove(database, name)
    assert _left(home) == []


def test_verify_counts_files_and_measures_vectors(source: Path) -> None:
    _add(source)
    verified = verifying.verify("mine")
    assert (verified.name, verified.files) == ("mine", 3)
    assert verified.fingerprint == elmo.read_spec(source).fingerprint
    assert 0 <= verified.largest_difference < TOLERANCE
    assert verifying.verify(str(source)).files == 0
