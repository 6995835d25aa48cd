"""The encoder's peers: padded batches give the same vectors, work is counted right, and a difference is noticed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import encoder_peers
import measuring
import padded_bilm

from tests.elmo.reference import ReferenceElmo
from tests.elmo.weights import write_random_elmo

TEXTS = ["a", "java spring", "java", "python pandas numpy csv", "c# .net", "java spring boot jpa <S> ünï", "python"]
TAGGED = "title\ttags\n" + "".join(f"How to {n}?\t['python', 'tag-{n % 3}']\n" for n in range(7))
PEERS = [
    name
    for name in (encoder_peers.PADDED, encoder_peers.SIMPLE_ELMO)
    if name == "padded" or importlib.util.find_spec(name)
]
texts_of_few_tokens = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5))


@pytest.mark.parametrize("skip", [True, False])
def test_padded_batches_give_the_reference_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, skip: bool
) -> None:
    monkeypatch.setattr(padded_bilm, "CELLS_AT_ONCE", 5)
    monkeypatch.setattr(padded_bilm, "TEXTS_IN_BATCH", 3)
    elmo = write_random_elmo(tmp_path / "elmo", scale=2.0, skip=skip)
    texts = [text.split() for text in TEXTS]
    reference = ReferenceElmo.load(elmo)
    expected = np.array([reference.embed(text) for text in texts])
    assert np.abs(padded_bilm.PaddedBilm(elmo).embed(texts) - expected).max() < 1e-5


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_batches_hold_each_text_once_and_as_much_as_the_limits_let_in(lengths: list[int]) -> None:
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(padded_bilm, "TOKENS_IN_BATCH", 40)
        limits.setattr(padded_bilm, "TEXTS_IN_BATCH", 5)
        batches = [batch.tolist() for batch in padded_bilm.batches(np.array(lengths))]
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch, following in zip(batches, [*batches[1:], []], strict=True):
        longest = max(lengths[number] for number in batch)
        assert len(batch) <= 5
        assert len(batch) * longest <= 40
        if following:
            assert len(batch) == 5 or (len(batch) + 1) * lengths[following[0]] > 40


@given(texts_of_few_tokens)
def test_distinct_prefixes_are_those_of_a_set(texts: list[list[str]]) -> None:
    prefixes = {tuple(text[: end + 1]) for text in texts for end in range(len(text))}
    assert encoder_peers.distinct_prefixes(texts) == len(prefixes)


def test_steps_are_padded_to_the_longest_of_a_batch_and_simple_elmo_reads_boundaries(tmp_path: Path) -> None:
    texts = ["a b c", "a b", "d"]

    def steps(name: str) -> int:
        return encoder_peers.Side(name, tmp_path, texts, 3).steps()

    # Prefixes a, ab, abc, d; suffixes c, bc, abc, b, ab, d.
    assert steps("tagdb") == 4 + 6
    assert steps("padded") == 2 * 3 * 3
    assert steps("simple_elmo") == 2 * 3 * (3 + 2)


def test_alternatives_take_turns_and_preparation_is_not_timed() -> None:
    calls: list[str] = []
    seconds = measuring.interleaved(
        2,
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        before=lambda name: calls.append(f"+{name}"),
    )
    assert calls == ["+a", "a", "+b", "b", "+b", "b", "+a", "a"]
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}


def test_the_command_compares_sides_on_rows_and_on_distinct_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "titles.tsv").write_text(TAGGED, encoding="utf-8")
    monkeypatch.setattr(encoder_peers, "sgemm_rate", lambda: 1e9)
    arguments = ["encoder_peers", f"{tmp_path}/titles.tsv:tags", "--size", "tiny", "--rounds", "1", "--json"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--peers", *PEERS])
    encoder_peers.main()
    tagdb, padded, *_ = results = json.loads(capsys.readouterr().out)["results"]
    assert [result["side"] for result in results] == ["tagdb", *PEERS]
    assert (tagdb["rows"], tagdb["texts"]) == (padded["rows"], padded["texts"]) == (7, 3)
    assert tagdb["of sgemm"] == pytest.approx(tagdb["GFLOP/s"])
    assert padded["tagdb: times rows/s"] == pytest.approx(padded["seconds"] / tagdb["seconds"])
    assert all(0 <= result["largest difference"] < 1e-5 for result in results[1:])


class Fixed(encoder_peers.Side):
    """A side whose vectors are given."""

    def __init__(self, name: str, vectors: list[list[float]]) -> None:
        super().__init__(name, Path(), ["a", "b"], 2)
        self._given = np.array(vectors, dtype=np.float32)

    def vectors(self, numbers: Sequence[int]) -> encoder_peers.FloatArray:
        return self._given[list(numbers)]


@pytest.mark.parametrize("other", [[2.0, 3.001], [2.0, float("nan")]])
def test_a_peer_that_computes_something_else_ends_the_run(other: list[float]) -> None:
    ours, same = Fixed("tagdb", [[1, 2], [2, 3]]), Fixed("padded", [[1, 2], [2, 3.00001]])
    assert encoder_peers.largest_difference(ours, same) == pytest.approx(1e-5, rel=0.1)
    with pytest.raises(SystemExit, match="padded computes something else"):
        encoder_peers.largest_difference(ours, Fixed("padded", [[1, 2], other]))
