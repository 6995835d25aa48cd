"""TF-Hub's modules become embedders: an ELMo by conversion with its proof, any other through its own signature."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb import elmo
from tagdb.db.connection import Database
from tagdb.elmo.independence import TOLERANCE
from tagdb.errors import EmbedderUnavailable, UsageError
from tagdb.models import Silent
from tagdb.pipeline.embedders import adding, installed, registry, verifying
from tagdb.pipeline.embedders.adding import Reading
from tagdb.pipeline.embedders.pretraining import Settings, Size, TrainingTexts, pretrain
from tests.cli.running import done
from tests.elmo.hub.modules import ElmoModule, write_elmo_module
from tests.elmo.hub.text_modules import write_bag_of_words
from tests.pipeline.world import World, assert_same_vectors


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def elmo_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_elmo_module(
        tmp_path_factory.mktemp("elmo") / "module", ElmoModule(mix=(0.3, -0.2, 0.5), averages_padding=True)
    )


@pytest.fixture(scope="module")
def text_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag_of_words(tmp_path_factory.mktemp("nnlm") / "module")


def test_elmo_module_is_converted_proven_and_read_as_chosen(elmo_module: Path) -> None:
    told = done("embedder", "add", "hub", str(elmo_module), "--tokenizer", "words", "--lowercase").stdout
    verified = verifying.verify("hub")
    assert verified.proof is not None
    assert 0 < max(verified.proof["default_difference"], verified.proof["elmo_difference"]) < 1e-4
    assert verified.proof["averages_padding"]
    assert "20 texts, largest difference" in str(verified.conversion)
    assert "averages padding" in str(verified.conversion)
    assert str(verified.conversion) in told
    embedder = elmo.load(installed.checked("hub"))
    assert embedder.spec.config["tokenizer"] == "words"
    np.testing.assert_allclose(embedder.embed(["C#, .NET"]), embedder.embed(["c# .net"]), atol=1e-6)


def test_module_that_gives_other_vectors_is_refused_and_nothing_is_left(tmp_path: Path, home: Path) -> None:
    warm = write_elmo_module(tmp_path / "warm", ElmoModule(start=0.5))
    with pytest.raises(EmbedderUnavailable, match="starts every text from a state that is not zero"):
        adding.add("hub", str(warm), Reading(), Silent())
    assert list((home / "embedders").iterdir()) == []


def test_program_that_was_not_added_is_never_run(text_module: Path, database: Database, tmp_path: Path) -> None:
    added = Path(adding.add("nnlm", str(text_module), Reading(), Silent()).spec.directory)
    copied = shutil.copytree(added, tmp_path / "copied")  # with its manifest, which anybody can write
    with pytest.raises(EmbedderUnavailable, match="holds a program, and it was not added"):
        registry.choose(database, str(copied))
    with pytest.raises(EmbedderUnavailable, match="holds a program"):
        verifying.verify(str(copied))


def test_modules_that_are_here_can_be_added_again(elmo_module: Path, text_module: Path) -> None:
    first = adding.add("hub", str(elmo_module), Reading(), Silent())
    assert adding.add("hub-words", "hub", Reading(tokenizer="words"), Silent()).proof == first.proof
    nnlm = adding.add("nnlm", str(text_module), Reading(), Silent()).spec
    assert adding.add("nnlm-again", "nnlm", Reading(), Silent()).spec.fingerprint == nnlm.fingerprint


def test_text_module_embeds_a_database(text_module: Path, database: Database) -> None:
    added = adding.add("nnlm", str(text_module), Reading(), Silent())
    assert (added.spec.kind, added.proof, added.conversion) == ("module", None, None)
    assert verifying.verify("nnlm").largest_difference < TOLERANCE
    world = World(database, "nnlm")
    world.put({1: "java spring", 2: "python", 3: "java"})
    world.sync()
    expected = elmo.load(installed.locate("nnlm")).embed(["java spring", "python", "java"])
    assert_same_vectors(world.vectors(), dict(zip((1, 2, 3), expected, strict=True)))


@pytest.mark.parametrize("chosen", [{"tokenizer": "words"}, {"precision": "bf16"}], ids=str)
def test_text_module_works_in_its_own_way(text_module: Path, home: Path, chosen: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(chosen))} cannot be chosen"):
        adding.add("nnlm", str(text_module), Reading(**chosen), Silent())
    assert list((home / "embedders").iterdir()) == []


def test_text_module_cannot_be_trained(text_module: Path, database: Database, tmp_path: Path) -> None:
    adding.add("nnlm", str(text_module), Reading(), Silent())
    with pytest.raises(EmbedderUnavailable, match="'nnlm' is a module; only an ELMo can be trained"):
        pretrain(lambda: database, TrainingTexts(), tmp_path / "out", Settings(), Size(), Silent(), init="nnlm")


def test_module_that_was_not_added_yet_gets_the_command_that_adds_it(text_module: Path) -> None:
    with pytest.raises(EmbedderUnavailable) as refusal:
        installed.locate(str(text_module))
    assert refusal.value.hint == f"it is a TF-Hub module: tagdb embedder add NAME {text_module}"
