"""tagdb's encoder beside its peers, with the same weights, on the same texts, in one run.

    python benchmarks/encoder_peers.py titles_tags.tsv:title titles_tags.tsv:tags --size starter
    python benchmarks/encoder_peers.py tagdataset.csv:tags --size original --rows 100000 --sample 1000 --rounds 5
    python benchmarks/encoder_peers.py titles_tags.tsv:tags --size tiny --rows 500 --rounds 1 --peers padded

The peers are `simple_elmo` (pip install '.[benchmarks]') in batches of 100 rows, duplicates and all, and `padded`, the
padded batches of padded_bilm.py, which like tagdb gets each distinct text once. A corpus is a .csv or .tsv file with a
header and one of its columns; one named "tags" may be written in any style that tagdb imports. Weights are random,
of the size of the published ELMo or of the starter, or tiny.

Every call runs in a process of its own that has just loaded the weights and embedded a few other texts, and the sides
take turns. FLOP are those of the LSTMs, 2·L·(2P·4D + D·P) a step in each direction: steps are distinct prefixes and
suffixes for tagdb, texts times the longest of a batch for the peers, as if nobody hoisted anything; characters are not
counted.
"texts/s" counts what a side did embed, so its ratio says what remains once a peer's duplicates are taken out for it.
simple_elmo carries LSTM states from batch to batch; its first batch, from fresh states, is the one compared. Its own
sentence average takes padding in, so a row's vector is the mean of the token vectors it returns.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import importlib.util
import json
import logging
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from measuring import interleaved, machine, peak_bytes, print_table, sgemm_rate, spread
from numpy.typing import NDArray
from random_weights import write_random

from tagdb.elmo.options import ElmoOptions
from tagdb.formats.taglists import tag_list

FloatArray = NDArray[np.float32]
Tokens = list[str]
Embed = Callable[[Sequence[Tokens]], FloatArray]

SIMPLE_ELMO, PADDED, TAGDB = "simple_elmo", "padded", "tagdb"
ROWS_IN_BATCH = 100  # of simple_elmo, as in the notebook that tagdb began as
WARM_UP = [[f"warm-{number}", "up"] for number in range(64)]  # no corpus has these tokens
COMPARED_AT_ONCE = 4096
TOLERANCE = 1e-5  # of the largest value; float32 sums in another order differ by a tenth of that
COLUMNS = [
    *("corpus", "side", "rows", "texts", "seconds", "spread", "rows/s", "texts/s", "GFLOP/s", "of sgemm", "peak MB"),
    *("tagdb: times rows/s", "times texts/s", "largest difference"),
]


@dataclass(frozen=True)
class Corpus:
    """A name, the rows' texts, and the distinct ones among them in order."""

    name: str
    rows: list[str]
    distinct: list[str]

    @classmethod
    def of(cls, name: str, texts: Iterable[str], n_rows: int | None) -> Corpus:
        """Take the first rows that hold a token, or all of them."""
        rows = list(islice((text for text in texts if text.split()), n_rows))
        return cls(name, rows, list(dict.fromkeys(rows)))


class Side:
    """One encoder, in a process that `restart` replaces; `texts` are what it embeds, for `n_rows` rows."""

    def __init__(self, name: str, directory: Path, texts: list[str], n_rows: int) -> None:
        self.name, self.texts, self.n_rows = name, texts, n_rows
        self.peaks: list[int] = []
        self._directory, self._pool = directory, ExitStack()

    def restart(self) -> None:
        """Begin a new process and load the weights."""
        self.stop()
        context = multiprocessing.get_context("spawn")
        self._process = self._pool.enter_context(ProcessPoolExecutor(1, mp_context=context))
        self._process.submit(_load, self.name, self._directory, self.texts).result()

    def embed(self) -> None:
        """Embed all texts; their vectors stay in the process."""
        self.peaks.append(self._process.submit(_embed).result())

    def vectors(self, numbers: Sequence[int]) -> FloatArray:
        """Return some of the vectors, by their texts' numbers."""
        return self._process.submit(_vectors, numbers).result()

    def stop(self) -> None:
        """End the process, if there is one."""
        self._pool.close()

    def steps(self) -> int:
        """Count the steps of the LSTMs in both directions."""
        texts = [text.split() for text in self.texts]
        if self.name == TAGDB:
            return distinct_prefixes(texts) + distinct_prefixes([tokens[::-1] for tokens in texts])
        lengths = np.array([len(tokens) for tokens in texts])
        if self.name == SIMPLE_ELMO:  # which reads the sentence's begin and end with every text
            batches = [lengths[start : start + ROWS_IN_BATCH] + 2 for start in range(0, len(lengths), ROWS_IN_BATCH)]
        else:
            from padded_bilm import batches as batches_of_like_length

            batches = [lengths[batch] for batch in batches_of_like_length(lengths)]
        return sum(2 * len(batch) * int(batch.max()) for batch in batches)


