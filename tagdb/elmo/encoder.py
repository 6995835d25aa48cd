"""The ELMo that users meet: texts in, one vector for each out, whatever they are batched with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np

from tagdb.elmo._tensorflow import require_unforked, tf
from tagdb.elmo.lstm import DirectionalLstm
from tagdb.elmo.options import N_GATES, ElmoOptions, read_options
from tagdb.elmo.products import Products
from tagdb.elmo.spec import OPTIONS_FILE, WEIGHTS_FILE, Description, read_description, read_spec
from tagdb.elmo.texts import TextEmbedder
from tagdb.elmo.token_encoder import TokenEncoder
from tagdb.elmo.tries import TokenRows, trie_levels
from tagdb.elmo.vocabulary import Vocabulary
from tagdb.elmo.weights import FloatArray, Weights, open_weights
from tagdb.models import EmbedderSpec


@dataclass(frozen=True)
class Limits:
    """What bounds memory: texts in a block, or the gates of one, in each of the two directions; tokens sorted together;
    token vectors kept between calls.
    """

    texts_in_block: int = 4096
    gate_bytes: int = 128 * 2**20
    tokens_in_chunk: int = 4_000_000
    vocabulary_bytes: int = 128 * 2**20


class Elmo(TextEmbedder):
    """An ELMo of AllenNLP's format (Peters et al., 2018), without approximations or state between texts.

    A text's vector is the mean, over its tokens, of the plain average of all layers, or of their sum weighted as
    embedder.json says: the forward half, then the backward half; less the mean vector of many texts where the weights
    hold one (`CENTRE`). Every text starts after the sentence's begin (backwards: its end), read from the zero state or
    from that after the start text of embedder.json, as bilm-tf's network carries it over from sentence to sentence.
    Equal texts get vectors equal to 1e-5 (in precision bf16: to 1e-2 of the largest number), whatever they are
    embedded with. An instance keeps token vectors
    between calls and serves one thread at a time.
    """

    def __init__(
        self,
        spec: EmbedderSpec,
        description: Description,
        options: ElmoOptions,
        weights: Weights,
        limits: Limits = Limits(),
    ) -> None:
        super().__init__(spec, description, options, weights)
        self._limits = limits
        texts_with_gates = limits.gate_bytes // (N_GATES * options.lstm.dim * np.float32().nbytes)
        self._texts_in_block = max(1, min(limits.texts_in_block, texts_with_gates))
        self._half_dim = options.lstm.projection_dim
        token_encoder = TokenEncoder(options, weights)
        openings = self._openings(token_encoder.encode)
        products = Products(description.precision)
        self._forward, self._backward = (
            DirectionalLstm(options.lstm, weights, direction, opening, description.layer_weights, products)
            for direction, opening in enumerate(openings)
        )
        self._vocabulary = Vocabulary(token_encoder, limits.vocabulary_bytes // openings[0][0].nbytes)

    @classmethod
    def load(cls, directory: Path | str, *, limits: Limits = Limits(), spec: EmbedderSpec | None = None) -> Elmo:
        """Load options.json, weights.hdf5 and, where there is one, embedder.json from `directory`.

        `spec`, where `read_spec` gave it just before, saves hashing the weights again.

        Raises EmbedderUnavailable when a file is missing or the process was forked after TensorFlow's import,
        WeightsError when a file is damaged or does not fit the others.
        """
        require_unforked()
        directory = Path(directory)
        spec = spec or read_spec(directory)
        options = read_options(directory / OPTIONS_FILE)
        with open_weights(directory / WEIGHTS_FILE, options) as weights:
            return cls(spec, read_description(directory), options, weights, limits)

    def _embed(self, tokenized: Sequence[Sequence[str]]) -> FloatArray:
        vectors = np.empty((len(tokenized), self.dim), dtype=np.float32)
        start = 0
        for rows in self._chunks(tokenized):
            chunk = vectors[start : start + len(rows.lengths)]
            self._embed_chunk(rows, chunk)
            self._finish(chunk, start)
            start += len(chunk)
        return vectors

    def _chunks(self, tokenized: Sequence[Sequence[str]]) -> Iterator[TokenRows]:
        """Yield rows of token numbers, which hold until the next chunk is asked for."""
        tokens: list[int] = []
        lengths: list[int] = []
        for text in tokenized:
            tokens.extend(self._vocabulary.number(text))
            lengths.append(len(text))
            if self._vocabulary.is_full or len(tokens) >= self._limits.tokens_in_chunk:
                yield TokenRows.of(tokens, lengths)
                tokens, lengths = [], []
                if self._vocabulary.is_full:
                    self._vocabulary.clear()
        if lengths:
            yield TokenRows.of(tokens, lengths)

    def _embed_chunk(self, rows: TokenRows, vectors: FloatArray) -> None:
        """Write each row's mean over tokens and layers to `vectors`, shape (n_rows, dim).

        The directions share nothing, so each has a thread: while one sorts or gathers, the other multiplies.
        """
        tokens = self._vocabulary.vectors()
        forward = partial(self._embed_direction, self._forward, tokens, rows, vectors[:, : self._half_dim])
        # Reversing the rows reverses their order too, so the results are written from the end.
        halves = vectors[::-1, self._half_dim :]
        backward = partial(self._embed_direction, self._backward, tokens, rows.reverse(), halves)
        _run_both(forward, backward)

    def _embed_direction(
        self, lstm: DirectionalLstm, tokens: FloatArray, rows: TokenRows, halves: FloatArray, abandoned: Event
    ) -> None:
        """Write each row's mean to `halves`, shape (n_rows, projection_dim), until `abandoned` is set."""
        rows, commonest = rows.renumber_by_frequency()
        inputs = lstm.prepare(tokens[commonest])
        order = rows.lexicographic_order()
        for start in range(0, len(order), self._texts_in_block):
            block = order[start : start + self._texts_in_block]
            for level, states in lstm.walk(trie_levels(rows, block), inputs):
                if abandoned.is_set():
                    return
                if len(level.ended_rows):
                    totals = tf.gather(states.totals, level.ended_nodes).numpy()
                    halves[level.ended_rows] = totals / np.float32(level.depth * self._layers_averaged)


def _run_both(one: Callable[[Event], None], other: Callable[[Event], None]) -> None:
    """Run both at once, the first in a thread beside; as soon as one raises, the other learns that it is abandoned."""
    abandoned = Event()

    @contextmanager
    def abandoning() -> Iterator[None]:
        try:
            yield
        except BaseException:
            abandoned.set()
            raise

    with ThreadPoolExecutor(1, "tagdb-direction") as beside, abandoning():
        running = beside.submit(abandoning()(one), abandoned)
        other(abandoned)
        running.result()
