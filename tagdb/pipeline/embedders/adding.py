"""`tagdb embedder add`: published weights, TF-Hub modules and people's own files become embedders of this machine.

What is added lies in tagdb's own folder, in the form that it was proven in, with a manifest that every load checks.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagdb import elmo
from tagdb.elmo import tokenizers
from tagdb.elmo.precision import BF16, has_bf16_instructions
from tagdb.elmo.spec import (
    DEFAULT_START_TEXT,
    FROZEN_WARM,
    OPTIONS_FILE,
    WEIGHTS_FILE,
    ZERO,
    Description,
    read_description,
    write_description,
)
from tagdb.errors import EmbedderUnavailable, InputRefused, UsageError
from tagdb.fetch import manifest
from tagdb.models import EmbedderSpec, Reporter
from tagdb.pipeline.embedders import bringing, installed
from tagdb.pipeline.embedders.bringing import Brought

_PROBE = ("how to join two tables", "python")


@dataclass(frozen=True)
class Reading:
    """How an added ELMo reads texts and computes, where that is to differ from what its source says; None leaves it."""

    tokenizer: str | None = None
    lowercase: bool | None = None
    start_state: str | None = None
    start_text: str | None = None
    precision: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What was asked for, and what follows: a warm start needs a text, a start from zero has none."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        implied = {FROZEN_WARM: {"start_text": DEFAULT_START_TEXT}, ZERO: {"start_text": ""}}
        return {**implied.get(self.start_state or "", {}), **given}

    def require_possible(self) -> None:
        """Pass when there is such a tokenizer here.

        Raises
        ------
        UsageError : no tokenizer has this name
        EmbedderUnavailable : spaCy, or its model, is not installed
        """
        if self.tokenizer is None:
            return
        if not tokenizers.is_known(self.tokenizer):
            known = ", ".join([*tokenizers.TOKENIZERS, f"{tokenizers.SPACY}MODEL"])
            raise UsageError(f"there is no tokenizer {self.tokenizer!r}", hint=f"take one of {known}")
        tokenizers.identify(self.tokenizer)


@dataclass(frozen=True)
class Added:
    """The embedder that was added; `proof` is how far it is from the module it was made of, None for files as such."""

    spec: EmbedderSpec
    proof: dict[str, Any] | None

    @property
    def conversion(self) -> str | None:
        """The proof in words, None without one."""
        return proof_in_words(self.proof)


def proof_in_words(proof: Mapping[str, Any] | None) -> str | None:
    """Say how near a converted ELMo came to its module, and which of the module's faults it does not share."""
    if proof is None:
        return None
    largest = max(proof["default_difference"], proof["elmo_difference"])
    faults = {
        "averages_padding": "averages padding, so that texts change with those beside them",
        "stateful": "goes on from the text before",
    }
    noted = "".join(f"; the module {fault}" for name, fault in faults.items() if proof[name])
    return f"{proof['texts']} texts, largest difference from the module {largest:.1e} in float32{noted}"


def add(
    name: str,
    source: str,
    reading: Reading,
    reporter: Reporter,
    *,
    licence: str | None = None,
    sha256: str | None = None,
) -> Added:
    """Make an embedder of tagdb's own folder out of `source`; of one that is refused nothing is left.

    `sha256` is that of the file: of the archive, or of the weights. Downloads that are not complete stay for the next
    try.

    Raises
    ------
    UsageError : the name is no name, or the source no source
    InputRefused : the name is taken, or the folder cannot be written
    EmbedderUnavailable : the source cannot be fetched, holds no embedder, or gives other vectors than it should
    WeightsError : its files are damaged
    """
    _require_free(name)
    reading.require_possible()
    with _workshop() as work, bringing.fetched(source, name, work, reporter, sha256=sha256) as found:
        brought = replace(found, licence=licence or found.licence)
        folder = work / name
        folder.mkdir()
        proof = _make(brought, folder, name, reading, reporter)
        with reporter.step("checking"):
            spec = _tried(folder)
            facts = {"source": brought.source, "added": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "proof": proof}
            manifest.write(folder, facts)
        _require_free(name)
        folder.replace(installed.added_folder() / name)
    if spec.config.get("precision") == BF16 and not has_bf16_instructions():
        reporter.say(f"{BF16} is no faster than float32 here: the processor has no instructions for it")
    return Added(replace(spec, directory=str(installed.added_folder() / name)), proof)


