"""Pre-training of a biLM of ELMo's form on anybody's texts, and of its pooled vectors on their tags.

The recipe is that of Peters et al. (2018) and bilm-tf, trained without state from text to text, with a second
objective beside the language model's: a text's vector comes near to the vectors of its tags' names.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.options import CENTRE, ElmoOptions
from tagdb.elmo.spec import Description
from tagdb.elmo.training import checkpoint
from tagdb.elmo.training.batches import Batch, Batches
from tagdb.elmo.training.beginning import begin_anew, begin_from
from tagdb.elmo.training.card import CARD, NOT_STATED, Provenance, write_card
from tagdb.elmo.training.checkpoint import Epoch, Position
from tagdb.elmo.training.corpus import Corpus, Example, spool
from tagdb.elmo.training.curve import plot_curve
from tagdb.elmo.training.optimizer import learning_rate
from tagdb.elmo.training.output import claim, write_embedder
from tagdb.elmo.training.settings import Settings, Size
from tagdb.elmo.training.trainer import HeldOut, StepResult, Trainer
from tagdb.errors import TagdbError
from tagdb.models import Progress, Reporter, Silent

__all__ = ["NOT_STATED", "Diverged", "Example", "Outcome", "Provenance", "Settings", "Size", "plot_curve", "pretrain"]

CHECKPOINT_FOLDER = "checkpoint"
_SECONDS_BETWEEN_CHECKPOINTS = 600.0


class Diverged(TagdbError):
    """The loss stopped being a number; the last checkpoint and the best epoch's weights from before are kept."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to: its epochs, the best of them (whose weights were written), why it ended, where to go on."""

    directory: Path
    checkpoint: Path
    epochs: tuple[Epoch, ...]
    best: Epoch
    reason: str


