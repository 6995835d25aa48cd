"""What training minimises: the next and the previous word's cross-entropy, and the distance of texts to their tags."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo._tensorflow import tf

_IMPOSSIBLE = -1e9
_ROWS_AT_ONCE = 1_024


class SampledWords(NamedTuple):
    """The rows of the softmax that one step touches.

    `rows`, ascending, are numbers of words; `targets` and `negatives` are places in `rows`. `log_expected`, of shape
    (n_rows,), is the logarithm of how often the sampler is expected to draw a word.
    """

    rows: NDArray[np.int32]
    targets: NDArray[np.int32]
    negatives: NDArray[np.int32]
    log_expected: NDArray[np.float32]


def sample_words(targets: NDArray[np.int32], vocabulary: int, negatives: int, rng: np.random.Generator) -> SampledWords:
    """Draw negatives log-uniformly, common words (those of small numbers) more often, shared by all targets."""
    drawn = np.exp(rng.random(negatives) * np.log(vocabulary + 1)).astype(np.int64) - 1
    drawn = np.unique(np.minimum(drawn, vocabulary - 1))
    rows = np.union1d(targets, drawn)
    share = np.log((rows + 2.0) / (rows + 1.0)) / np.log(vocabulary + 1)
    expected = -np.expm1(negatives * np.log1p(-share))
    return SampledWords(
        rows.astype(np.int32),
        np.searchsorted(rows, targets).astype(np.int32),
        np.searchsorted(rows, drawn).astype(np.int32),
        np.log(expected).astype(np.float32),
    )


def sampled_softmax(outputs: Any, weights: Any, biases: Any, words: SampledWords) -> Any:
    """Return the mean cross-entropy (nats) of targets against negatives, an estimate of the full softmax's.

    `outputs` has shape (n_targets, projection_dim), `weights` (n_rows, projection_dim), `biases` (n_rows,). Logits
    are corrected for how likely a word was to be drawn, and a negative that is the target itself does not count
    (Jean et al., 2015).
    """
    biases = biases - words.log_expected
    true = tf.reduce_sum(outputs * tf.gather(weights, words.targets), axis=1) + tf.gather(biases, words.targets)
    others = tf.matmul(outputs, tf.gather(weights, words.negatives), transpose_b=True)
    others += tf.gather(biases, words.negatives)
    hits = words.targets[:, tf.newaxis] == words.negatives[tf.newaxis, :]
    others = tf.where(hits, _IMPOSSIBLE, others)
    logits = tf.concat([true[:, tf.newaxis], others], axis=1)
    return tf.reduce_mean(tf.reduce_logsumexp(logits, axis=1) - true)


def full_softmax(outputs: Any, weights: Any, biases: Any, targets: Any) -> Any:
    """Return the sum of cross-entropies (nats) over the whole vocabulary, in pieces that bound memory."""
    total = tf.zeros((), tf.float64)
    for start in range(0, len(targets), _ROWS_AT_ONCE):
        piece = slice(start, start + _ROWS_AT_ONCE)
        logits = tf.matmul(outputs[piece], weights, transpose_b=True) + biases
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets[piece], logits)
        total += tf.reduce_sum(tf.cast(losses, tf.float64))
    return total


def text_to_tags(texts: Any, tags: Any, scale: Any, log_prior: Any, tagged: Any, carried: Any) -> Any:
    """Return the mean cross-entropy of texts' tags, where a logit is `scale` times a cosine plus the tag's log prior.

    `texts` has shape (n_texts, dim), `tags` (n_tags, dim): vectors of the tags' bare names. With the prior apart, the
    cosines come to follow pointwise mutual information. A text's tags share its weight.
    """
    logits = scale * tf.matmul(_unit(texts), _unit(tags), transpose_b=True) + log_prior
    return _cross_entropy(logits, _distribution(tagged, carried, logits))


def tag_to_tags(tags: Any, scale: Any, log_prior: Any, tagged: Any, carried: Any, n_texts: Any) -> Any:
    """Return the mean cross-entropy of the tags that a tag meets in the batch's texts, itself left out."""
    unit = _unit(tags)
    n_tags = tf.shape(tags)[0]
    others = 1.0 - tf.eye(n_tags)
    logits = tf.where(others > 0.0, scale * tf.matmul(unit, unit, transpose_b=True) + log_prior, _IMPOSSIBLE)
    carries = tf.scatter_nd(tf.stack([tagged, carried], 1), tf.ones_like(carried, tf.float32), (n_texts, n_tags))
    meetings = tf.matmul(carries, carries, transpose_a=True) * others
    log_probabilities = tf.nn.log_softmax(logits)
    total = tf.reduce_sum(meetings)
    return tf.math.divide_no_nan(-tf.reduce_sum(meetings * log_probabilities), total)


def _unit(vectors: Any) -> Any:
    return tf.math.l2_normalize(vectors, axis=1)


def _distribution(tagged: Any, carried: Any, logits: Any) -> Any:
    carries = tf.scatter_nd(tf.stack([tagged, carried], 1), tf.ones_like(carried, tf.float32), tf.shape(logits))
    return tf.math.divide_no_nan(carries, tf.reduce_sum(carries, axis=1, keepdims=True))


def _cross_entropy(logits: Any, distribution: Any) -> Any:
    losses = -tf.reduce_sum(distribution * tf.nn.log_softmax(logits), axis=1)
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.reduce_sum(distribution))
