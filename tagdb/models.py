"""The small values that travel between the layers: nothing here computes or connects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Progress(Protocol):
    """Where a long step says how far it is; the command line draws it, a library caller may ignore it."""

    def advance(self, amount: int) -> None:
        """Count `amount` more units as done."""
        ...

    def note(self, text: str) -> None:
        """Show a few words beside the progress, until the next ones."""
        ...


class Reporter(Protocol):
    """What a use case tells while it runs: lines of news, and steps with a progress of their own."""

    def say(self, message: str) -> None:
        """Report one line of news."""
        ...

    def warn(self, message: str) -> None:
        """Report one line that also those want to read who asked for silence."""
        ...

    def step(self, name: str, total: int | None = None, unit: str = "rows") -> AbstractContextManager[Progress]:
        """Open a step of `total` units (unknown when None)."""
        ...


class Silent:
    """The reporter of library callers and tests: it says nothing."""

    def say(self, message: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:  # noqa: ARG002
        """Open a step that nobody watches."""
        yield self

    def advance(self, amount: int) -> None:
        """Count nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Patience:
    """How many seconds to wait for another tagdb to end, and where to say that it is waited for."""

    seconds: float = 0.0
    say: Callable[[str], None] = Silent().say


NO_PATIENCE = Patience()


@dataclass(frozen=True)
class EmbedderSpec:
    """What identifies an embedder: two specs with one fingerprint give the same vector for the same text.

    `fingerprint` covers weights, options, tokeniser, layer mix, pooling, start state and number format.
    """

    name: str
    kind: str
    fingerprint: str
    dim: int
    directory: str
    config: dict[str, object]


class Embedder(Protocol):
    """A model that gives each text one vector, the same whatever the text is embedded with."""

    @property
    def spec(self) -> EmbedderSpec:
        """What identifies it."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[list[str]]:
        """Split texts into what `embed_tokens` takes; a text that holds nothing to embed has no token.

        One thread may split texts while another one embeds.
        """
        ...

    def embed(self, texts: Sequence[str], *, max_tokens: int = ...) -> NDArray[np.float32]:
        """Return the vectors of texts, shape (n_texts, dim), from the first `max_tokens` tokens of each."""
        ...

    def embed_tokens(self, tokenized: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Return the vectors of texts that are split already, shape (n_texts, dim).

        Raises InputRefused when one of them cannot be given a vector.
        """
        ...