def pretrain(
    examples: Callable[[], Iterable[Example]],
    directory: Path,
    settings: Settings,
    size: Size,
    *,
    provenance: Provenance,
    init: Path | None = None,
    number_format: str = "float16",
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome | None:
    """Train an ELMo and write it to `directory` in AllenNLP's format, the best epoch's weights.

    `examples` is read once, at the start of a new run; a run that was killed goes on from `directory`/checkpoint, with
    the texts it had then. With `init`, a directory in AllenNLP's format, training goes on from those weights, with
    their layer mix but from the zero state, and `size` is ignored. Returns None when `should_stop` (asked after every
    step) ended the run; it can be resumed.

    Raises
    ------
    InputRefused : the texts or the settings leave nothing to learn, the directory cannot be written, or holds a run
        with other settings
    WeightsError : the checkpoint or `init` is damaged
    Diverged : the loss is no longer a number
    """
    reporter = reporter or Silent()
    begin = begin_anew(size, settings, provenance) if init is None else begin_from(init, settings, provenance)
    options, settings, provenance = begin.options, begin.settings, begin.provenance
    checkpoints = claim(directory, CHECKPOINT_FOLDER, settings, options, init, provenance.corpus)
    if begin.news:
        reporter.say(begin.news)
    if not Corpus.exists(checkpoints):
        with reporter.step("reading texts", unit="texts") as progress:
            spool(examples(), checkpoints, settings, progress)
    corpus = Corpus(checkpoints)
    trainer = Trainer(options, begin.weights, corpus.vocabulary, settings, begin.layer_weights)
    run = _Run(trainer, corpus, options, settings, checkpoints, reporter, should_stop)
    reporter.say(run.describe())

    def write(best: Epoch) -> None:
        described = Description(
            name=provenance.name or directory.resolve().name,
            lowercase=settings.lowercase,
            tokenizer=settings.tokenizer,
            layer_weights=begin.layer_weights,
            source=provenance.source,
            licence=provenance.licence,
            description=f"trained by tagdb on {corpus.facts.tokens:,} tokens; see {CARD}",
        )
        is_centred = CENTRE in begin.weights or corpus.facts.tagged_texts > 0
        write_embedder(directory, options, trainer.weights(centred=is_centred), described, number_format)
        words = len(corpus.vocabulary.words)
        write_card(directory, provenance, settings, corpus.facts, words, run.position.epochs, best)

    return run.to_the_end(directory, write)


class _Run:
    """The loop over epochs, and what has to be kept of it."""

    def __init__(
        self,
        trainer: Trainer,
        corpus: Corpus,
        options: ElmoOptions,
        settings: Settings,
        checkpoints: Path,
        reporter: Reporter,
        should_stop: Callable[[], bool],
    ) -> None:
        self._trainer, self._corpus, self._settings = trainer, corpus, settings
        self._checkpoints, self._reporter, self._should_stop = checkpoints, reporter, should_stop
        cnn = options.char_cnn
        self._batches = Batches(corpus, settings, cnn.max_characters_per_token, cnn.widest_filter)
        restored = checkpoint.restore(checkpoints, trainer.state())
        self.position = restored or Position()
        self._is_resumed = restored is not None
        self._token_epochs = settings.token_epochs if corpus.facts.tagged_texts else 0

    def describe(self) -> str:
        """Say what is learnt, and from where."""
        facts = self._corpus.facts
        begin = f"going on after {self.position.steps:,} steps: " if self._is_resumed else ""
        tagged = f", {facts.tagged_texts:,} texts tagged" if facts.tagged_texts else ""
        return (
            f"{begin}{facts.texts:,} texts of {facts.tokens:,} tokens, "
            f"{len(self._corpus.vocabulary.words):,} words ({facts.coverage:.1%} of the tokens){tagged}"
        )

    def to_the_end(self, directory: Path, write: Callable[[Epoch], None]) -> Outcome | None:
        """Learn epoch after epoch; `write` is called after each that is the best so far."""
        while (reason := self._reason_to_end()) is None:
            if not self._learn_epoch():
                return None
            epoch = self.position.epochs[-1]
            if epoch is self._best():
                write(epoch)
            self._save()
            self._reporter.say(_line(epoch, is_best=epoch is self._best()))
        return Outcome(directory, self._checkpoints, tuple(self.position.epochs), self._best(), reason)

    def _reason_to_end(self) -> str | None:
        position, settings = self.position, self._settings
        if not position.epochs:
            return None
        if position.epoch >= self._token_epochs + settings.epochs:
            return f"{settings.epochs} epochs are done"
        if self._hours_are_over():
            return f"{settings.hours:g} hours are over"
        if position.epoch - max(self._best().number, self._token_epochs) >= settings.patience:
            return f"the held-out loss has not fallen for {settings.patience} epochs"
        return None

    def _hours_are_over(self) -> bool:
        return self._settings.hours is not None and self.position.seconds >= 3600 * self._settings.hours

    def _best(self) -> Epoch:
        return min(self.position.epochs, key=lambda epoch: epoch.held_out.loss(self._settings.tag_weight))

    def _learn_epoch(self) -> bool:
        """Learn the rest of an epoch and measure it; False when the run was asked to stop."""
        position, total = self.position, self._batches.tokens_in_epoch()
        saved = time.monotonic()
        with self._reporter.step(f"epoch {position.epoch + 1}", total, unit="tokens") as progress:
            progress.advance(position.tokens_in_epoch)
            for batch in islice(self._batches.epoch(position.epoch), position.step_in_epoch, None):
                self._learn(batch, progress, total)
                if self._should_stop():
                    self._save()
                    return False
                if time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                    self._save()
                    saved = time.monotonic()
                if self._hours_are_over():
                    break
        position.end_epoch(self._measured())
        if position.epoch == self._token_epochs:
            position.begin_phase()
        return True

    def _learn(self, batch: Batch, progress: Progress, tokens_in_epoch: int) -> None:
        position, settings = self.position, self._settings
        share = self._share_done(tokens_in_epoch)
        started = time.monotonic()
        rate = learning_rate(settings.learning_rate, position.steps_in_phase, settings.warm_up, share)
        result = self._stepped(batch, rate)
        tokens = int(batch.texts.lengths.sum())
        position.advance(tokens, time.monotonic() - started, result)
        progress.advance(tokens)
        progress.note(self._news(self._share_done(tokens_in_epoch)))

    def _learns_tokens(self) -> bool:
        return self.position.epoch < self._token_epochs

    def _stepped(self, batch: Batch, rate: float) -> StepResult:
        try:
            step = self._trainer.token_step if self._learns_tokens() else self._trainer.step
            return step(batch, self.position.steps_in_phase + 1, rate)
        except tf.errors.InvalidArgumentError as error:
            if "Tensor had" not in str(error):  # what `check_numerics` says
                raise
            raise self._diverged("loss") from error

    def _measured(self) -> HeldOut:
        with np.errstate(over="ignore"):
            held_out = self._trainer.evaluate(self._batches.held_out())
        if not math.isfinite(held_out.loss(self._settings.tag_weight)):
            raise self._diverged("held-out loss")
        return held_out

    def _diverged(self, loss: str) -> Diverged:
        rate = self._settings.learning_rate
        return Diverged(
            f"the {loss} is no longer a number, at step {self.position.steps + 1:,}",
            hint=f"train into another folder with a lower rate, such as --learning-rate {rate / 3:.1g}",
        )

    def _share_done(self, tokens_in_epoch: int) -> float:
        """Return how much of the run is behind, 0..1, by its epochs or its hours, whichever end sooner."""
        position, settings = self.position, self._settings
        done = position.epoch + position.tokens_in_epoch / tokens_in_epoch
        share = done / (self._token_epochs + settings.epochs)
        if settings.hours is not None:
            share = max(share, position.seconds / (3600 * settings.hours))
        return min(1.0, share)

    def _news(self, share: float) -> str:
        assert self.position.losses is not None
        language_loss, tag_loss = self.position.losses
        left = self.position.seconds * (1 / share - 1) if share else 0.0
        losses = [f"loss {language_loss:.2f}"] if not self._learns_tokens() else []
        losses += [f"tags {tag_loss:.2f}"] if self._corpus.facts.tagged_texts else []
        return f"{', '.join(losses)}, all done in {timedelta(seconds=round(left))}"

    def _save(self) -> None:
        checkpoint.save(self._checkpoints, self._trainer.state(), self.position)


def _line(epoch: Epoch, *, is_best: bool) -> str:
    held_out = epoch.held_out
    measures = [f"held-out perplexity {held_out.perplexity:,.1f}"] if epoch.taught_language else ["tokens alone"]
    measures += [] if held_out.tag_accuracy is None else [f"nearest tag right for {held_out.tag_accuracy:.1%}"]
    worth = " (best so far: written)" if is_best else ""
    return f"epoch {epoch.number}: {', '.join(measures)}{worth}"
