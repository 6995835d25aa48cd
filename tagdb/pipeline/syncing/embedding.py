"""Texts that lack a vector get one: read in sorted blocks, embedded, written by COPY while the next is embedded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import NamedTuple

import numpy as np

from tagdb.db import copy
from tagdb.db.connection import Database, Session
from tagdb.errors import DatabaseError, InputRefused
from tagdb.models import Embedder, Progress, Reporter
from tagdb.pipeline.embedders import registry
from tagdb.pipeline.embedders.registry import StoredEmbedder
from tagdb.pipeline.running.stopping import finishing_blocks

DEFAULT_MAX_TOKENS = 512
FIRST_BLOCK_BYTES = 2**14
"""As long as the texts of the first block are together: some seconds of a large model's time, less of a small one's."""

BLOCK_SECONDS = 5.0
BLOCK_SHARE = 1 / 32
"""A block may take so long, or be such a share of all that is due: neighbours in large blocks share more of their
prefixes and suffixes, but a killed run loses the block at hand.
"""

GROWTH = 4
LARGEST_VECTORS_BYTES = 2**28
LARGEST_TEXTS_BYTES = 2**25

NO_TOKEN = "no token"  # noqa: S105


class Place(NamedTuple):
    """How far the staged texts are fetched: the number of the last one, and how long all are up to there."""

    number: int
    upto: int


START = Place(0, 0)


@dataclass
class Block:
    """Texts of one block on their way: those with a vector, row by row, and those without, with the reason."""

    text_ids: list[int] = field(default_factory=list)
    tokens: list[Sequence[str]] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    end: Place = START

    @property
    def size(self) -> int:
        """How many texts there are."""
        return len(self.text_ids) + len(self.failures)


@dataclass
class Embedded:
    """How many distinct texts were embedded, how many of them only up to the token cap, and which failed why."""

    due: int = 0
    texts: int = 0
    truncated: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def texts_per_second(self) -> float | None:
        """The rate of embedding and writing, None when there was nothing to tell it from."""
        return self.texts / self.seconds if self.texts and self.seconds else None

    def add(self, block: Block) -> None:
        """Count a block that has been committed."""
        self.texts += len(block.text_ids)
        self.truncated += sum(block.truncated)
        for reason in block.failures.values():
            self.failed[reason] = self.failed.get(reason, 0) + 1


@contextmanager
def loading(embedder: StoredEmbedder, *, ahead: bool) -> Iterator[Callable[[], Embedder]]:
    """Give the function that returns the embedder's model: loaded when called or, `ahead`, in the background by then.

    What keeps it from being loaded is raised by the call alone.
    """
    if not ahead:
        yield partial(registry.load, embedder)
        return
    with ThreadPoolExecutor(1, "tagdb-load") as loader:
        yield loader.submit(registry.load, embedder).result


def embed_due(
    database: Database,
    session: Session,
    embedder: StoredEmbedder,
    load: Callable[[], Embedder],
    done: Embedded,
    reporter: Reporter,
    *,
    limit: int | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    block_size: int | None = None,
) -> None:
    """Embed every text that has neither a vector of `embedder` nor a recorded failure, at most `limit` of them.

    Each block, of `block_size` texts or of as many as take some seconds or a little of all the time, commits on its own
    and is counted in `done` then, whatever becomes of the next one. The model is loaded only when something is due.
    """
    session.execute("sync.stage_due_texts", embedder=embedder.id, limit=limit)
    session.execute("sync.index_due_texts")
    staged = session.row("sync.measure_due")
    assert staged is not None
    done.due = staged.texts
    if done.due:
        reporter.say(f"loading embedder {embedder.name!r}")
        encoder = load()
        started = time.perf_counter()
        with database.second_session() as second, reporter.step("embedding", done.due, "texts") as progress:
            turn = Lock() if second is None else nullcontext()
            fetch = partial(_fetch, session, encoder, max_tokens, turn)
            store = partial(_store, second or session, embedder.id, done, turn)
            _embed_blocks(encoder, fetch, store, _Pace(encoder.dim, staged.bytes, block_size), progress)
        done.seconds = time.perf_counter() - started
        session.execute("sync.analyze_vectors")
    session.execute("sync.drop_due")


class _Pace:
    """How many texts, and how many bytes of them, the next block is to have: by how long the last ones took."""

    def __init__(self, dim: int, due_bytes: int, fixed_size: int | None) -> None:
        self.texts = fixed_size or max(1, LARGEST_VECTORS_BYTES // (dim * np.dtype(np.float32).itemsize))
        self.bytes = FIRST_BLOCK_BYTES if fixed_size is None else 2**62
        self._share = int(BLOCK_SHARE * due_bytes)
        self._fixed = fixed_size is not None

    def took(self, size_bytes: int, seconds: float) -> None:
        """Take the next block as large as its time allows, and not many times as large as one whose time is known."""
        if self._fixed or not size_bytes:
            return
        in_time = int(size_bytes * BLOCK_SECONDS / max(seconds, 1e-6))
        largest = min(GROWTH * size_bytes, LARGEST_TEXTS_BYTES)
        self.bytes = max(min(max(in_time, self._share), largest), 1)


def _embed_blocks(
    encoder: Embedder,
    fetch: Callable[[Place, int, int], Block],
    store: Callable[[Block], None],
    pace: _Pace,
    progress: Progress,
) -> None:
    """Embed the staged texts block by block; meanwhile the block before is stored and the next one is fetched."""
    reached = START
    storing: Future[None] | None = None
    with (
        finishing_blocks() as stop,
        ThreadPoolExecutor(1, "tagdb-fetch") as fetcher,
        ThreadPoolExecutor(1, "tagdb-store") as storer,
    ):
        fetching = fetcher.submit(fetch, reached, pace.texts, pace.bytes)
        while (block := fetching.result()).end != reached and not stop.requested:
            started = time.perf_counter()
            fetching = fetcher.submit(fetch, block.end, pace.texts, pace.bytes)
            _embed(block, encoder)
            if storing:
                storing.result()
            storing = storer.submit(store, block)
            progress.advance(block.size)
            pace.took(block.end.upto - reached.upto, time.perf_counter() - started)
            reached = block.end
        if storing:
            storing.result()


def _fetch(
    session: Session,
    encoder: Embedder,
    max_tokens: int,
    turn: AbstractContextManager[object],
    after: Place,
    texts: int,
    size_bytes: int,
) -> Block:
    """Return the staged texts from a place on, split into tokens; a block that ends there when there are none."""
    with turn:
        rows = session.rows("sync.due_block", after=after.number, upto=after.upto, texts=texts, bytes=size_bytes)
    here = [row for row in rows if row.id is not None]
    block = _tokenize([row.id for row in here], [row.text for row in here], encoder, max_tokens)
    block.end = Place(rows[-1].place, rows[-1].upto) if rows else after
    return block


def _tokenize(text_ids: Sequence[int], texts: Sequence[str], encoder: Embedder, max_tokens: int) -> Block:
    block = Block()
    for text_id, tokens in zip(text_ids, encoder.tokenize(texts), strict=True):
        if not tokens:
            block.failures[text_id] = NO_TOKEN
            continue
        block.text_ids.append(text_id)
        block.tokens.append(tokens[:max_tokens])
        block.truncated.append(len(tokens) > max_tokens)
    return block


def _embed(block: Block, encoder: Embedder) -> None:
    """Embed the block's texts; where the encoder refuses, halve until the text that it refuses stands alone."""
    refused: dict[int, str] = {}

    def embed(start: int, stop: int) -> None:
        if start == stop:
            return
        try:
            block.vectors.append(encoder.embed_tokens(block.tokens[start:stop]))
        except InputRefused as error:
            if stop - start == 1:
                refused[start] = str(error)
                return
            middle = (start + stop) // 2
            embed(start, middle)
            embed(middle, stop)

    embed(0, len(block.tokens))
    for index in sorted(refused, reverse=True):
        block.failures[block.text_ids[index]] = refused[index]
        del block.text_ids[index], block.tokens[index], block.truncated[index]


