"""Where a killed run goes on: every variable and every count, in one file that is replaced whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py

from tagdb.elmo.files import replaced_whole
from tagdb.elmo.training.damage import damage_reported
from tagdb.elmo.training.trainer import HeldOut, StepResult

_STATE = "state.hdf5"
_SMOOTHING = 0.05


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: smoothed losses in nats, the run's time and tokens until then, held-out measures."""

    number: int
    language_loss: float
    tag_loss: float
    seconds: float
    tokens: int
    held_out: HeldOut

    @property
    def taught_language(self) -> bool:
        """Whether all of the network learnt, and not the vectors of tokens alone."""
        return self.language_loss > 0.0


@dataclass
class Position:
    """How far a run is: whole epochs, steps and tokens of the next, and what all of it took, resumed or not.

    A phase is a number of epochs that learn the same; `losses` are the smoothed language and tag losses of its latest
    steps, in nats.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    tokens_in_epoch: int = 0
    steps: int = 0
    steps_in_phase: int = 0
    seconds: float = 0.0
    tokens: int = 0
    losses: tuple[float, float] | None = None
    epochs: list[Epoch] = field(default_factory=list)

    def advance(self, tokens: int, seconds: float, result: StepResult) -> None:
        """Count a step."""
        self.steps += 1
        self.steps_in_phase += 1
        self.step_in_epoch += 1
        self.tokens_in_epoch += tokens
        self.tokens += tokens
        self.seconds += seconds
        new = (result.language_loss, result.tag_loss)
        old = self.losses or new
        self.losses = (old[0] + _SMOOTHING * (new[0] - old[0]), old[1] + _SMOOTHING * (new[1] - old[1]))

    def begin_phase(self) -> None:
        """Let what follows learn something else: its steps and losses are counted anew."""
        self.steps_in_phase, self.losses = 0, None

    def end_epoch(self, held_out: HeldOut) -> Epoch:
        """Note what the epoch came to, and begin the next."""
        assert self.losses is not None
        self.epoch += 1
        self.step_in_epoch = self.tokens_in_epoch = 0
        epoch = Epoch(self.epoch, *self.losses, self.seconds, self.tokens, held_out)
        self.epochs.append(epoch)
        return epoch

    def to_json(self) -> str:
        """Return the position as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Position:
        """Read what `to_json` wrote."""
        content: dict[str, Any] = json.loads(text)
        epochs = [Epoch(**{**each, "held_out": HeldOut(*each["held_out"])}) for each in content.pop("epochs")]
        losses = content.pop("losses")
        return cls(**content, losses=losses and tuple(losses), epochs=epochs)


def save(folder: Path, variables: Mapping[str, Any], position: Position) -> None:
    """Write the state of a run; a crash at any moment leaves the old one or the new one."""
    with replaced_whole(folder / _STATE) as partial, h5py.File(partial, "w") as file:
        for name, variable in variables.items():
            file.create_dataset(name, data=variable.numpy())
        file.attrs["position"] = position.to_json()


def restore(folder: Path, variables: Mapping[str, Any]) -> Position | None:
    """Load the state of a run into its variables; None when there is none yet.

    Raises
    ------
    WeightsError : the file is damaged, or of a run with another shape
    """
    path = folder / _STATE
    if not path.exists():
        return None
    with damage_reported(path), h5py.File(path, "r") as file:
        for name, variable in variables.items():
            variable.assign(file[name][()])
        return Position.from_json(str(file.attrs["position"]))
