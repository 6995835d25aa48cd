"""Texts as tries, so that each distinct prefix is evaluated once: an LSTM's state depends on nothing else.

The suffixes of texts are the prefixes of the reversed texts, so one trie serves both directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class TokenRows:
    """Rows of token numbers, one after the other in `tokens`; `lengths` has shape (n_rows,)."""

    tokens: NDArray[np.int32]
    lengths: IntArray

    @classmethod
    def of(cls, tokens: Sequence[int], lengths: Sequence[int]) -> TokenRows:
        """Make rows of plain numbers."""
        return cls(np.array(tokens, dtype=np.int32), np.array(lengths, dtype=np.int64))

    @property
    def starts(self) -> IntArray:
        """Where each row begins in `tokens`, an array of shape (n_rows,)."""
        return np.cumsum(self.lengths) - self.lengths

    def reverse(self) -> TokenRows:
        """Return the reversed rows, last row first."""
        return TokenRows(self.tokens[::-1], self.lengths[::-1])

    def renumber_by_frequency(self) -> tuple[TokenRows, IntArray]:
        """Return the same rows with the commonest token numbered 0, and the old number of each new one."""
        old, position, counts = np.unique(self.tokens, return_inverse=True, return_counts=True)
        by_frequency = np.argsort(-counts, kind="stable")
        new = np.empty(len(old), dtype=np.int32)
        new[by_frequency] = np.arange(len(old))
        return TokenRows(new[position], self.lengths), old[by_frequency].astype(np.int64)

    def lexicographic_order(self) -> IntArray:
        """Return the row numbers in an order in which rows with a common prefix are neighbours."""
        spelt = self.tokens.astype(">u4").tobytes()
        starts, ends = 4 * self.starts, 4 * (self.starts + self.lengths)
        rows = [spelt[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        return np.array(sorted(range(len(rows)), key=rows.__getitem__), dtype=np.int64)


@dataclass(frozen=True)
class TrieLevel:
    """The nodes of one depth, in the order of their tokens, and the rows that end in them.

    `parents` are indices into the level above; above the first level stands the root alone. Row
    `ended_rows[k]` ends in node `ended_nodes[k]` and is `depth` tokens long.
    """

    depth: int
    tokens: IntArray
    parents: IntArray
    ended_rows: IntArray
    ended_nodes: IntArray


def trie_levels(rows: TokenRows, selected: IntArray) -> Iterator[TrieLevel]:
    """Yield the levels, from depth 1 on, of the trie of the `selected` rows, none of which is empty."""
    starts, lengths = rows.starts[selected], rows.lengths[selected]
    active = np.arange(len(selected))
    node_of_row = np.zeros(len(selected), dtype=np.int64)
    n_parents, depth = 1, 0
    while len(active):
        # One integer per (token, parent): equal ones are the same prefix, and sorting them sorts by token.
        tokens = rows.tokens[starts[active] + depth].astype(np.int64)
        nodes, node_of_active = np.unique(tokens * n_parents + node_of_row[active], return_inverse=True)
        node_of_row[active] = node_of_active
        depth += 1
        ended = lengths[active] == depth
        yield TrieLevel(
            depth=depth,
            tokens=nodes // n_parents,
            parents=nodes % n_parents,
            ended_rows=selected[active[ended]],
            ended_nodes=node_of_active[ended],
        )
        active = active[~ended]
        n_parents = len(nodes)
