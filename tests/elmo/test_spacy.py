"""spaCy's tokenizers are used alone, are told apart by what decides their tokens, and are missed with a hint."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagdb.elmo import Elmo, read_spec, spacy_tokens
from tagdb.elmo.tokenizers import identify, tokenize
from tagdb.errors import EmbedderUnavailable, InputRefused, WeightsError
from tests.elmo.weights import write_random_elmo

TEXT = " Don't stop, use C++\n(or e.g. Node.js)!"
TOKENS = ["Do", "n't", "stop", ",", "use", "C++", "(", "or", "e.g.", "Node.js", ")", "!"]


@pytest.fixture
def spacy() -> Any:
    return pytest.importorskip("spacy", reason="spaCy is not installed")


def save_pipeline(spacy: Any, folder: Path, version: str, *, special: str | None = None) -> Path:
    """Save an English pipeline with a component, whose tokenizer perhaps leaves one word whole."""
    pipeline = spacy.blank("en", meta={"name": "small", "version": version})
    pipeline.add_pipe("sentencizer")
    if special is not None:
        pipeline.tokenizer.add_special_case(special, [{"ORTH": special}])
    folder.parent.mkdir(exist_ok=True)
    pipeline.to_disk(folder)
    return folder


def test_tokens_are_spacys_without_white_space(spacy: Any) -> None:
    assert tokenize(TEXT, "spacy:en", lowercase=False) == TOKENS
    assert tokenize(TEXT, "spacy:en", lowercase=True) == [token.lower() for token in TOKENS]
    assert tokenize(" \n\t", "spacy:en", lowercase=False) == []
    expected = [token.text for token in spacy.blank("de")("z.B. das")]
    assert tokenize("z.B. das", "spacy:de", lowercase=False) == expected


def test_a_saved_pipeline_tokenizes_as_it_was_taught(spacy: Any, tmp_path: Path) -> None:
    folder = save_pipeline(spacy, tmp_path / "saved", "1.0", special="Don't")
    assert tokenize(TEXT, f"spacy:{folder}", lowercase=False) == ["Don't", *TOKENS[2:]]


def test_an_installed_package_tokenizes_without_its_components(
    spacy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "en_tagdb_small"
    folder = save_pipeline(spacy, package / "en_small-2.1", "2.1", special="Don't")
    (package / "__init__.py").write_text("raise AssertionError('the package was run')")
    (package / "meta.json").write_text((folder / "meta.json").read_text())
    config = (folder / "config.cfg").read_text().replace('factory = "sentencizer"', 'factory = "not_there"')
    (folder / "config.cfg").write_text(config)
    monkeypatch.syspath_prepend(tmp_path)
    assert tokenize("Don't", "spacy:en_tagdb_small", lowercase=False) == ["Don't"]
    identity = identify("spacy:en_tagdb_small")
    assert isinstance(identity, dict)
    assert (identity["model"], identity["model_version"]) == ("en_small", "2.1")


def test_what_decides_the_tokens_identifies_a_tokenizer(
    spacy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = save_pipeline(spacy, tmp_path / "a", "1.0")
    original = identify(f"spacy:{saved}")
    assert identify(f"spacy:{save_pipeline(spacy, tmp_path / 'elsewhere', '1.0')}") == original
    assert identify(f"spacy:{save_pipeline(spacy, tmp_path / 'b', '1.1')}") != original
    assert identify(f"spacy:{save_pipeline(spacy, tmp_path / 'c', '1.0', special='dont')}") != original
    english = identify("spacy:en")
    assert english not in (original, identify("spacy:de"))
    monkeypatch.setattr(metadata, "version", lambda _: "99.0")
    assert identify("spacy:en") != english
    assert identify(f"spacy:{saved}") != original


def test_an_embedder_reads_texts_as_spacy_splits_them(spacy: Any, tmp_path: Path) -> None:
    elmo = Elmo.load(write_random_elmo(tmp_path / "spacy", embedder={"tokenizer": "spacy:en"}))
    assert elmo.tokenize([TEXT]) == [TOKENS]
    np.testing.assert_array_equal(elmo.embed([TEXT]), elmo.embed_tokens([TOKENS]))
    assert elmo.spec.fingerprint != read_spec(write_random_elmo(tmp_path / "plain")).fingerprint


def test_a_text_of_which_nothing_is_left_has_no_vector(spacy: Any, tmp_path: Path) -> None:
    elmo = Elmo.load(write_random_elmo(tmp_path / "zero", embedder={"tokenizer": "spacy:en"}))
    assert elmo.tokenize(["\ud800"]) == [[]]
    with pytest.raises(InputRefused, match="text 1 holds no token"):
        elmo.embed(["a", "\ud800"])
    warm = {"tokenizer": "spacy:en", "start_state": "frozen-warm", "start_text": "\ud800"}
    with pytest.raises(WeightsError, match="holds no token"):
        Elmo.load(write_random_elmo(tmp_path / "warm", embedder=warm))


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("en_core_web_nothing", f"{sys.executable} -m spacy download en_core_web_nothing"),
        ("json", f"{sys.executable} -m spacy download json"),
        ("/nowhere/model", "name the folder that nlp.to_disk wrote"),
    ],
)
def test_a_model_that_is_not_there_is_named(spacy: Any, tmp_path: Path, model: str, hint: str) -> None:
    directory = write_random_elmo(tmp_path, embedder={"tokenizer": f"spacy:{model}"})
    for refused in (read_spec, Elmo.load):
        with pytest.raises(EmbedderUnavailable, match=f"spaCy's model {model} is no") as refusal:
            refused(directory)
        assert refusal.value.hint == hint


def test_a_language_that_spacy_does_not_know_is_named(spacy: Any) -> None:
    with pytest.raises(EmbedderUnavailable, match="spaCy's model qq cannot be loaded") as refusal:
        spacy_tokens.load("qq")
    assert "languages' codes" in str(refusal.value.hint)


def test_a_damaged_pipeline_is_refused(spacy: Any, tmp_path: Path) -> None:
    folder = save_pipeline(spacy, tmp_path / "a", "1.0")
    (folder / "tokenizer").write_bytes(b"\xc1 no tokenizer")
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded"):
        spacy_tokens.load(str(folder))
    (folder / "tokenizer").unlink()
    with pytest.raises(EmbedderUnavailable, match="cannot be read"):
        spacy_tokens.identify(str(folder))
    for meta in ("{", "[]", json.dumps({"lang": "en"})):
        (folder / "meta.json").write_text(meta)
        with pytest.raises(EmbedderUnavailable, match=r"is no pipeline of spaCy's: .*meta\.json"):
            spacy_tokens.identify(str(folder))


def test_without_spacy_there_is_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setitem(sys.modules, "spacy", None)
    directory = write_random_elmo(tmp_path, embedder={"tokenizer": "spacy:en"})
    for refused in (lambda: read_spec(directory), lambda: spacy_tokens.load("en")):
        with pytest.raises(EmbedderUnavailable, match="tokenizer spacy:en needs spaCy") as refusal:
            refused()
        assert (refusal.value.hint or "").endswith("pip install 'spacy>=3.7'")


def test_a_spec_is_read_without_importing_spacy(spacy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save_pipeline(spacy, tmp_path / "saved", "1.0")
    monkeypatch.setitem(sys.modules, "spacy", None)  # an import would fail
    for model in ("en", saved):
        directory = write_random_elmo(tmp_path / "elmo", embedder={"tokenizer": f"spacy:{model}"})
        assert read_spec(directory).config["tokenizer"] == f"spacy:{model}"
