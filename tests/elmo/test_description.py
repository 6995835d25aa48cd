"""An embedder.json is written with what matters, read back the same, and refused where it cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.elmo.precision import PRECISIONS
from tagdb.elmo.spec import (
    DEFAULT_START_TEXT,
    FROZEN_WARM,
    Description,
    kind_of,
    read_description,
    read_spec,
    write_description,
)
from tagdb.elmo.tokenizers import TOKENIZERS, tokenize
from tagdb.errors import InputRefused, WeightsError
from tests.elmo.weights import write_random_elmo

WARM = {"start_state": "frozen-warm"}

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
descriptions = st.builds(
    Description,
    name=st.text(),
    lowercase=st.booleans(),
    tokenizer=st.sampled_from([*TOKENIZERS, "spacy:en"]),
    layer_weights=st.none() | st.lists(floats, min_size=1).map(lambda weights: (*weights, 1.0)),
    precision=st.sampled_from(PRECISIONS),
    source=st.text(),
    licence=st.text(),
    description=st.text(),
)


@given(description=descriptions, start_text=st.none() | st.text("ab \n", min_size=1).filter(str.strip))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, description: Description, start_text: str | None
) -> None:
    directory = tmp_path_factory.getbasetemp()
    if start_text is not None:
        description = Description(**{**vars(description), "start_state": FROZEN_WARM, "start_text": start_text})
    write_description(directory, description)
    assert read_description(directory) == description


def test_only_the_name_and_what_differs_from_the_defaults_is_written(tmp_path: Path) -> None:
    write_description(tmp_path, Description(name=tmp_path.name))
    assert json.loads((tmp_path / "embedder.json").read_text()) == {"name": tmp_path.name}
    write_description(tmp_path, Description(name="é", tokenizer="spaces", layer_weights=(0.0, 0.5)))
    assert json.loads((tmp_path / "embedder.json").read_text()) == {
        "name": "é",
        "tokenizer": "spaces",
        "layer_weights": [0.0, 0.5],
    }
    assert [each.name for each in tmp_path.iterdir()] == ["embedder.json"]


def test_an_impossible_description_leaves_the_one_that_was_there(tmp_path: Path) -> None:
    write_description(tmp_path, Description(name="first"))
    with pytest.raises(WeightsError, match="start_text holds no token"):
        write_description(tmp_path, Description(name="second", start_state=FROZEN_WARM))
    assert read_description(tmp_path).name == "first"


def test_a_folder_that_is_not_there_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"cannot write .*embedder\.json: No such file"):
        write_description(tmp_path / "nowhere", Description(name="x"))


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        ({"lowercase": "yes"}, "lowercase is 'yes', not true or false"),
        ({"name": 3}, "name is 3, not a string"),
        ({"lowercased": True}, "unknown key 'lowercased'"),
        ({"kind": "glove"}, "kind is 'glove', not 'elmo'"),
        ({"kind": 1}, "kind is 1, not a string"),
        ({"tokenizer": "moses"}, "'moses', not one of whitespace, spaces, words, spacy:MODEL"),
        ({"tokenizer": "spacy"}, "'spacy', not one of"),
        ({"tokenizer": "spacy:"}, "'spacy:', not one of"),
        ({"tokenizer": "spacy:models/mine"}, "'spacy:models/mine', not one of"),
        ({"layer_weights": 1}, "layer_weights is 1, not a list of numbers"),
        ({"layer_weights": [1, True, 1]}, "not a list of numbers"),
        ({"layer_weights": [1, None, 1]}, "not a list of numbers"),
        ({"layer_weights": [1, float("nan"), 1]}, "are not all finite"),
        ({"layer_weights": [1, float("-inf"), 1]}, "are not all finite"),
        ({"layer_weights": [1, 10**400, 1]}, "are not all finite"),
        ({"layer_weights": [1, 1e39, 1]}, "are not all finite"),
        ({"layer_weights": [0, -0.0, 1e-50]}, "are all zero"),
        ({"layer_weights": []}, "holds 0 numbers for 3 layers"),
        ({"layer_weights": [1, 1]}, "holds 2 numbers for 3 layers"),
        ({"start_state": "warm"}, "start_state is 'warm', not one of zero, frozen-warm"),
        ({"start_state": None}, "start_state is None, not a string"),
        (WARM, "start_text holds no token"),
        ({**WARM, "start_text": " \n"}, "start_text holds no token"),
        ({**WARM, "start_text": ["a"]}, r"start_text is \['a'\], not a string"),
        ({"precision": "float16"}, "precision is 'float16', not one of float32, bf16"),
        ({"precision": 16}, "precision is 16, not a string"),
        ({"start_text": "a"}, "there is a start_text, and start_state is zero"),
    ],
    ids=str,
)
def test_a_wrong_description_is_refused(tmp_path: Path, embedder: dict[str, Any], message: str) -> None:
    write_random_elmo(tmp_path, embedder=embedder)
    with pytest.raises(WeightsError, match=message) as refusal:
        read_spec(tmp_path)
    assert "embedder.json" in str(refusal.value)
    assert refusal.value.hint


def test_the_kind_is_an_elmo_unless_something_else_is_said(tmp_path: Path) -> None:
    assert kind_of(tmp_path) == "elmo"
    for content, kind in (
        ({"name": "x"}, "elmo"),
        ({"kind": "elmo"}, "elmo"),
        ({"kind": "module", "dim": 512}, "module"),
    ):
        (tmp_path / "embedder.json").write_text(json.dumps(content))
        assert kind_of(tmp_path) == kind


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_the_default_start_text_suits_every_tokenizer(tmp_path: Path, tokenizer: str) -> None:
    described = Description(name="x", tokenizer=tokenizer, start_state=FROZEN_WARM, start_text=DEFAULT_START_TEXT)
    write_description(tmp_path, described)
    assert read_description(tmp_path) == described
    assert len(tokenize(DEFAULT_START_TEXT, tokenizer, lowercase=False)) > 30
