"""Texts that are embedded and stored together: split into tokens, given vectors or a reason, written by COPY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tagdb.db import copy
from tagdb.db.connection import Session
from tagdb.errors import DatabaseError, InputRefused
from tagdb.models import Embedder

NO_TOKEN = "no token"  # noqa: S105


@dataclass
class Block:
    """Texts on their way: those with a vector, row by row, and those without, with the reason."""

    text_ids: list[int] = field(default_factory=list)
    tokens: list[Sequence[str]] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many texts there are of each kind that `tagdb.worker` counts."""
        without_token = sum(reason == NO_TOKEN for reason in self.failures.values())
        return {
            "texts": len(self.text_ids),
            "truncated": sum(self.truncated),
            "without_token": without_token,
            "refused": len(self.failures) - without_token,
        }


def tokenize(text_ids: Sequence[int], texts: Sequence[str], encoder: Embedder, max_tokens: int) -> Block:
    """Split texts into tokens; those that have none are failures already."""
    block = Block()
    for text_id, tokens in zip(text_ids, encoder.tokenize(texts), strict=True):
        if not tokens:
            block.failures[text_id] = NO_TOKEN
            continue
        block.text_ids.append(text_id)
        block.tokens.append(tokens[:max_tokens])
        block.truncated.append(len(tokens) > max_tokens)
    return block


def embed(block: Block, encoder: Embedder) -> None:
    """Embed the block's texts; where the encoder refuses, halve until the text that it refuses stands alone."""
    refused: dict[int, str] = {}

    def embed_part(start: int, stop: int) -> None:
        if start == stop:
            return
        try:
            block.vectors.append(encoder.embed_tokens(block.tokens[start:stop]))
        except InputRefused as error:
            if stop - start == 1:
                refused[start] = str(error)
                return
            middle = (start + stop) // 2
            embed_part(start, middle)
            embed_part(middle, stop)

    embed_part(0, len(block.tokens))
    for index in sorted(refused, reverse=True):
        block.failures[block.text_ids[index]] = refused[index]
        del block.text_ids[index], block.tokens[index], block.truncated[index]


def store(session: Session, embedder: int, block: Block) -> None:
    """Store a block as one transaction, or as a part of the caller's: vectors by COPY, failures with their reasons."""
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
