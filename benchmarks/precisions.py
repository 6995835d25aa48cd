"""The encoder in float32 and in bf16, with the same weights, on the same texts, in one run: speed, and what it costs.

    python benchmarks/precisions.py titles_tags.tsv:title titles_tags.tsv:tags --size original --rows 3000
    python benchmarks/precisions.py tagdataset.csv:tags --size starter --rows 100000

Each distinct text is embedded once. Differences are those of the numbers in the vectors, relative to the largest one;
"apart" is the cosine distance of a text's two vectors, the largest of all texts. `--size starter` takes the shipped
model, "original" and "tiny" random weights. What rounding does to tasks, `embedder_quality.py` tells.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from encoder_peers import Corpus, corpus_argument, read_texts
from measuring import interleaved, machine, medians, print_table, product_rate
from random_weights import SIZES, STARTER, write_random

from tagdb import Elmo
from tagdb.elmo.precision import BF16, FLOAT32, PRECISIONS
from tagdb.elmo.spec import OPTIONS_FILE, WEIGHTS_FILE, read_description, write_description

WARM_UP = 256
COLUMNS = [
    *("corpus", "texts", f"{FLOAT32} texts/s", f"{BF16} texts/s", f"{BF16} is, times"),
    *("largest difference", "mean difference", "apart"),
]


def main() -> None:
    """Measure every corpus and print a table, or JSON."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.size in SIZES:
            write_random(Path(folder), arguments.size)
        origin = Path(folder) if arguments.size in SIZES else STARTER
        sides = {precision: _load(origin, Path(folder) / precision, precision) for precision in PRECISIONS}
        results = []
        for path, column in arguments.corpora:
            corpus = Corpus.of(f"{path.name}:{column}", read_texts(path, column), arguments.rows)
            results.append({"corpus": corpus.name} | compare(sides, corpus.distinct, arguments.rounds))
    rates = {f"one product in {name}, GFLOP/s": f"{product_rate(name) / 1e9:.0f}" for name in ("float32", "bfloat16")}
    about = machine() | rates | {"size": arguments.size, "rounds": str(arguments.rounds)}
    if arguments.json:
        print(json.dumps(about | {"results": results}, indent=2))
    else:
        print("\n".join(f"{key}: {value}" for key, value in about.items()), end="\n\n")
        print_table(results, COLUMNS)


def compare(sides: dict[str, Elmo], texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Let both precisions take turns on texts; compare speed and vectors."""
    vectors: dict[str, np.ndarray] = {}

    def embed(precision: str) -> None:
        vectors[precision] = sides[precision].embed(texts)

    for side in sides.values():
        side.embed(texts[:WARM_UP])
    seconds = medians(interleaved(rounds, {precision: partial(embed, precision) for precision in sides}))
    exact, rounded = (vectors[precision] for precision in PRECISIONS)
    differences = np.abs(rounded - exact) / np.abs(exact).max()
    cosines = (exact * rounded).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    return {
        "texts": len(texts),
        **{f"{precision} texts/s": len(texts) / each for precision, each in seconds.items()},
        f"{BF16} is, times": seconds[FLOAT32] / seconds[BF16],
        "largest difference": float(differences.max()),
        "mean difference": float(differences.mean()),
        "apart": float(1 - cosines.min()),
    }


def _load(origin: Path, directory: Path, precision: str) -> Elmo:
    directory.mkdir()
    for name in (OPTIONS_FILE, WEIGHTS_FILE):
        (directory / name).symlink_to(origin / name)
    write_description(directory, replace(read_description(origin), precision=precision))
    return Elmo.load(directory)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=corpus_argument, metavar="FILE:COLUMN")
    parser.add_argument("--size", choices=["starter", *SIZES], default="starter")
    parser.add_argument("--rows", type=int, help="take the first so many rows of each corpus that hold a text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
