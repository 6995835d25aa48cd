"""The parts of pre-training, each against its definition: recurrence, softmax, sampler, optimizer, batches, corpus."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.characters import BEGIN_SENTENCE, END_SENTENCE, character_ids
from tagdb.elmo.training.batches import Batch
from tagdb.elmo.training.corpus import Corpus, Example
from tagdb.elmo.training.objectives import full_softmax, sample_words, sampled_softmax
from tagdb.elmo.training.optimizer import FINAL_SHARE, Adam, clip, learning_rate
from tagdb.elmo.training.recurrence import Clips, run_layer
from tagdb.elmo.training.settings import Settings
from tagdb.errors import InputRefused
from tests.elmo.pretraining import SETTINGS, batches, tagged
from tests.examples import examples

texts_of_few_words = st.lists(
    st.lists(st.sampled_from(["a", "b", "Köln", "c++", "日本", "<S>"]), min_size=1, max_size=9).map(" ".join),
    min_size=2,
    max_size=30,
)


def _loop(products: Any, recurrent: Any, projection: Any, cell: Any, output: Any, clips: Clips) -> Any:
    """The cell of bilm-tf step by step, in the operations of TensorFlow that differentiate themselves."""

    def limit(x: Any, bound: float | None) -> Any:
        return x if bound is None else tf.clip_by_value(x, -bound, bound)

    outputs = []
    for product in products:
        i, j, f, o = tf.split(product + output @ recurrent, 4, axis=1)
        cell = limit(tf.sigmoid(f + 1.0) * cell + tf.sigmoid(i) * tf.tanh(j), clips.cell)
        output = limit((tf.sigmoid(o) * tf.tanh(cell)) @ projection, clips.output)
        outputs.append(output)
    return tf.stack(outputs), cell


@pytest.mark.parametrize("clips", [Clips(None, None), Clips(0.3, 0.2)], ids=["free", "clipped"])
def test_gradient_of_the_recurrence_is_that_of_a_plain_loop(clips: Clips) -> None:
    rng = np.random.default_rng(0)
    shapes = [(5, 3, 24), (4, 24), (6, 4), (3, 6), (3, 4)]
    given = [tf.constant(rng.normal(0, 0.8, shape).astype(np.float32)) for shape in shapes]
    given[3:] = [tf.clip_by_value(state, -0.15, 0.15) for state in given[3:]]
    towards = [tf.constant(rng.normal(0, 1, shape).astype(np.float32)) for shape in [(5, 3, 4), (3, 6)]]
    results = []
    for function in (run_layer, _loop):
        with tf.GradientTape() as tape:
            tape.watch(given)
            outputs, last_cell = function(given[0], given[1], given[2], given[3], given[4], clips)
            loss = tf.reduce_sum(outputs * towards[0]) + tf.reduce_sum(last_cell * towards[1])
        results.append([outputs, last_cell, *tape.gradient(loss, given)])
    if clips.output:
        assert 0.1 < np.mean(np.abs(results[0][0]) == np.float32(clips.output)) < 0.9
    for ours, plain in zip(*results, strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-4)


def _softmax_weights(n_words: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    outputs, weights = (rng.normal(0, 1, (n, 8)).astype(np.float32) for n in (40, n_words))
    return outputs, weights, rng.normal(0, 1, n_words).astype(np.float32), rng.integers(0, n_words, 40).astype(np.int32)


def test_sampled_softmax_comes_near_to_the_full_one_with_more_negatives() -> None:
    outputs, weights, biases, targets = _softmax_weights(50)
    exact = float(full_softmax(tf.constant(outputs), tf.constant(weights), tf.constant(biases), targets)) / len(targets)
    logits = outputs @ weights.T + biases
    defined = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(targets)), targets])
    assert exact == pytest.approx(defined, abs=1e-4)
    errors = {}
    for negatives in (20, 300, 20_000):
        estimates = []
        for seed in range(20):
            words = sample_words(targets, 50, negatives, np.random.default_rng(seed))
            rows, some_biases = tf.constant(weights[words.rows]), tf.constant(biases[words.rows])
            estimates.append(float(sampled_softmax(tf.constant(outputs), rows, some_biases, words)))
        errors[negatives] = abs(np.mean(estimates) - exact)
    assert errors[20_000] < 1e-3
    assert errors[300] < 0.1
    assert errors[300] < errors[20]


def test_negatives_are_drawn_as_often_as_the_correction_expects() -> None:
    n_words, negatives, draws = 30, 20, 4_000
    seen, expected = np.zeros(n_words), np.zeros(n_words)
    for seed in range(draws):
        words = sample_words(np.arange(n_words, dtype=np.int32), n_words, negatives, np.random.default_rng(seed))
        seen[words.rows[words.negatives]] += 1 / draws
        expected = np.exp(words.log_expected)
    np.testing.assert_allclose(seen, expected, atol=0.04)
    assert seen[0] > 4 * seen[-1]


def test_lazy_update_is_adams_and_leaves_the_other_rows_alone() -> None:
    rng = np.random.default_rng(2)
    start, gradient = rng.normal(0, 1, (6, 3)).astype(np.float32), rng.normal(0, 1, (6, 3)).astype(np.float32)
    dense, sparse = tf.Variable(start), tf.Variable(start)
    adam = Adam({"w": dense}, {"s": sparse})
    rows = tf.constant([1, 4])
    for step in (1, 2):
        adam.apply_dense({"w": tf.constant(gradient)}, tf.constant(0.1), tf.constant(step))
        adam.apply_rows({"s": tf.constant(gradient[[1, 4]])}, rows, tf.constant(0.1), tf.constant(step))
    np.testing.assert_allclose(sparse.numpy()[[1, 4]], dense.numpy()[[1, 4]], atol=1e-5)
    others = [0, 2, 3, 5]
    assert sparse.numpy()[others].tobytes() == start[others].tobytes()
    assert not adam.moments["first/s"].numpy()[others].any()
    assert adam.moments["first/s"].numpy()[[1, 4]].all()


def test_clipping_keeps_the_direction_and_bounds_the_common_norm() -> None:
    (a, b), norm = clip([tf.constant([3.0, 0.0]), tf.constant([0.0, 4.0])], 1.0)
    assert float(norm) == pytest.approx(5.0)
    np.testing.assert_allclose(np.concatenate([a, b]), [0.6, 0, 0, 0.8], atol=1e-6)
    (same,), _ = clip([tf.constant([0.3])], 1.0)
    assert float(same[0]) == pytest.approx(0.3)


def test_learning_rate_rises_then_falls_to_its_final_share() -> None:
    rising = [learning_rate(1.0, step, 10, 0.0) for step in range(11)]
    assert rising == sorted(rising)
    assert rising[-1] == 1.0
    assert learning_rate(1.0, 99, 10, 0.5) == pytest.approx((1 + FINAL_SHARE) / 2)
    assert learning_rate(1.0, 99, 10, 1.0) == pytest.approx(FINAL_SHARE)


def _spellings(batch: Batch) -> dict[bytes, int]:
    """Return the token types of a batch by how they are spelt."""
    rows = [row for piece in batch.characters for row in np.asarray(piece)]
    return {
        np.trim_zeros(np.pad(rows[at], (0, 50 - len(rows[at])), constant_values=261)).tobytes(): number
        for number, at in enumerate(batch.spelt_at)
    }


def _tokens(batch: Batch, words: set[str]) -> list[list[str]]:
    """Return a batch's texts as tokens."""
    spelt, known = _spellings(batch), sorted(words | {BEGIN_SENTENCE, END_SENTENCE})
    ids = character_ids(known, 50)
    names = {spelt[row.tobytes()]: word for word, row in zip(known, ids, strict=True) if row.tobytes() in spelt}
    texts, lengths = batch.texts
    return [[names[number] for number in texts[:n, column]] for column, n in enumerate(lengths)]


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=texts_of_few_words, max_tokens=st.integers(2, 5), seed=st.integers(0, 3))
def test_an_epoch_has_every_learnt_text_once_with_its_neighbours_as_targets(
    texts: list[str], max_tokens: int, seed: int
) -> None:
    chosen = replace(
        SETTINGS,
        max_tokens=max_tokens,
        batch_tokens=16,
        seed=seed,
        lowercase=False,
        tokenizer="whitespace",
        held_out=0.3,
    )
    words = {token for text in texts for token in text.split()}
    pieces = [each[at : at + max_tokens] for each in map(str.split, texts) for at in range(0, len(each), max_tokens)]
    with tempfile.TemporaryDirectory() as name:
        try:
            corpus, drawn = batches(Path(name), texts, chosen)
        except InputRefused:
            assert len(words) < 2 or max(map(len, pieces)) < 2 or len({tuple(piece) for piece in pieces}) < 2
            return
        learnt = [tokens for batch in drawn.epoch(0) for tokens in _checked(batch, corpus, words)]
        held_out = [tokens for batch in drawn.held_out() for tokens in _checked(batch, corpus, words)]
    assert Counter(map(tuple, learnt + held_out)) == Counter(map(tuple, pieces))
    assert not set(map(tuple, learnt)) & set(map(tuple, held_out))
    assert learnt
    assert held_out


