"""`tagdb embedder add`: published models and people's own files become embedders."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tagdb.cli.common import print_facts
from tagdb.cli.given import TALK, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import Added


class StartState(StrEnum):
    """From which state of the LSTMs texts are read."""

    zero = "zero"
    frozen_warm = "frozen-warm"


class Precision(StrEnum):
    """What an ELMo's matrix products are taken in."""

    float32 = "float32"
    bf16 = "bf16"


@shares("json", *TALK)
def add(
    given: Given,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A published name, a handle, an address, an archive or a folder.")
    ],
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="whitespace|spaces|words|spacy:MODEL",
            help="How texts become tokens. Default: as the source does.",
            show_default=False,
        ),
    ] = None,
    lowercase: Annotated[
        bool | None,
        typer.Option("--lowercase/--keep-case", help="Lower-case texts first. Default: as the source does."),
    ] = None,
    start_state: Annotated[
        StartState | None,
        typer.Option(help="Read every text from zero, or from the state after --start-text.", show_default=False),
    ] = None,
    start_text: Annotated[
        str | None, typer.Option(help="What is read before every text in state frozen-warm.", show_default=False)
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="Multiply in float32, or in bfloat16: faster where the processor has instructions for it, "
            "accurate to a few thousandths. Default: as the source does.",
            show_default=False,
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="The licence to note, where the source names none.")] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="What the archive, or the file of weights, has to have.")
    ] = None,
) -> None:
    """Add a published ELMo, a TF-Hub module or files of your own to the embedders of this machine.

    SOURCE is one of AllenNLP's names (small, medium, original, original-5.5B); a TF-Hub or Kaggle handle; an address of
    a .tar.gz or of weights.hdf5; an archive, or a folder: with options.json and weights.hdf5, or with a SavedModel; or
    the name of an embedder that is here, to be read otherwise.

    An ELMo module is converted and compared with the original, text by text; any other module that makes a vector of a
    text is used as it is. A SavedModel is a program that runs with your rights: add only those you trust.

    Files are checked against their checksums whenever they are loaded.

    Examples:

        tagdb embedder add original original

        tagdb embedder add elmo https://tfhub.dev/google/elmo/3

        tagdb embedder add elmo ~/Downloads/elmo_3.tar.gz --tokenizer words

        tagdb embedder add warm original --start-state frozen-warm

        tagdb embedder add quick original --precision bf16
    """
    from tagdb.door import machine

    report = given.reporter()
    added = machine.add_embedder(
        name,
        source,
        tokenizer=tokenizer,
        lowercase=lowercase,
        start_state=start_state.value if start_state else None,
        start_text=start_text,
        precision=precision.value if precision else None,
        licence=licence,
        sha256=sha256,
        progress=report,
    )
    given.print_done(added, _print)
    if not given.json:
        report.say(f"next: tagdb embedder use {name}")


def _print(added: Added) -> None:
    spec = added.spec
    facts = {
        "name": spec.name,
        "kind": spec.kind,
        "dimension": spec.dim,
        "parameters": spec.config.get("parameters"),
        "folder": spec.directory,
        "fingerprint": spec.fingerprint,
    }
    print_facts({**facts, **({"conversion": added.conversion} if added.conversion else {})})