def _require_free(name: str) -> None:
    if not installed.is_name(name):
        raise UsageError(
            f"{name!r} is no name for an embedder", hint="use up to 64 letters, digits, dots, dashes and underscores"
        )
    folder = installed.named().get(name, installed.added_folder() / name)
    if not folder.exists():
        return
    if folder.parent == installed.added_folder():
        raise InputRefused(f"there is an embedder {name!r} already", hint=f"tagdb embedder remove {name}")
    raise InputRefused(f"embedder {name!r} comes with tagdb", hint="choose another name")


@contextmanager
def _workshop() -> Iterator[Path]:
    """Make a folder to work in, on the file system of the result, so that a finished embedder is only renamed."""
    shelf = installed.added_folder()
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=shelf, ignore_cleanup_errors=True) as work:
            yield Path(work)
    except OSError as error:
        ours = error.filename is None or Path(error.filename).is_relative_to(shelf.parent)
        raise InputRefused(
            f"{error.filename or shelf}: {error.strerror or error}",
            hint="make room, or set TAGDB_HOME to another folder" if ours else "name a source that you may read",
        ) from error


def _make(brought: Brought, folder: Path, name: str, reading: Reading, reporter: Reporter) -> dict[str, Any] | None:
    """Fill `folder` with an embedder's files; return what its conversion was measured to be worth."""
    if (files := _elmo_files(brought.folder)) is not None:
        for file, kept_as in zip(files, (OPTIONS_FILE, WEIGHTS_FILE), strict=True):
            shutil.copyfile(file, folder / kept_as)
        _describe(folder, _base(brought, name), reading)
        return brought.proof
    if not elmo.is_module(brought.folder):
        found = ", ".join(sorted(each.name for each in brought.folder.iterdir())[:10]) or "nothing"
        raise EmbedderUnavailable(
            f"{brought.source} holds neither options.json and weights.hdf5 nor a SavedModel, but {found}",
            hint="tagdb embedder add --help",
        )
    return _make_of_module(brought, folder, name, reading, reporter)


def _elmo_files(folder: Path) -> tuple[Path, Path] | None:
    """Return the options and the weights, also under the long names they are published with."""
    shown = [each for each in folder.iterdir() if not each.name.startswith(".")]
    options, weights = ([each for each in shown if each.name.endswith(end)] for end in (OPTIONS_FILE, WEIGHTS_FILE))
    return (options[0], weights[0]) if len(options) == len(weights) == 1 else None


def _base(brought: Brought, name: str) -> Description:
    """Return the description to begin with: that of tagdb's own files, else one that keeps to the published ways."""
    described = read_description(brought.folder)
    return replace(
        described,
        name=name,
        source=described.source or brought.source,
        licence=brought.licence or described.licence,
        description=described.description or brought.description,
    )


def _describe(folder: Path, description: Description, reading: Reading) -> None:
    write_description(folder, replace(description, **reading.given))


def _make_of_module(
    brought: Brought, folder: Path, name: str, reading: Reading, reporter: Reporter
) -> dict[str, Any] | None:
    from tagdb.elmo import hub

    if not hub.is_elmo(brought.folder):
        if reading.given:
            raise UsageError(
                f"a module works in its own way; {', '.join(reading.given)} cannot be chosen",
                hint="leave it out",
            )
        with reporter.step("trying the module"):
            hub.prepare_module(brought.folder, folder, name=name, source=brought.source, licence=brought.licence)
        return None
    with reporter.step("converting"):
        hub.convert(brought.folder, folder, name=name, source=brought.source, licence=brought.licence)
    with reporter.step("comparing with the module"):
        proof = hub.prove(brought.folder, elmo.Elmo.load(folder))
    proof.require()
    if reading.given:
        _describe(folder, read_description(folder), reading)
    return asdict(proof)


def _tried(folder: Path) -> EmbedderSpec:
    """Load the embedder and embed with it once: what is damaged shows itself before it has a name."""
    embedder = elmo.load(folder)
    embedder.embed(_PROBE)
    return embedder.spec