class _Held:
    """What a side's process keeps from call to call; the functions below run there."""

    embed: Embed
    texts: list[Tokens]
    vectors: FloatArray


def _load(name: str, directory: Path, texts: list[str]) -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    _Held.texts = [text.split() for text in texts]
    # Imported where they are used: tagdb brings in TensorFlow without Keras, and simple_elmo needs Keras.
    if name == SIMPLE_ELMO:
        _Held.embed = _load_simple_elmo(directory)
        return
    if name == PADDED:
        from padded_bilm import PaddedBilm

        _Held.embed = PaddedBilm(directory).embed
    else:
        from tagdb import Elmo

        _Held.embed = Elmo.load(directory).embed_tokens
    _Held.embed(WARM_UP)


def _embed() -> int:
    _Held.vectors = _Held.embed(_Held.texts)
    return peak_bytes()


def _vectors(numbers: Sequence[int]) -> FloatArray:
    return _Held.vectors[numbers]


def _load_simple_elmo(directory: Path) -> Embed:
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # its cells are not in Keras 3
    logging.disable(logging.INFO)
    model = importlib.import_module("simple_elmo").ElmoModel()
    tf = importlib.import_module("tensorflow")
    model.load(str(directory), max_batch_size=ROWS_IN_BATCH)
    mix = importlib.import_module("simple_elmo.elmo").weight_layers
    model.elmo_sentence_input = mix("input", model.sentence_embeddings_op, use_layers="average")
    session, fresh_states = tf.compat.v1.Session(), tf.compat.v1.global_variables_initializer()

    def embed(texts: Sequence[Tokens]) -> FloatArray:
        means: list[FloatArray] = []
        for start in range(0, len(texts), ROWS_IN_BATCH):  # one batch a call: it returns token vectors as float64
            batch = texts[start : start + ROWS_IN_BATCH]
            vectors = model.get_elmo_vectors(batch, warmup=False, session=session)
            means += [vectors[row, : len(tokens)].mean(axis=0) for row, tokens in enumerate(batch)]
        return np.array(means, dtype=np.float32)

    session.run(fresh_states)
    embed(WARM_UP)
    session.run(fresh_states)
    return embed


def main() -> None:
    """Measure every corpus and print a table, or JSON."""
    arguments = _arguments()
    if SIMPLE_ELMO in arguments.peers and importlib.util.find_spec(SIMPLE_ELMO) is None:
        sys.exit("simple_elmo is not installed: pip install '.[benchmarks]', or leave it out: --peers padded")
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        options = write_random(Path(folder), arguments.size)
        for corpus in arguments.corpora:
            name = f"{corpus[0].name}:{corpus[1]}"
            texts = Corpus.of(name, read_texts(*corpus), arguments.rows)
            results += compare(texts, Path(folder), options, arguments.peers, arguments.sample, arguments.rounds)
    settings = {"size": arguments.size, "rounds": arguments.rounds, "parameters": options.n_parameters}
    if arguments.json:
        print(json.dumps({"machine": machine(), **settings, "results": results}, indent=2))
    else:
        print("\n".join(f"{key}: {value}" for key, value in (machine() | settings).items()), end="\n\n")
        print_table(results, COLUMNS)