def _store(session: Session, embedder: int, done: Embedded, turn: AbstractContextManager[object], block: Block) -> None:
    with turn:
        store_block(session, embedder, done, block)


def store_block(session: Session, embedder: int, done: Embedded, block: Block) -> None:
    """Store a block in one transaction, vectors by COPY and failures with their reasons, and count it in `done`."""
    with session.transaction():
        if block.text_ids:
            _copy_vectors(session, embedder, block)
        if block.failures:
            session.execute(
                "sync.record_failures",
                embedder=embedder,
                text_ids=list(block.failures),
                reasons=list(block.failures.values()),
            )
    done.add(block)


def _copy_vectors(session: Session, embedder: int, block: Block) -> None:
    columns: dict[str, np.ndarray] = {
        "text_id": np.array(block.text_ids, dtype=np.int64),
        "embedder_id": np.full(len(block.text_ids), embedder, dtype=np.int32),
        "tokens": np.array([len(tokens) for tokens in block.tokens], dtype=np.int32),
        "truncated": np.array(block.truncated, dtype=np.bool_),
        "embedding": block.vectors[0] if len(block.vectors) == 1 else np.concatenate(block.vectors),
    }
    table = session.qualified("text_vector")
    try:
        with session.transaction():
            copy.copy_in(session.cursor(), table, list(columns), list(columns.values()))
    except DatabaseError:
        rows = session.rows("sync.not_storable", text_ids=block.text_ids, embedder=embedder)
        if not rows:
            raise
        storable = ~np.isin(columns["text_id"], [row.text_id for row in rows])
        copy.copy_in(session.cursor(), table, list(columns), [each[storable] for each in columns.values()])
