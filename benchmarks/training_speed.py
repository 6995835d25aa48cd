"""How fast a biLM learns: tokens per second, beside updates of the whole softmax, and against one large product's rate.

    python benchmarks/training_speed.py --file titles.txt
    python benchmarks/training_speed.py --words 30000 --cell-dim 512 --steps 8 --runs 5

Without a file the texts are made up: titles of 4 to 16 words, drawn by Zipf's law from `--words` words. The operations
counted are those that an exact step cannot do without: both LSTM directions (the first layer's input product once for
each token type), the softmax's negatives, the character CNN once for each token type; three times the forward pass.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.training.batches import Batch, Batches
from tagdb.elmo.training.corpus import Example, spool
from tagdb.elmo.training.network import initial_weights
from tagdb.elmo.training.optimizer import Adam
from tagdb.elmo.training.settings import Settings, Size
from tagdb.elmo.training.trainer import Trainer
from tagdb.models import Silent

PRODUCT_SIZE = 2_500
LETTERS = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))


class DenseSoftmaxTrainer(Trainer):
    """The alternative: the same step, with gradient and update of the whole softmax matrix."""

    def _compute_step(self, batch: Batch, words: Any, seed: Any, number: Any, rate: Any) -> tuple[Any, ...]:
        weights = {**self._dense, **self._softmax}
        if not hasattr(self, "_dense_adam"):
            self._dense_adam = Adam(weights, {})
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(weights.values()))
            rows = {name: tf.gather(variable, words.rows) for name, variable in self._softmax.items()}
            loss, tag_loss = self._losses(batch, words, rows, seed, number)
        gradients, norm = self._clipped(tape, loss, weights)
        self._dense_adam.apply_dense(gradients, rate, number)
        return loss, tag_loss, norm


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    settings = Settings(batch_tokens=arguments.batch_tokens, vocabulary=arguments.words, tag_weight=0)
    size = Size(cell_dim=arguments.cell_dim)
    with tempfile.TemporaryDirectory() as folder:
        corpus = spool(_texts(arguments), Path(folder), settings, Silent())
        cnn = size.options().char_cnn
        batches = list(
            islice(Batches(corpus, settings, cnn.max_characters_per_token, cnn.widest_filter).epoch(0), arguments.steps)
        )
        vocabulary = corpus.vocabulary
    weights = initial_weights(size.options(), 0)
    trainers = {
        "sparse": Trainer(size.options(), weights, vocabulary, settings),
        "dense": DenseSoftmaxTrainer(size.options(), weights, vocabulary, settings),
    }
    rates: dict[str, list[float]] = {name: [] for name in trainers}
    products: list[float] = []
    for trainer in trainers.values():
        _time(trainer, batches)
    for _ in range(arguments.runs):
        products.append(_rate_of_product())
        for name, trainer in trainers.items():
            rates[name].append(_tokens(batches) / _time(trainer, batches))
    _report(
        size,
        settings,
        batches,
        len(vocabulary.words),
        {name: statistics.median(each) for name, each in rates.items()},
        products,
    )


def _report(
    size: Size, settings: Settings, batches: list[Batch], n_words: int, rates: dict[str, float], products: list[float]
) -> None:
    operations = sum(_operations(size, settings, batch) for batch in batches) / _tokens(batches)
    product = statistics.median(products)
    print(
        f"cell {size.cell_dim}, projection {size.projection_dim}, {n_words:,} words, {_tokens(batches):,} tokens a run"
    )
    print(f"sparse softmax updates  {rates['sparse']:8,.0f} tokens/s")
    print(f"dense softmax updates   {rates['dense']:8,.0f} tokens/s   ratio {rates['sparse'] / rates['dense']:.2f}")
    print(f"one large product       {product / 1e9:8,.0f} GFLOP/s")
    print(
        f"operations a token      {operations / 1e6:8,.0f} MFLOP, so at most {product / operations:,.0f} tokens/s here"
    )
    print(f"share of that           {rates['sparse'] * operations / product:8.2f}")


def _operations(size: Size, settings: Settings, batch: Batch) -> float:
    """Count multiplications and additions of a step's products."""
    inner, outer, types = size.cell_dim, size.projection_dim, len(batch.spelt_at)
    positions = int(batch.texts.types.size) + int(batch.texts.types.shape[1])
    layer = 2 * 4 * inner * outer
    lstm = 2 * (2 * (layer + 2 * inner * outer) + layer) * positions + 2 * layer * types
    softmax = 2 * outer * settings.negatives * 2 * len(batch.positions)
    filters = sum(count for _, count in size.filters)
    convolution = sum(2 * size.character_dim * width * count for width, count in size.filters)
    spelt = sum(int(piece.size) for piece in batch.characters)
    tokens = convolution * spelt + types * (size.n_highway * 4 * filters**2 + 2 * filters * outer)
    return 3.0 * (lstm + softmax + tokens)


def _time(trainer: Trainer, batches: list[Batch]) -> float:
    started = time.perf_counter()
    for number, batch in enumerate(batches, 1):
        trainer.step(batch, number, 1e-4)
    return time.perf_counter() - started


def _tokens(batches: list[Batch]) -> int:
    return int(sum(batch.texts.lengths.sum() for batch in batches))


def _rate_of_product() -> float:
    a = tf.ones((PRODUCT_SIZE, PRODUCT_SIZE))
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        tf.matmul(a, a).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * PRODUCT_SIZE**3 / statistics.median(seconds)


def _texts(arguments: argparse.Namespace) -> Iterator[Example]:
    if arguments.file:
        yield from (Example(line) for line in arguments.file.read_text(encoding="utf-8").splitlines())
        return
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(LETTERS, size=length)) for length in rng.integers(2, 12, arguments.words)]
    share = 1.0 / np.arange(1, len(words) + 1)
    drawn = cycle(rng.choice(len(words), size=2_000_000, p=share / share.sum()).tolist())
    # Each word once, so that the vocabulary is as large as asked for.
    yield from (Example(" ".join(words[start : start + 10])) for start in range(0, len(words), 10))
    for length in rng.integers(4, 17, 40_000).tolist():
        yield Example(" ".join(words[next(drawn)] for _ in range(length)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="a text a line; made-up texts without it")
    parser.add_argument("--words", type=int, default=30_000)
    parser.add_argument("--cell-dim", type=int, default=512)
    parser.add_argument("--batch-tokens", type=int, default=2_048)
    parser.add_argument("--steps", type=int, default=8, help="steps in a run")
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