def _checked(batch: Batch, corpus: Corpus, words: set[str]) -> list[list[str]]:
    """Return the batch's tokens, having held its targets against them."""
    vocabulary = corpus.vocabulary.words
    n_texts = len(batch.texts.lengths)
    forward = {
        (at // n_texts, at % n_texts): vocabulary[word] for at, word in zip(batch.positions, batch.forward, strict=True)
    }
    backward = {
        (at // n_texts, at % n_texts): vocabulary[word]
        for at, word in zip(batch.positions, batch.backward, strict=True)
    }
    texts = _tokens(batch, words)
    assert len(forward) == len(batch.positions) == sum(len(tokens) + 1 for tokens in texts)
    for column, tokens in enumerate(texts):
        steps = range(len(tokens) + 1)
        assert [forward[step, column] for step in steps] == [*tokens, END_SENTENCE]
        assert [backward[step, column] for step in steps] == [*reversed(tokens), BEGIN_SENTENCE]
    return texts


def _bytes(batch: Batch) -> bytes:
    return b"".join(np.asarray(array).tobytes() for array in tf.nest.flatten(batch))


def test_seed_and_epoch_decide_the_batches(tmp_path: Path) -> None:
    _, drawn = batches(tmp_path, tagged(100), SETTINGS)
    first = [_bytes(batch) for batch in drawn.epoch(0)]
    assert first == [_bytes(batch) for batch in drawn.epoch(0)]
    assert first != [_bytes(batch) for batch in drawn.epoch(1)]
    _, other = batches(tmp_path / "other", tagged(100), replace(SETTINGS, seed=7))
    assert first != [_bytes(batch) for batch in other.epoch(0)]


def test_rare_words_are_unknown_and_tags_are_candidates(tmp_path: Path) -> None:
    examples = [Example("a a b", ("x", "y")), Example("a b c", ("y",)), Example("b a z")] * 4
    corpus, drawn = batches(tmp_path, examples, replace(SETTINGS, vocabulary=2, tag_masking=0))
    assert corpus.vocabulary.words == (BEGIN_SENTENCE, END_SENTENCE, "<UNK>", "a", "b")
    assert corpus.vocabulary.tag_counts == {"y": 8, "x": 4}
    assert corpus.facts.coverage == pytest.approx(28 / 36)
    assert corpus.facts.tagged_texts == 8
    pairs = Counter(
        int(carried) for batch in [*drawn.epoch(0), *drawn.held_out()] for carried in np.asarray(batch.carried)
    )
    assert pairs == {0: 8, 1: 4}


def test_texts_do_not_name_their_own_tags_every_time(tmp_path: Path) -> None:
    examples = [Example(f"sort a list in python {number}", ("python",)) for number in range(60)]
    _, drawn = batches(tmp_path, examples, replace(SETTINGS, tag_masking=0.5))
    named = [
        ("python" in tokens)
        for batch in drawn.epoch(0)
        for tokens in _tokens(batch, {"sort", "a", "list", "in", "python", *map(str, range(60))})
    ]
    assert 0.25 < np.mean(named) < 0.75


def test_equal_texts_are_held_out_together_even_where_only_some_may_be(tmp_path: Path) -> None:
    texts = [f"text {number % 40} here" for number in range(400)]
    corpus, _ = batches(tmp_path, texts, replace(SETTINGS, held_out=0.5, held_out_texts=35))
    assert len(corpus.held_out) == 30
    said = Counter(example.text for example in corpus.read(corpus.held_out))
    assert set(said.values()) == {10}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 0.95}, "dropout is 0.95"),
        ({"learning_rate": 2.0}, "learning_rate is 2.0"),
        ({"epochs": 0}, "epochs is 0"),
    ],
)
def test_settings_out_of_bounds_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputRefused, match=message) as refused:
        Settings(**values)  # type: ignore[arg-type]
    assert "choose a number from" in str(refused.value.hint)
