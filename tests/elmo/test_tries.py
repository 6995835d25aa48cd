"""The trie of a set of rows holds each distinct prefix once, below the prefix that it continues."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagdb.elmo.tries import TokenRows, trie_levels

Rows = list[tuple[int, ...]]
row_of_tokens = st.lists(st.integers(0, 5), min_size=1, max_size=6).map(tuple)
rows_of_tokens = st.lists(row_of_tokens, min_size=1, max_size=30)


def token_rows(rows: Rows) -> TokenRows:
    return TokenRows.of([token for row in rows for token in row], [len(row) for row in rows])


def read_prefixes(rows: Rows, selected: list[int]) -> tuple[list[tuple[int, ...]], dict[int, tuple[int, ...]]]:
    """Spell every node out, from its parents, and say which one each row ends in."""
    above: list[tuple[int, ...]] = [()]
    nodes: list[tuple[int, ...]] = []
    ends = {}
    for level in trie_levels(token_rows(rows), np.array(selected)):
        above = [
            (*above[parent], token) for parent, token in zip(level.parents.tolist(), level.tokens.tolist(), strict=True)
        ]
        assert {len(prefix) for prefix in above} == {level.depth}
        assert level.tokens.tolist() == sorted(level.tokens.tolist())
        nodes += above
        for row, node in zip(level.ended_rows.tolist(), level.ended_nodes.tolist(), strict=True):
            assert row not in ends
            ends[row] = above[node]
    return nodes, ends


@given(rows_of_tokens)
def test_every_prefix_is_one_node(rows: Rows) -> None:
    nodes, ends = read_prefixes(rows, list(range(len(rows))))
    assert len(nodes) == len(set(nodes))
    assert set(nodes) == {row[:depth] for row in rows for depth in range(1, len(row) + 1)}
    assert ends == dict(enumerate(rows))


@given(rows_of_tokens, st.data())
def test_a_selection_is_the_trie_of_its_rows(rows: Rows, data: st.DataObject) -> None:
    selected = data.draw(st.lists(st.sampled_from(range(len(rows))), unique=True, min_size=1))
    nodes, ends = read_prefixes(rows, selected)
    assert set(nodes) == {rows[i][:depth] for i in selected for depth in range(1, len(rows[i]) + 1)}
    assert ends == {i: rows[i] for i in selected}


@given(rows_of_tokens)
def test_lexicographic_order_is_that_of_the_rows(rows: Rows) -> None:
    rows = [tuple(token * 300 for token in row) for row in rows]  # more than a byte
    order = token_rows(rows).lexicographic_order().tolist()
    assert sorted(order) == list(range(len(rows)))
    assert [rows[i] for i in order] == sorted(rows)


@given(rows_of_tokens)
def test_reversing_turns_each_row_around(rows: Rows) -> None:
    backwards = token_rows(rows).reverse()
    expected = token_rows([row[::-1] for row in reversed(rows)])
    assert backwards.tokens.tolist() == expected.tokens.tolist()
    assert backwards.lengths.tolist() == expected.lengths.tolist()


@given(rows_of_tokens)
def test_renumbering_puts_the_commonest_first_and_loses_nothing(rows: Rows) -> None:
    before = token_rows(rows)
    after, old_number = before.renumber_by_frequency()
    assert old_number[after.tokens].tolist() == before.tokens.tolist()
    counts = np.bincount(after.tokens)
    assert (np.diff(counts) <= 0).all()
    assert counts.min() > 0
