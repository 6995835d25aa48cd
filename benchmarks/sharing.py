"""How much of a table is the same again: distinct texts and trie nodes over the number of rows.

    python benchmarks/sharing.py tagdataset.csv:tags titles_tags.tsv:title
    python benchmarks/sharing.py tagdataset.csv:tags --plot docs/sharing.png

This decides what embedding costs, and no model is needed to count it. At each power of ten: distinct texts, their
tokens, and the prefixes and suffixes that an encoder has to evaluate, had it all texts at once and in the blocks of
neighbours that sync gives it. A parent is a node with children, for which the recurrent products are taken.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from encoder_peers import corpus_argument, read_texts
from measuring import print_table
from random_weights import STARTER

from tagdb import pictures
from tagdb.elmo.spec import read_description
from tagdb.elmo.tokenizers import find_tokenizer
from tagdb.elmo.tries import TokenRows, trie_levels

TEXTS_IN_TRIE = 4096  # of an encoder with the limits of `Elmo`


@dataclass(frozen=True)
class Shared:
    """Distinct texts and their trie nodes after so many rows; `blocked_` nodes are those of separate blocks."""

    corpus: str
    rows: int
    texts: int
    vocabulary: int
    tokens: int
    prefixes: int
    suffixes: int
    block: int
    blocked_nodes: int
    blocked_parents: int


def main() -> None:
    """Count and print."""
    arguments = _arguments()
    if arguments.plot:
        pictures.require_drawable(arguments.plot)
    counted = [
        each
        for path, column in arguments.corpora
        for each in count(f"{path.name}:{column}", read_texts(path, column), arguments.block)
    ]
    if arguments.plot:
        plot(counted, arguments.plot)
    if arguments.json:
        print(json.dumps([asdict(each) for each in counted], indent=2))
    else:
        print_table([asdict(each) for each in counted], list(Shared.__dataclass_fields__))


def count(corpus: str, texts: Iterator[str], block: int) -> Iterator[Shared]:
    """Yield what is shared after 10,000 rows, at each further power of ten, and at the end."""
    description = read_description(STARTER)
    split = find_tokenizer(description.tokenizer, lowercase=description.lowercase)
    distinct: set[str] = set()
    due, rows = 10_000, 0
    for text in texts:
        distinct.add(text)
        rows += 1
        if rows == due:
            yield _count_distinct(corpus, rows, [split(each) for each in sorted(distinct)], block)
            due *= 10
    if rows * 10 != due:
        yield _count_distinct(corpus, rows, [split(each) for each in sorted(distinct)], block)


def _count_distinct(corpus: str, rows: int, tokenized: Sequence[list[str]], block: int) -> Shared:
    tokenized = [tokens for tokens in tokenized if tokens]
    numbers: dict[str, int] = {}
    tokens = [numbers.setdefault(token, len(numbers)) for text in tokenized for token in text]
    all_rows = TokenRows.of(tokens, [len(text) for text in tokenized])
    blocks = [_block(all_rows, start, block) for start in range(0, len(tokenized), block)]
    blocked = np.sum([_nodes_and_parents(rows, TEXTS_IN_TRIE) for part in blocks for rows in (part, part.reverse())], 0)
    prefixes, suffixes = (
        _nodes_and_parents(direction, len(tokenized))[0] for direction in (all_rows, all_rows.reverse())
    )
    return Shared(
        corpus,
        rows,
        len(tokenized),
        len(numbers),
        len(tokens),
        prefixes,
        suffixes,
        block,
        int(blocked[0]),
        int(blocked[1]),
    )


def _block(rows: TokenRows, start: int, size: int) -> TokenRows:
    part = slice(start, start + size)
    lengths = rows.lengths[part]
    first = int(rows.lengths[:start].sum())
    return TokenRows(rows.tokens[first : first + int(lengths.sum())], lengths)


def _nodes_and_parents(rows: TokenRows, texts_in_trie: int) -> tuple[int, int]:
    order = rows.lexicographic_order()
    nodes = parents = 0
    for start in range(0, len(order), texts_in_trie):
        for level in trie_levels(rows, order[start : start + texts_in_trie]):
            nodes += len(level.tokens)
            parents += len(np.unique(level.parents))
    return nodes, parents


def plot(counted: Sequence[Shared], path: Path) -> None:
    """Draw, over the rows, how many distinct texts, tokens in them and trie nodes there are for each row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for corpus, group in groupby(counted, lambda each: each.corpus):
        points = list(group)
        for name, line, counts in (
            ("tokens of distinct texts, in two directions", "^--", [2 * each.tokens for each in points]),
            ("trie nodes", "o-", [each.blocked_nodes for each in points]),
            ("distinct texts", "s-", [each.texts for each in points]),
        ):
            shares = [count / each.rows for count, each in zip(counts, points, strict=True)]
            axes.plot([each.rows for each in points], shares, line, label=f"{name} ({corpus})")
    axes.set(xscale="log", xlabel="rows", ylabel="for each row")
    axes.set_ylim(bottom=0)
    axes.grid(color="#e4e7eb")
    axes.legend(frameon=False)
    pictures.save(figure, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=corpus_argument, metavar="FILE:COLUMN")
    parser.add_argument("--block", type=int, default=32_768, help="texts that sync embeds together")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curve as .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
