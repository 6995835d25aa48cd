"""Vectors equal those of the definition, and do not depend on what a text is embedded with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagdb.elmo import Elmo, lstm
from tagdb.elmo.encoder import Limits
from tagdb.elmo.options import parse_options
from tagdb.errors import InputRefused, WeightsError
from tests.elmo.reference import ReferenceElmo
from tests.elmo.weights import elmo_options, random_weights, write_elmo, write_random_elmo
from tests.examples import examples

TOKENS = ("java", "c++", "spring-mvc", "日本語", "é" * 40, "<S>", "</S>", "", "a", ".net")
tokenized_texts = st.lists(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=7), min_size=1, max_size=6)


def seeded_texts(count: int) -> list[list[str]]:
    rng = np.random.default_rng(7)
    return [[str(token) for token in rng.choice(TOKENS, rng.integers(1, 9))] for _ in range(count)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_elmo(tmp_path_factory.mktemp("elmo"), n_highway=2)


@pytest.fixture(scope="module")
def elmo(directory: Path) -> Elmo:
    return Elmo.load(directory)


@pytest.mark.parametrize(
    "shape",
    [
        {"skip": True},
        {"skip": False},
        {"n_layers": 1},
        {"n_layers": 3, "n_highway": 0},
        {"activation": "tanh", "n_highway": 2},
        {"projection_dim": 16, "dim": 16},
        {"dim": lstm.CELLS_AT_ONCE + 5, "projection_dim": 6},
        {"scale": 3.0},
        {"scale": 3.0, "clip": None},
        {"scale": 3.0, "clip": 0.2},
        {"filters": [(1, 3), (5, 4), (7, 2)], "char_dim": 3},
    ],
    ids=str,
)
def test_vectors_equal_the_definition(tmp_path: Path, shape: dict[str, Any]) -> None:
    directory = write_random_elmo(tmp_path, seed=3, **shape)
    texts = seeded_texts(20)
    reference = ReferenceElmo.load(directory)
    expected = np.array([reference.embed(text) for text in texts])
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(Elmo.load(directory).embed_tokens(texts), expected, rtol=1e-5, atol=1e-5)


def test_clips_are_at_work_in_the_test_above(tmp_path: Path) -> None:
    narrow = write_random_elmo(tmp_path / "narrow", scale=3.0, clip=0.2)
    wide = write_random_elmo(tmp_path / "wide", scale=3.0, clip=None)
    text = seeded_texts(1)
    assert np.abs(Elmo.load(narrow).embed_tokens(text) - Elmo.load(wide).embed_tokens(text)).max() > 0.1


def test_cells_as_wide_as_their_output_may_lack_a_projection(tmp_path: Path) -> None:
    options = elmo_options(projection_dim=8, dim=8, clip=0.1)
    weights = random_weights(parse_options(options, tmp_path), scale=2.0)
    unprojected = {name: values for name, values in weights.items() if not name.endswith("W_P_0")}
    vectors = []
    for content in (weights, unprojected):
        directory = write_elmo(tmp_path / str(len(content)), options, content)
        reference = ReferenceElmo.load(directory)
        vectors.append(Elmo.load(directory).embed_tokens([["java", "a"]]))
        np.testing.assert_allclose(vectors[-1][0], reference.embed(["java", "a"]), atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01


def test_the_centre_comes_off_every_vector(tmp_path: Path) -> None:
    content = elmo_options()
    options = parse_options(content, tmp_path / "options.json")
    weights = random_weights(options)
    centre = np.random.default_rng(5).normal(size=options.dim).astype(np.float32)
    plain = Elmo.load(write_elmo(tmp_path / "plain", content, weights))
    centred = Elmo.load(write_elmo(tmp_path / "centred", content, {**weights, "centre": centre}))
    texts = seeded_texts(9)
    np.testing.assert_allclose(centred.embed_tokens(texts), plain.embed_tokens(texts) - centre, atol=1e-6)
    assert centred.spec.fingerprint != plain.spec.fingerprint


def test_narrow_tokens_are_cut_where_the_options_say(tmp_path: Path) -> None:
    options = elmo_options(max_characters=5)
    directory = write_elmo(tmp_path, options, random_weights(parse_options(options, tmp_path)))
    elmo, reference = Elmo.load(directory), ReferenceElmo.load(directory)
    vectors = elmo.embed(["abc", "abcd", "abd"])
    np.testing.assert_allclose(vectors[0], reference.embed(["abc"]), atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-3


def test_half_precision_weights_are_read_at_full_precision(tmp_path: Path) -> None:
    directory = write_random_elmo(tmp_path, dtype=np.float16)
    text = ["java", "spring-mvc"]
    np.testing.assert_allclose(
        Elmo.load(directory).embed_tokens([text])[0], ReferenceElmo.load(directory).embed(text), atol=1e-5
    )


@settings(deadline=None, max_examples=examples(15))
@given(texts=tokenized_texts, data=st.data())
def test_a_vector_depends_on_its_text_alone(elmo: Elmo, texts: list[list[str]], data: st.DataObject) -> None:
    together = elmo.embed_tokens(texts)
    alone = np.concatenate([elmo.embed_tokens([text]) for text in texts])
    order = data.draw(st.permutations(range(len(texts))))
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together[order], elmo.embed_tokens([texts[i] for i in order]), atol=1e-5)


LIMITS = {
    "one text in a block": Limits(texts_in_block=1),
    "the gates of two texts in a block": Limits(gate_bytes=2 * 4 * 4 * 12),
    "the gates of no text in a block": Limits(gate_bytes=0),
    "three texts in a block": Limits(texts_in_block=3),
    "five tokens in a chunk": Limits(tokens_in_chunk=5),
    "no token kept": Limits(vocabulary_bytes=0),
    "four tokens kept": Limits(vocabulary_bytes=4 * 4 * 8),
}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS.keys())
def test_limits_bound_memory_and_change_nothing(directory: Path, elmo: Elmo, limits: Limits) -> None:
    texts = seeded_texts(15)
    limited = Elmo.load(directory, limits=limits)
    for _ in range(2):
        np.testing.assert_allclose(limited.embed_tokens(texts), elmo.embed_tokens(texts), atol=1e-5)


def test_few_tokens_are_kept_when_told_so(directory: Path) -> None:
    limited = Elmo.load(directory, limits=Limits(vocabulary_bytes=4 * 4 * 8))
    limited.embed_tokens(seeded_texts(15))
    assert len(limited._vocabulary.vectors()) < len(TOKENS)


@pytest.mark.parametrize("common_tokens", [0, 1, 3])
def test_rare_tokens_need_no_kept_product(
    directory: Path, elmo: Elmo, monkeypatch: pytest.MonkeyPatch, common_tokens: int
) -> None:
    texts = seeded_texts(15)
    expected = elmo.embed_tokens(texts)
    monkeypatch.setattr(lstm, "INPUT_PRODUCT_BYTES", 4 * 4 * 12 * common_tokens)
    np.testing.assert_allclose(elmo.embed_tokens(texts), expected, atol=1e-5)


def test_texts_are_split_at_white_space_and_keep_their_case(elmo: Elmo) -> None:
    assert elmo.tokenize([" Java  8\tand\n9\u00a0\u3000x ", ""]) == [["Java", "8", "and", "9", "x"], []]
    np.testing.assert_array_equal(elmo.embed(["Java\t8"]), elmo.embed_tokens([["Java", "8"]]))
    assert np.abs(elmo.embed(["Java"]) - elmo.embed(["java"])).max() > 1e-3


def test_words_are_the_embedders_choice(tmp_path: Path) -> None:
    plain = Elmo.load(write_random_elmo(tmp_path / "plain"))
    words = Elmo.load(write_random_elmo(tmp_path / "words", embedder={"tokenizer": "words"}))
    assert words.tokenize(["Why C#, (not C++)?"]) == [["Why", "C#", "not", "C++"]]
    np.testing.assert_array_equal(words.embed(["Why C#, (not C++)?"]), plain.embed(["Why C# not C++"]))
    assert words.spec.fingerprint != plain.spec.fingerprint


def test_lower_case_is_the_embedders_choice(tmp_path: Path) -> None:
    elmo = Elmo.load(write_random_elmo(tmp_path, embedder={"lowercase": True}))
    np.testing.assert_array_equal(elmo.embed(["JAVA Spring"]), elmo.embed(["java spring"]))


def test_tokens_beyond_the_limit_do_not_count(elmo: Elmo) -> None:
    np.testing.assert_allclose(elmo.embed(["a b c"], max_tokens=2), elmo.embed(["a b"]), atol=1e-6)
    assert np.abs(elmo.embed(["a b c"]) - elmo.embed(["a b"])).max() > 1e-3


def test_long_texts_share_a_batch_with_short_ones(elmo: Elmo, directory: Path) -> None:
    texts = [["a"], list("abcdefgh" * 40), ["b", "a"]]
    expected = [ReferenceElmo.load(directory).embed(text) for text in texts]
    np.testing.assert_allclose(elmo.embed_tokens(texts), expected, atol=1e-5)


def test_no_texts_give_no_vectors(elmo: Elmo) -> None:
    assert elmo.embed([]).shape == (0, elmo.dim) == (0, 16)
    assert elmo.embed(["a"]).dtype == np.float32


def test_a_tab_is_a_token_where_spaces_alone_split(tmp_path: Path) -> None:
    elmo = Elmo.load(write_random_elmo(tmp_path, embedder={"tokenizer": "spaces"}))
    assert elmo.tokenize([" a  b\tc\n", "\t", "  "]) == [["a", "b\tc\n"], ["\t"], []]
    np.testing.assert_array_equal(elmo.embed([" a  b\tc\n", "\t"]), elmo.embed_tokens([["a", "b\tc\n"], ["\t"]]))


@pytest.mark.parametrize("texts", [["a", ""], ["a", " \n\u3000"]])
def test_a_text_without_a_token_is_refused_by_number(elmo: Elmo, texts: list[str]) -> None:
    with pytest.raises(InputRefused, match="text 1 holds no token"):
        elmo.embed(texts)


def test_a_limit_that_leaves_no_token_is_refused(elmo: Elmo) -> None:
    with pytest.raises(InputRefused, match="max_tokens is 0"):
        elmo.embed(["a"], max_tokens=0)


def test_an_empty_token_list_is_refused_by_number(elmo: Elmo) -> None:
    texts: Sequence[Sequence[str]] = [["a"], ["b"], []]
    with pytest.raises(InputRefused, match="text 2 holds no token"):
        elmo.embed_tokens(texts)


def test_vectors_that_are_not_finite_are_never_returned(tmp_path: Path) -> None:
    options = elmo_options()
    weights = random_weights(parse_options(options, tmp_path))
    weights["CNN_proj/b_proj"][:] = np.finfo(np.float32).max
    elmo = Elmo.load(write_elmo(tmp_path, options, weights))
    with pytest.raises(WeightsError, match="text 0 a vector that is not finite"):
        elmo.embed(["java java"])
