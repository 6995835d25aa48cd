"""The model card: what a stranger must know of an embedder before using it, written by what trained it."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tagdb.config import VERSION
from tagdb.elmo.files import write_text
from tagdb.elmo.spec import WEIGHTS_FILE, Description, read_spec
from tagdb.elmo.tokenizers import SPACES, WHITESPACE, WORDS
from tagdb.elmo.training.checkpoint import Epoch
from tagdb.elmo.training.corpus import Facts
from tagdb.elmo.training.settings import Settings

CARD, CARD_DATA = "model-card.md", "model-card.json"
NOT_STATED = "not stated"
_SIZES = ("cell_dim", "projection_dim", "n_layers", "n_filters", "n_highway", "lowercase", "tokenizer")
_TOKENS = {
    SPACES: "split at spaces",
    WHITESPACE: "split at white space",
    WORDS: "words, without the punctuation between them",
}
_EXPLANATION = (
    "Losses are of the training texts, in nats, with a sampled softmax. Perplexity is per token of held-out texts, "
    "over all words, the geometric mean of both directions; the last column is the share of held-out tagged texts "
    "whose nearest tag name, by cosine and over the candidates, is one of theirs. The weights are the bold epoch's."
)


@dataclass(frozen=True)
class Provenance:
    """What only the caller knows of a run: for the model card, and for embedder.json.

    `init` names the embedder that it began from; `init_source` is what that one says of where it comes from.
    """

    name: str | None = None
    corpus: str = NOT_STATED
    licence: str = NOT_STATED
    command: str = NOT_STATED
    init: str | None = None
    init_source: str = ""

    @property
    def source(self) -> str:
        """Where the weights come from, in all."""
        return f"{self.corpus}; begun from: {self.init_source}" if self.init_source else self.corpus

    def begun_from(self, described: Description) -> Provenance:
        """Return the provenance of a run that begins from weights so described; their licence holds unless stated."""
        licence = described.licence if self.licence == NOT_STATED and described.licence else self.licence
        return replace(self, licence=licence, init_source=described.source)


def write_card(
    directory: Path,
    provenance: Provenance,
    settings: Settings,
    facts: Facts,
    words: int,
    epochs: Sequence[Epoch],
    best: Epoch,
) -> None:
    """Write model-card.md for people and model-card.json for programs beside the weights in `directory`."""
    spec = read_spec(directory)
    versions = {"tagdb": VERSION, "tensorflow": version("tensorflow"), "python": platform.python_version()}
    data = {
        "name": spec.name,
        "fingerprint": spec.fingerprint,
        "dim": spec.dim,
        "bytes": (directory / WEIGHTS_FILE).stat().st_size,
        "size": {key: spec.config[key] for key in _SIZES},
        "corpus": provenance.corpus,
        "licence": provenance.licence,
        "command": provenance.command,
        "init": provenance.init,
        "init_source": provenance.init_source,
        "layer_weights": spec.config["layer_weights"],
        "texts": facts.texts,
        "tokens": facts.tokens,
        "tagged_texts": facts.tagged_texts,
        "words": words,
        "coverage": facts.coverage,
        "settings": asdict(settings),
        "versions": versions,
        "perplexity": best.held_out.perplexity,
        "forward_perplexity": best.held_out.forward_perplexity,
        "backward_perplexity": best.held_out.backward_perplexity,
        "tag_accuracy": best.held_out.tag_accuracy,
        "epochs": [_as_row(epoch) for epoch in epochs],
        "best_epoch": best.number,
    }
    write_text(directory / CARD_DATA, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    write_text(directory / CARD, _markdown(data))


def _as_row(epoch: Epoch) -> dict[str, Any]:
    held_out = epoch.held_out
    return {
        "epoch": epoch.number,
        "tokens": epoch.tokens,
        "seconds": round(epoch.seconds, 1),
        "language_loss": epoch.language_loss,
        "tag_loss": epoch.tag_loss,
        "held_out_perplexity": held_out.perplexity,
        "held_out_tag_loss": held_out.tag_loss,
        "held_out_tag_accuracy": held_out.tag_accuracy,
    }


def _markdown(data: dict[str, Any]) -> str:
    size, settings = data["size"], data["settings"]
    begun = f"the weights of {data['init']}" if data["init"] else "random weights"
    begun += f" ({data['init_source']})" if data["init_source"] else ""
    mix = "and layers" if data["layer_weights"] is None else "of layers weighted as embedder.json says"
    facts = {
        "vectors": f"{data['dim']} numbers: the mean over tokens {mix}, forward half, then backward half"
        + (", less the mean vector of the tagged texts" if data["tagged_texts"] else ""),
        "shape": f"{size['n_layers']} layers in each direction, cells of {size['cell_dim']} projected to "
        f"{size['projection_dim']}; {size['n_filters']} character filters, {size['n_highway']} highway layers",
        "tokens are": _TOKENS.get(size["tokenizer"], size["tokenizer"]) + ", lower-cased" * size["lowercase"],
        "weights": f"{data['bytes'] / 1e6:.1f} MB",
        "fingerprint": f"`{data['fingerprint']}`",
        "corpus": data["corpus"],
        "licence": data["licence"],
        "texts": f"{data['texts']:,} of {data['tokens']:,} tokens; {data['tagged_texts']:,} of them tagged",
        "words": f"{data['words']:,} ({data['coverage']:.1%} of the tokens)",
        "begun from": begun,
        "trained with": ", ".join(f"{name} {number}" for name, number in data["versions"].items()),
        "command": f"`{data['command']}`",
    }
    lines = [f"# {data['name']}", "", "An ELMo in AllenNLP's format (Peters et al., 2018), trained by tagdb.", ""]
    lines += _table(("", ""), list(facts.items()))
    lines += ["", "## Training", "", _EXPLANATION, ""]
    columns = ("epoch", "tokens", "seconds", "loss", "tag loss", "perplexity", "nearest tag right")
    lines += _table(columns, [_cells(row, data["best_epoch"]) for row in data["epochs"]])
    lines += ["", "## Settings", ""]
    lines += _table(("setting", "value"), [(name, _shown(value)) for name, value in settings.items()])
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any], best: int) -> tuple[str, ...]:
    tags = row["held_out_tag_accuracy"]
    number = f"**{row['epoch']}**" if row["epoch"] == best else str(row["epoch"])
    return (
        number,
        f"{row['tokens']:,}",
        f"{row['seconds']:,.0f}",
        f"{row['language_loss']:.3f}" if row["language_loss"] else "–",
        "–" if tags is None else f"{row['tag_loss']:.3f}",
        f"{row['held_out_perplexity']:,.1f}" if row["language_loss"] else "–",
        "–" if tags is None else f"{tags:.1%}",
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    ruled = [columns, ["---"] * len(columns), *escaped]
    return [f"| {' | '.join(row)} |" for row in ruled]


def _shown(value: object) -> str:
    return "–" if value is None else str(value)
