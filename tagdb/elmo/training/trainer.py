"""One step of training as one graph: the network, its objectives and the update of every weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.options import CENTRE, RECURRENT, ElmoOptions
from tagdb.elmo.training import objectives
from tagdb.elmo.training.batches import CHARACTER_PIECES, Batch, Texts
from tagdb.elmo.training.corpus import Vocabulary
from tagdb.elmo.training.network import Dropout, Network
from tagdb.elmo.training.objectives import SampledWords, sample_words
from tagdb.elmo.training.optimizer import Adam, clip
from tagdb.elmo.training.settings import Settings
from tagdb.elmo.weights import FloatArray

_INITIAL_SCALE = 16.0
_CENTRE_SHARE = 0.02


class StepResult(NamedTuple):
    """What a step tells: losses in nats, the gradients' norm before clipping."""

    language_loss: float
    tag_loss: float
    norm: float


class HeldOut(NamedTuple):
    """How texts that were never learnt are predicted.

    The perplexities are per token and of one direction each, over the whole vocabulary; `tag_loss` is in nats;
    `tag_accuracy` the share of tagged texts whose nearest tag is one of theirs.
    """

    forward_perplexity: float
    backward_perplexity: float
    tag_loss: float | None
    tag_accuracy: float | None

    @property
    def perplexity(self) -> float:
        """The geometric mean of both directions, as bilm-tf reports it."""
        return float(np.sqrt(self.forward_perplexity * self.backward_perplexity))

    def loss(self, tag_weight: float) -> float:
        """What early stopping watches."""
        return float(np.log(self.perplexity)) + tag_weight * (self.tag_loss or 0.0)


