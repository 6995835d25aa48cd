"""Batches for training: texts of like length as arrays of token types, with what to predict of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo.characters import BEGIN_SENTENCE, END_SENTENCE, character_ids, spelt_lengths
from tagdb.elmo.tokenizers import tokenize
from tagdb.elmo.training.corpus import Corpus, Example, Vocabulary
from tagdb.elmo.training.settings import Settings

IntArray = NDArray[np.int32]
_BATCHES_SORTED_TOGETHER = 32
CHARACTER_PIECES = 4
_BEGIN_WORD, _END_WORD, _UNKNOWN_WORD = 0, 1, 2


class Texts(NamedTuple):
    """Texts as token types: `types`, of shape (longest, n_texts), padded with 0; `lengths` of shape (n_texts,)."""

    types: IntArray
    lengths: IntArray


class Batch(NamedTuple):
    """One step's input.

    `characters` spells the token types: pieces of shape (n, positions), shorter spellings first, so that few types
    are padded to the longest; type `t` is row `spelt_at[t]` of all pieces together. Type 0 is the sentence's begin,
    1 its end.
    `positions`, shape (n_targets,), are the places in a flattened (longest + 1, n_texts) array at which a word
    follows; `forward` and `backward` name it by its number in the vocabulary. `tags` are candidates; text
    `tagged[k]` carries candidate `carried[k]`. `log_prior`, shape (n_tags,), is what a candidate's logit gains for
    being common and loses for having been drawn more often.
    """

    characters: tuple[IntArray, ...]
    spelt_at: IntArray
    texts: Texts
    positions: IntArray
    forward: IntArray
    backward: IntArray
    tags: Texts
    tagged: IntArray
    carried: IntArray
    log_prior: NDArray[np.float32]


class Batches:
    """Draws batches from a corpus; the same seed and epoch give the same ones."""

    def __init__(self, corpus: Corpus, settings: Settings, width: int, widest_filter: int) -> None:
        self._corpus, self._settings = corpus, settings
        self._width, self._widest_filter = width, widest_filter
        vocabulary: Vocabulary = corpus.vocabulary
        self._word_numbers = {word: number for number, word in enumerate(vocabulary.words)}
        self._tag_numbers = {tag: number for number, tag in enumerate(vocabulary.tag_counts)}
        self._tag_tokens = [self._tokens(tag) for tag in vocabulary.tag_counts]
        counts = np.array(list(vocabulary.tag_counts.values()), dtype=np.float64)
        self._tag_share = counts / max(1.0, counts.sum())
        self._learnt = corpus.learnt()

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, each text once."""
        rng = np.random.default_rng([self._settings.seed, epoch])
        order = rng.permutation(self._learnt)
        mean = max(1.0, self._corpus.facts.tokens / self._corpus.facts.texts)
        window = max(1, int(_BATCHES_SORTED_TOGETHER * self._settings.batch_tokens / mean))
        for start in range(0, len(order), window):
            examples = self._corpus.read(order[start : start + window])
            groups = self._groups(examples)
            for index in rng.permutation(len(groups)):
                yield self._batch(groups[index], rng)

    def held_out(self) -> Iterator[Batch]:
        """Yield the batches of the held-out texts, unmasked."""
        for group in self._groups(self._corpus.read(self._corpus.held_out)):
            yield self._batch(group, None)

    def tokens_in_epoch(self) -> int:
        """Return about how many tokens an epoch has."""
        facts = self._corpus.facts
        return int(facts.tokens * len(self._learnt) / facts.texts)

    def _groups(self, examples: Sequence[Example]) -> list[list[Example]]:
        """Cut examples, shortest first, where the next one would make a batch too large."""
        groups: list[list[Example]] = []
        tokens = self._settings.batch_tokens
        for example in sorted(examples, key=lambda each: each.text.count(" ")):
            length = example.text.count(" ") + 1
            if tokens + length > self._settings.batch_tokens:
                groups.append([])
                tokens = 0
            groups[-1].append(example)
            tokens += length
        return groups

    def _tokens(self, text: str) -> list[str]:
        return tokenize(text, self._settings.tokenizer, lowercase=self._settings.lowercase)

    def _batch(self, examples: list[Example], rng: np.random.Generator | None) -> Batch:
        types = {BEGIN_SENTENCE: 0, END_SENTENCE: 1}
        texts = [self._masked(example, rng) for example in examples]
        numbered = _number(texts, types)
        candidates, log_prior = self._candidates(examples, rng)
        place = {number: index for index, number in enumerate(candidates.tolist())}
        tags = _number([self._tag_tokens[number] for number in candidates], types)
        pairs = [(row, place[self._tag_numbers[tag]]) for row, example in enumerate(examples) for tag in example.tags]
        tagged, carried = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
        words = np.array([self._word_numbers.get(token, _UNKNOWN_WORD) for token in types], dtype=np.int32)
        positions, forward, backward = _targets(numbered, words)
        characters, spelt_at = self._spell(list(types))
        return Batch(characters, spelt_at, numbered, positions, forward, backward, tags, tagged, carried, log_prior)

    def _masked(self, example: Example, rng: np.random.Generator | None) -> list[str]:
        """Return the tokens, some of those that name one of the text's own tags left out at random."""
        tokens = example.text.split()
        if rng is None or not example.tags or not self._settings.tag_masking:
            return tokens
        named = {token for tag in example.tags for token in self._tokens(tag)}
        kept = [token for token in tokens if token not in named or rng.random() >= self._settings.tag_masking]
        return kept or [tokens[rng.integers(len(tokens))]]

    def _candidates(
        self, examples: Sequence[Example], rng: np.random.Generator | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the tags to tell apart: all, or where those are too many the batch's own and some drawn by share."""
        own = [self._tag_numbers[tag] for example in examples for tag in example.tags]
        limit, share = self._settings.tag_candidates, self._tag_share
        if not own:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if len(share) <= limit:
            return np.arange(len(share)), np.log(share).astype(np.float32)
        rng = np.random.default_rng(self._settings.seed) if rng is None else rng
        drawn = rng.choice(len(share), size=limit, p=share)
        candidates = np.unique(np.concatenate([own, drawn]))
        included = -np.expm1((len(own) + limit) * np.log1p(-share[candidates]))
        return candidates, np.log(share[candidates] / included).astype(np.float32)

    def _spell(self, tokens: Sequence[str]) -> tuple[tuple[IntArray, ...], IntArray]:
        ids = character_ids(tokens, self._width)
        lengths = spelt_lengths(ids)
        by_length = np.argsort(lengths, kind="stable")
        pieces = [
            ids[piece, : min(self._width, int(lengths[piece].max(initial=0)) + self._widest_filter)]
            for piece in np.array_split(by_length, CHARACTER_PIECES)
        ]
        return tuple(pieces), np.argsort(by_length).astype(np.int32)


def _number(texts: Sequence[Sequence[str]], types: dict[str, int]) -> Texts:
    lengths = np.array([len(tokens) for tokens in texts], dtype=np.int32)
    padded = np.zeros((int(lengths.max(initial=1)), len(texts)), dtype=np.int32)
    for column, tokens in enumerate(texts):
        padded[: len(tokens), column] = [types.setdefault(token, len(types)) for token in tokens]
    return Texts(padded, lengths)


def _targets(texts: Texts, words: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return where a word follows in each direction's reading, and which: the next, or the one before."""
    longest, n_texts = texts.types.shape
    steps = np.arange(longest + 1)[:, np.newaxis]
    forward = np.concatenate([words[texts.types], np.full((1, n_texts), _END_WORD)]).astype(np.int32)
    forward[texts.lengths, np.arange(n_texts)] = _END_WORD
    mirrored = np.clip(texts.lengths - 1 - steps, 0, longest - 1)
    backward = words[np.take_along_axis(texts.types, mirrored, axis=0)]
    backward[texts.lengths, np.arange(n_texts)] = _BEGIN_WORD
    positions = np.flatnonzero(steps <= texts.lengths).astype(np.int32)
    return positions, forward.reshape(-1)[positions], backward.reshape(-1)[positions]