def compare(
    corpus: Corpus, directory: Path, options: ElmoOptions, peers: Sequence[str], sample: int | None, rounds: int
) -> list[dict[str, Any]]:
    """Time all sides on a corpus and compare their vectors; exits when a peer computes something else."""
    sides = [Side(name, directory, *_share(name, corpus, sample)) for name in dict.fromkeys([TAGDB, *peers])]
    by_name, rates = {side.name: side for side in sides}, list[float]()
    with ExitStack() as stack:
        for side in sides:
            stack.callback(side.stop)
        seconds = interleaved(
            rounds,
            {"sgemm": lambda: rates.append(sgemm_rate()), **{side.name: side.embed for side in sides}},
            before=lambda name: by_name[name].restart() if name in by_name else None,
        )
        differences = {side.name: largest_difference(sides[0], side) for side in sides[1:]}
    lstm = options.lstm
    per_step = 2 * lstm.n_layers * (2 * lstm.projection_dim * 4 * lstm.dim + lstm.dim * lstm.projection_dim)
    measured = [
        _measured(corpus, side, seconds[side.name], per_step, statistics.median(rates), differences.get(side.name))
        for side in sides
    ]
    for row in measured[1:]:
        for ratio, rate in (("tagdb: times rows/s", "rows/s"), ("times texts/s", "texts/s")):
            row[ratio] = measured[0][rate] / row[rate]
    return measured


def _measured(
    corpus: Corpus, side: Side, seconds: Sequence[float], per_step: int, sgemm: float, difference: float | None
) -> dict[str, Any]:
    median = statistics.median(seconds)
    steps = side.steps()
    flops = steps * per_step / median
    return {
        "corpus": corpus.name,
        "side": side.name,
        "rows": side.n_rows,
        "texts": len(side.texts),
        "steps": steps,
        "seconds": median,
        "spread": spread(seconds),
        "rows/s": side.n_rows / median,
        "texts/s": len(side.texts) / median,
        "GFLOP/s": flops / 1e9,
        "sgemm GFLOP/s": sgemm / 1e9,
        "of sgemm": flops / sgemm,
        "peak MB": statistics.median(side.peaks) / 1e6,
        "largest difference": difference,
    }


def _share(name: str, corpus: Corpus, sample: int | None) -> tuple[list[str], int]:
    """Return the texts that a side embeds, and how many rows that serves."""
    if name != SIMPLE_ELMO:
        return corpus.distinct, len(corpus.rows)
    rows = corpus.rows
    if sample is not None and sample < len(rows):
        rows = random.Random(0).sample(rows, sample)
    return rows, len(rows)


def largest_difference(ours: Side, theirs: Side) -> float:
    """Return the largest difference of two sides' vectors; exits when it is more than rounding."""
    texts = theirs.texts[:ROWS_IN_BATCH] if theirs.name == SIMPLE_ELMO else theirs.texts
    numbers = {text: number for number, text in enumerate(ours.texts)}
    difference = largest = np.float32(0)
    for start in range(0, len(texts), COMPARED_AT_ONCE):
        piece = texts[start : start + COMPARED_AT_ONCE]
        expected = ours.vectors([numbers[text] for text in piece])
        found = theirs.vectors(range(start, start + len(piece)))
        difference = np.maximum(difference, np.abs(found - expected).max())  # which keeps what is not a number
        largest = np.maximum(largest, np.abs(expected).max())
    if not difference <= TOLERANCE * largest:
        sys.exit(
            f"{theirs.name} computes something else: vectors of values up to {largest:.3g} differ by {difference:.3g}"
        )
    return float(difference)


def distinct_prefixes(texts: Iterable[Tokens]) -> int:
    """Count the distinct non-empty prefixes of texts, which are the nodes of their trie."""
    count, above = 0, list[str]()
    for tokens in sorted(texts):
        pairs = zip(above, tokens, strict=False)
        shared = next((depth for depth, (a, b) in enumerate(pairs) if a != b), min(len(above), len(tokens)))
        count, above = count + len(tokens) - shared, tokens
    return count


def read_texts(path: Path, column: str) -> Iterator[str]:
    """Yield the texts in a column; lists of tags as tags separated by blanks."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        for record in csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","):
            text = record[column] or ""
            yield " ".join(tag_list(text)) if text and column.lower() == "tags" else text


def corpus_argument(argument: str) -> tuple[Path, str]:
    """Take FILE:COLUMN apart."""
    path, _, column = argument.rpartition(":")
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{argument!r} does not name a file and a column, as in titles.tsv:title")
    return Path(path), column


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=corpus_argument, metavar="FILE:COLUMN")
    parser.add_argument("--size", choices=["original", "starter", "tiny"], default="starter")
    parser.add_argument("--peers", nargs="+", choices=[SIMPLE_ELMO, PADDED], default=[SIMPLE_ELMO, PADDED])
    parser.add_argument("--rows", type=int, help="take the first so many rows of each corpus that hold a text")
    parser.add_argument("--sample", type=int, help="of these, simple_elmo gets so many, drawn at random (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
