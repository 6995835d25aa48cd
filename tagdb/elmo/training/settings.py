"""What a biLM's training can be told, with defaults that suit a few hours on a few cores."""

from __future__ import annotations

from dataclasses import dataclass

from tagdb.elmo.options import CharCnnOptions, ElmoOptions, LstmOptions
from tagdb.elmo.tokenizers import WORDS
from tagdb.errors import InputRefused

_SHORTEST_RUN_HOURS = 1 / 3600
_CHARACTERS_PER_TOKEN = 50
_CLIP = 3.0


@dataclass(frozen=True)
class Size:
    """The shape of a new ELMo; its vectors are 2 * `projection_dim` long.

    A `cell_dim` other than `projection_dim` keeps the file readable for the published loaders, which drop the
    projection where both are equal.
    """

    cell_dim: int = 640
    projection_dim: int = 512
    filters: tuple[tuple[int, int], ...] = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 256), (7, 256))
    n_highway: int = 2
    character_dim: int = 16

    def options(self) -> ElmoOptions:
        """Return the options of an ELMo of this size, otherwise like the published ones."""
        cnn = CharCnnOptions("relu", self.filters, self.n_highway, self.character_dim, _CHARACTERS_PER_TOKEN)
        return ElmoOptions(cnn, LstmOptions(self.cell_dim, self.projection_dim, 2, True, _CLIP, _CLIP))


@dataclass(frozen=True)
class Settings:
    """How a training run goes.

    Where texts have tags, `token_epochs` teach the vectors of tokens alone what texts are about, at a fraction of the
    time; then all of the network learns for `epochs`. Texts longer than `max_tokens` become several. A batch holds
    about `batch_tokens` tokens. Of the texts a share `held_out`, but no more than `held_out_texts`, is never learnt.
    The learning rate rises over `warm_up` steps and falls along a cosine to a tenth. Training ends after its epochs, or
    `hours`, or when the held-out loss has not fallen for `patience` epochs.
    """

    epochs: int = 10
    token_epochs: int = 3
    hours: float | None = None
    vocabulary: int = 30_000
    lowercase: bool = True
    tokenizer: str = WORDS
    seed: int = 42
    batch_tokens: int = 2_048
    max_tokens: int = 64
    negatives: int = 1_024
    learning_rate: float = 1e-3
    warm_up: int = 200
    clip_norm: float = 5.0
    dropout: float = 0.1
    token_dropout: float = 0.05
    held_out: float = 0.02
    held_out_texts: int = 2_000
    patience: int = 3
    tag_weight: float = 1.0
    tag_candidates: int = 256
    tag_masking: float = 0.3

    def __post_init__(self) -> None:
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputRefused(f"{name} is {value}", hint=f"choose a number from {low:g} to {high:g}")


_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 10_000),
    ("token_epochs", 0, 10_000),
    ("hours", _SHORTEST_RUN_HOURS, 10_000),
    ("vocabulary", 2, 2_000_000),
    ("batch_tokens", 16, 1_000_000),
    ("max_tokens", 2, 512),
    ("negatives", 1, 1_000_000),
    ("learning_rate", 1e-8, 1),
    ("warm_up", 0, 1_000_000),
    ("clip_norm", 1e-6, 1e6),
    ("dropout", 0, 0.9),
    ("token_dropout", 0, 0.9),
    ("held_out", 0.0001, 0.5),
    ("held_out_texts", 1, 1_000_000),
    ("patience", 1, 10_000),
    ("tag_weight", 0, 1000),
    ("tag_candidates", 2, 100_000),
    ("tag_masking", 0, 1),
)
