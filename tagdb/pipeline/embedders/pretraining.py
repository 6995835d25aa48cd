"""`tagdb embedder train`: an ELMo of the user's own, pre-trained on texts of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tagdb import elmo, pictures
from tagdb.db.connection import Database
from tagdb.elmo.spec import ELMO, kind_of
from tagdb.elmo.training.settings import Settings, Size
from tagdb.errors import EmbedderUnavailable
from tagdb.models import Reporter
from tagdb.pipeline.embedders import installed, registry
from tagdb.pipeline.embedders.training_texts import TrainingTexts
from tagdb.pipeline.running.stopping import finishing_blocks

if TYPE_CHECKING:
    from tagdb.elmo.pretrain import Outcome

__all__ = ["PretrainResult", "Settings", "Size", "TrainingTexts", "pretrain"]


@dataclass(frozen=True)
class PretrainResult:
    """An embedder that was trained: how good it is on texts it never learnt, why training ended, and where it lies.

    `perplexity` is per token, of both directions; `tag_accuracy` the share of tagged texts whose nearest tag is one of
    theirs, None without tags. `checkpoint` lets the same run go on for more epochs.
    """

    name: str
    directory: str
    epochs: int
    best_epoch: int
    perplexity: float
    tag_accuracy: float | None
    reason: str
    dim: int
    fingerprint: str
    checkpoint: str
    checkpoint_bytes: int

    @property
    def can_be_stored(self) -> bool:
        """Whether its vectors are short enough for the database."""
        return self.dim <= registry.LARGEST_DIM


def pretrain(
    open_database: Callable[[], Database],
    texts: TrainingTexts,
    directory: Path,
    settings: Settings,
    size: Size,
    reporter: Reporter,
    *,
    name: str | None = None,
    licence: str | None = None,
    command: str | None = None,
    init: str | None = None,
    number_format: str = "float16",
    plot: Path | None = None,
) -> PretrainResult:
    """Train an ELMo on `texts` and write it to `directory`, in AllenNLP's format and with a model card.

    `open_database` is called only where a query has to be run: not for files, and not by a run that goes on. With
    `init`, an embedder's name or folder, training goes on from its weights, and `size` does not count.

    Raises
    ------
    InputRefused : the texts leave nothing to learn, the directory cannot be written or holds another run, or the
        picture cannot be drawn
    QueryRefused : a query cannot be run or lacks a column
    EmbedderUnavailable : there is no embedder `init`, or its files or the checkpoint's are damaged
    Diverged : the loss is no longer a number
    Stopped : a signal came; the run's checkpoint is kept
    """
    if plot is not None:
        pictures.require_drawable(plot)
    folder = None if init is None else _elmo_folder(init)
    from tagdb.elmo import pretrain as training

    provenance = training.Provenance(
        name, texts.describe(), licence or training.NOT_STATED, command or training.NOT_STATED, init
    )
    with finishing_blocks() as request:

        def examples() -> Iterator[training.Example]:
            for text, tags in texts.read(open_database):
                request.check()
                yield training.Example(text, tags)

        outcome = training.pretrain(
            examples,
            directory,
            settings,
            size,
            provenance=provenance,
            init=folder,
            number_format=number_format,
            reporter=reporter,
            should_stop=lambda: request.requested,
        )
    assert outcome is not None, "only a signal ends a run without an outcome"
    result = _result(outcome, directory)
    if plot is not None:
        training.plot_curve(outcome.epochs, outcome.best, plot, f"Pre-training of {result.name}")
    return result


def _elmo_folder(init: str) -> Path:
    folder = installed.checked(init)
    if (kind := kind_of(folder)) != ELMO:
        raise EmbedderUnavailable(
            f"embedder {init!r} is a {kind}; only an ELMo can be trained", hint="tagdb embedder list"
        )
    return folder


def _result(outcome: Outcome, directory: Path) -> PretrainResult:
    spec, held_out = elmo.read_spec(directory), outcome.best.held_out
    checkpoint = outcome.checkpoint
    return PretrainResult(
        name=spec.name,
        directory=str(directory),
        epochs=len(outcome.epochs),
        best_epoch=outcome.best.number,
        perplexity=held_out.perplexity,
        tag_accuracy=held_out.tag_accuracy,
        reason=outcome.reason,
        dim=spec.dim,
        fingerprint=spec.fingerprint,
        checkpoint=str(checkpoint),
        checkpoint_bytes=sum(file.stat().st_size for file in checkpoint.iterdir()),
    )