class Trainer:
    """The weights in training, their optimizer's moments, and the graphs that move and measure them."""

    def __init__(
        self,
        options: ElmoOptions,
        weights: Mapping[str, FloatArray],
        vocabulary: Vocabulary,
        settings: Settings,
        layer_weights: Sequence[float] | None = None,
    ) -> None:
        n_words = len(vocabulary.words)
        self._settings, self._n_words, self._has_tags = settings, n_words, bool(vocabulary.tag_counts)
        self._dropout = Dropout(settings.dropout, settings.token_dropout)
        self.network = Network(options, weights, layer_weights)
        dim, rng = options.lstm.projection_dim, np.random.default_rng([settings.seed, 1])
        softmax = rng.normal(0.0, dim**-0.5, (n_words, dim)).astype(np.float32)
        self._softmax = {"softmax/W": tf.Variable(softmax), "softmax/b": tf.Variable(tf.zeros(n_words))}
        scales = {name: tf.Variable(float(np.log(_INITIAL_SCALE))) for name in ("tags/text", "tags/tag")}
        self._dense = {**self.network.variables, **scales}
        self._begins_centred = CENTRE in weights
        self._centre = tf.Variable(weights.get(CENTRE, np.zeros(options.dim, dtype=np.float32)))
        self._adam = Adam(self._dense, self._softmax)
        self._token_step = tf.function(
            self._compute_token_step, input_signature=_token_step_signature(), autograph=False
        )
        self._step = tf.function(self._compute_step, input_signature=_step_signature(), autograph=False)
        self._read = tf.function(self._compute_reading, input_signature=[_batch_signature()], autograph=False)

    def step(self, batch: Batch, number: int, rate: float) -> StepResult:
        """Learn from a batch; `number` counts steps from 1 and, with the seed, fixes all that is random."""
        rng = np.random.default_rng([self._settings.seed, 2, number])
        targets = np.concatenate([batch.forward, batch.backward])
        words = sample_words(targets, self._n_words, self._settings.negatives, rng)
        tensors = tf.nest.map_structure(tf.constant, (batch, words))
        results = self._step(*tensors, self._seed(number), np.int64(number), np.float32(rate))
        return StepResult(*(float(result) for result in results))

    def _compute_step(self, batch: Batch, words: SampledWords, seed: Any, number: Any, rate: Any) -> tuple[Any, ...]:
        rows = {name: tf.gather(variable, words.rows) for name, variable in self._softmax.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*self._dense.values(), *rows.values()])
            language_loss, tag_loss = self._losses(batch, words, rows, seed, number)
            loss = language_loss + self._settings.tag_weight * tag_loss
        named, norm = self._clipped(tape, loss, {**self._dense, **rows})
        with tf.control_dependencies([tf.debugging.check_numerics(loss + norm, "loss")]):
            self._adam.apply_dense({name: named[name] for name in self._dense}, rate, number)
            self._adam.apply_rows({name: named[name] for name in rows}, words.rows, rate, number)
        return language_loss, tag_loss, norm

    def _losses(self, batch: Batch, words: SampledWords, rows: Mapping[str, Any], seed: Any, number: Any) -> Any:
        """Return the language loss over the softmax's `rows`, and the tag loss."""
        layers, tags = self._layers(batch, self._dropout, seed)
        outputs = tf.concat([_at(layers.forward, batch.positions), _at(layers.backward, batch.positions)], axis=0)
        kept = tf.nn.experimental.stateless_dropout(outputs, self._dropout.value, seed=seed + 50)
        language_loss = objectives.sampled_softmax(kept, rows["softmax/W"], rows["softmax/b"], words)
        if not self._has_tags:
            return language_loss, tf.zeros(())
        centre = self._moved_centre(batch, layers.pooled, number)
        return language_loss, self._tag_loss(batch, layers.pooled - centre, tags - centre)

    def token_step(self, batch: Batch, number: int, rate: float) -> StepResult:
        """Learn the vectors of tokens from a batch's tags, as though the LSTMs gave zero."""
        tensors = tf.nest.map_structure(tf.constant, batch)
        tag_loss, norm = self._token_step(tensors, self._seed(number), np.int64(number), np.float32(rate))
        return StepResult(0.0, float(tag_loss), float(norm))

    def _compute_token_step(self, batch: Batch, seed: Any, number: Any, rate: Any) -> tuple[Any, ...]:
        weights = {name: each for name, each in self._dense.items() if not name.startswith(RECURRENT)}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(weights.values()))
            vectors = self.network.token_vectors(batch.characters, batch.spelt_at, self._dropout, seed)
            texts, tags = (self.network.pooled_tokens(vectors, *each) for each in (batch.texts, batch.tags))
            centre = self._moved_centre(batch, texts, number)
            tag_loss = self._tag_loss(batch, texts - centre, tags - centre)
        gradients, norm = self._clipped(tape, tag_loss, weights)
        with tf.control_dependencies([tf.debugging.check_numerics(tag_loss + norm, "loss")]):
            self._adam.apply_dense(gradients, rate, number)
        return tag_loss, norm

    def _seed(self, number: int) -> Any:
        return np.array([self._settings.seed, 100 * number], dtype=np.int32)

    def _clipped(self, tape: Any, loss: Any, weights: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Return the clipped gradients of `loss` by name, and the norm they had."""
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        clipped, norm = clip([tf.convert_to_tensor(each) for each in gradients.values()], self._settings.clip_norm)
        return dict(zip(gradients, clipped, strict=True)), norm

    def _layers(self, batch: Batch, dropout: Dropout | None, seed: Any) -> tuple[Any, Any]:
        vectors = self.network.token_vectors(batch.characters, batch.spelt_at, dropout, seed)
        layers = self.network.apply(vectors, batch.texts.types, batch.texts.lengths, dropout, seed)
        tags = self.network.apply(vectors, batch.tags.types, batch.tags.lengths, dropout, seed + 40)
        return layers, tags.pooled

    def _moved_centre(self, batch: Batch, texts: Any, number: Any) -> Any:
        """Return the running mean of the vectors of batches with tags, this one's included."""
        share = _CENTRE_SHARE if self._begins_centred else tf.maximum(_CENTRE_SHARE, 1.0 / tf.cast(number, tf.float32))
        share = tf.where(tf.size(batch.tagged) > 0, share, 0.0)
        moved = self._centre + share * (tf.stop_gradient(tf.reduce_mean(texts, axis=0)) - self._centre)
        self._centre.assign(moved)
        return moved

    def _tag_loss(self, batch: Batch, texts: Any, tags: Any) -> Any:
        prior, tagged, carried = batch.log_prior, batch.tagged, batch.carried
        text_scale, tag_scale = (tf.exp(self._dense[name]) for name in ("tags/text", "tags/tag"))
        of_texts = objectives.text_to_tags(texts, tags, text_scale, prior, tagged, carried)
        return of_texts + objectives.tag_to_tags(tags, tag_scale, prior, tagged, carried, tf.shape(texts)[0])

    def evaluate(self, batches: Iterable[Batch]) -> HeldOut:
        """Measure how held-out texts are predicted, over the whole vocabulary and without dropout."""
        losses, n_targets = np.zeros(2), 0
        weights = self._softmax["softmax/W"], self._softmax["softmax/b"]
        tag_losses: list[float] = []
        hits: list[bool] = []
        for batch in batches:
            tensors = tf.nest.map_structure(tf.constant, batch)
            forward, backward, pooled, tags = self._read(tensors)
            for direction, (outputs, targets) in enumerate([(forward, batch.forward), (backward, batch.backward)]):
                losses[direction] += float(objectives.full_softmax(outputs, *weights, targets))
            n_targets += len(batch.positions)
            if len(batch.tagged):
                tag_losses.append(float(self._tag_loss(tensors, pooled, tags)))
                hits.extend(_hits(batch, pooled, tags))
        forward_perplexity, backward_perplexity = (float(np.exp(each / n_targets)) for each in losses)
        return HeldOut(
            forward_perplexity,
            backward_perplexity,
            float(np.mean(tag_losses)) if tag_losses else None,
            float(np.mean(hits)) if hits else None,
        )

    def _compute_reading(self, batch: Batch) -> tuple[Any, Any, Any, Any]:
        layers, tags = self._layers(batch, None, tf.zeros(2, tf.int32))
        outputs = _at(layers.forward, batch.positions), _at(layers.backward, batch.positions)
        return *outputs, layers.pooled - self._centre, tags - self._centre

    def weights(self, *, centred: bool) -> dict[str, Any]:
        """Return the variables that belong in weights.hdf5, by name; with the centre of vectors, or without."""
        return {**self.network.variables, **({CENTRE: self._centre} if centred else {})}

    def state(self) -> dict[str, Any]:
        """Return every variable that a resumed run needs, by name."""
        return {**self._dense, **self._softmax, **self._adam.moments, CENTRE: self._centre}


def _step_signature() -> list[Any]:
    words = SampledWords(_ints(1), _ints(1), _ints(1), tf.TensorSpec((None,), tf.float32))
    scalars = [tf.TensorSpec((), dtype) for dtype in (tf.int64, tf.float32)]
    return [_batch_signature(), words, tf.TensorSpec((2,), tf.int32), *scalars]


def _token_step_signature() -> list[Any]:
    batch, _, *rest = _step_signature()
    return [batch, *rest]


def _batch_signature() -> Batch:
    """Return what all batches have in common, so that they share one graph."""
    texts, numbers = Texts(_ints(2), _ints(1)), _ints(1)
    return Batch(
        characters=(_ints(2),) * CHARACTER_PIECES,
        spelt_at=numbers,
        texts=texts,
        positions=numbers,
        forward=numbers,
        backward=numbers,
        tags=texts,
        tagged=numbers,
        carried=numbers,
        log_prior=tf.TensorSpec((None,), tf.float32),
    )


def _ints(rank: int) -> Any:
    return tf.TensorSpec((None,) * rank, tf.int32)


def _at(outputs: Any, positions: Any) -> Any:
    return tf.gather(tf.reshape(outputs, (-1, outputs.shape[-1])), positions)


def _hits(batch: Batch, texts: Any, tags: Any) -> list[bool]:
    nearest = np.argmax(texts.numpy() @ tf.math.l2_normalize(tags, axis=1).numpy().T, axis=1)
    carried = set(zip(batch.tagged.tolist(), batch.carried.tolist(), strict=True))
    return [(row, int(nearest[row])) in carried for row in np.unique(batch.tagged).tolist()]
