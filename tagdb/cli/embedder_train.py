"""`tagdb embedder train`: an ELMo pre-trained on texts of one's own."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb.cli.common import Seed, is_given, print_facts, read_query
from tagdb.cli.given import SHARED, WRITING, Given, shares
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.door.types import PretrainResult
    from tagdb.models import Reporter

_EPOCHS, _ENDLESS = 10, 10_000


class NumberFormat(StrEnum):
    """How the numbers of weights.hdf5 are written."""

    float16 = "float16"
    float32 = "float32"


class Tokenizer(StrEnum):
    """How a text becomes tokens."""

    words = "words"
    whitespace = "whitespace"


@shares(*WRITING)
def train(
    given: Given,
    ctx: typer.Context,
    output: Annotated[
        Path, typer.Option(help="The embedder's folder, made where needed; a run that was stopped goes on from it.")
    ],
    query: Annotated[
        str | None, typer.Option(help="Learn a SELECT of text (else its first column); - reads it from standard input.")
    ] = None,
    query_file: Annotated[Path | None, typer.Option(help="Read that SELECT from a file.")] = None,
    tags_query: Annotated[
        str | None,
        typer.Option(help="Learn a SELECT of text and tags: the texts, and which tags they belong to."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(help="Learn a file, a text a line, also as .gz; - is standard input. May be repeated."),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Go on from this embedder's weights, in its shape and with its tokens.", metavar="NAME|DIRECTORY"
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the texts at most. Default: 10, or with --hours as many as fit."),
    ] = None,
    token_epochs: Annotated[
        int,
        typer.Option(min=0, help="Passes before those that teach tokens alone from tags; far cheaper."),
    ] = 3,
    hours: Annotated[float | None, typer.Option(help="End after so many hours of training.")] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="End when held-out texts were not predicted better for so many epochs.")
    ] = 3,
    words: Annotated[int, typer.Option(min=2, help="The commonest words, which the language model predicts.")] = 30_000,
    keep_case: Annotated[bool, typer.Option("--keep-case", help="Tell upper from lower case.")] = False,
    tokenizer: Annotated[
        Tokenizer, typer.Option(help="Split texts into words without their punctuation, or at white space only.")
    ] = Tokenizer.words,
    cell_dim: Annotated[int, typer.Option(min=1, help="Width of the LSTM's cells.")] = 640,
    projection_dim: Annotated[
        int, typer.Option(min=1, help="Half a vector's length. Sync takes vectors of 4000, so 2000, at most.")
    ] = 512,
    learning_rate: Annotated[float, typer.Option(help="Highest rate of Adam.")] = 1e-3,
    batch_tokens: Annotated[int, typer.Option(help="Tokens that are learnt in one step.")] = 2_048,
    dropout: Annotated[float, typer.Option(help="Share of values between layers left out at random.")] = 0.1,
    tag_weight: Annotated[
        float, typer.Option(help="Weight of bringing texts near to their tags; 0 learns language only.")
    ] = 1.0,
    seed: Seed = 42,
    number_format: Annotated[
        NumberFormat, typer.Option(help="How to write the weights; float16 makes half the file.")
    ] = NumberFormat.float16,
    name: Annotated[str | None, typer.Option(help="What to call the embedder; else as its folder.")] = None,
    licence: Annotated[str | None, typer.Option(help="Terms of the texts, for the model card.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the course of training into this file (.png, .svg or .pdf).", dir_okay=False),
    ] = None,
) -> None:
    """Pre-train an ELMo on your own texts; without --query, --tags-query and --file, on those that sync embeds.

    The recipe is the published one: characters in, the next and the previous word out. Where texts have tags, a second
    objective brings a text's vector near to its tags' names. Texts held out decide which epoch is kept. Training may be
    stopped or killed at any time; the same command goes on from there.

    The folder gets options.json and weights.hdf5 in AllenNLP's format, embedder.json and a model card.

    Examples:

        tagdb embedder train --output my-elmo --hours 2

        tagdb embedder train --output my-elmo --query 'SELECT title AS text FROM questions' --epochs 5

        tagdb embedder train --output my-elmo --tags-query 'SELECT text, tags FROM posts' --file notes.txt.gz

        tagdb embedder train --output finer --init starter --learning-rate 0.0003 --plot finer.png
    """
    if init is not None:
        _require_not_given(ctx, "cell_dim", "projection_dim", "keep_case", "tokenizer")
    report = given.reporter()
    result = given.collection().train_embedder(
        output,
        query=read_query(query, query_file),
        tags_query=tags_query,
        files=file or (),
        init=init,
        cell_dim=cell_dim,
        projection_dim=projection_dim,
        number_format=number_format.value,
        name=name,
        licence=licence,
        command=_command_line(ctx),
        plot=plot,
        epochs=epochs or (_ENDLESS if hours else _EPOCHS),
        token_epochs=token_epochs,
        hours=hours,
        patience=patience,
        vocabulary=words,
        lowercase=not keep_case,
        tokenizer=tokenizer.value,
        learning_rate=learning_rate,
        batch_tokens=batch_tokens,
        dropout=dropout,
        tag_weight=tag_weight,
        seed=seed,
    )
    given.print_done(result, _print)
    _tell_what_next(result, plot, report)


def _require_not_given(ctx: typer.Context, *parameters: str) -> None:
    for option in ctx.command.params:
        if option.name in parameters and is_given(ctx, option.name):
            raise UsageError(
                f"{max(option.opts, key=len)} is decided by the embedder of --init", hint="leave one of them out"
            )


def _command_line(ctx: typer.Context) -> str:
    """Return the command as it could be typed again, wherever its options came from, without the database's address."""
    words = ctx.command_path.split()
    for option in ctx.command.params:
        if option.name is None or option.name in SHARED or not is_given(ctx, option.name):
            continue
        value: Any = ctx.params[option.name]
        typed = max(option.opts, key=len)
        if isinstance(value, bool):
            words += [typed] * value
        else:
            words += [
                word for each in (value if isinstance(value, list | tuple) else [value]) for word in (typed, str(each))
            ]
    return shlex.join(words)


def _print(result: PretrainResult) -> None:
    accuracy = result.tag_accuracy
    print_facts(
        {
            "epochs": result.epochs,
            "best epoch": result.best_epoch,
            "held-out perplexity": f"{result.perplexity:,.2f}",
            "nearest tag right": None if accuracy is None else f"{accuracy:.1%}",
            "ended because": result.reason,
            "folder": result.directory,
            "dimension": result.dim,
            "fingerprint": result.fingerprint,
        }
    )


def _tell_what_next(result: PretrainResult, plot: Path | None, report: Reporter) -> None:
    if plot:
        report.say(f"drew {plot}")
    report.say(
        f"{result.checkpoint} ({result.checkpoint_bytes / 1e6:,.1f} MB) lets the same command go on with more epochs; "
        "it may be deleted"
    )
    if result.can_be_stored:
        report.say(f"next: tagdb embedder use {shlex.quote(result.directory)} && tagdb sync")
    else:
        report.say("sync cannot store its vectors: that takes a --projection-dim of 2000 at most")
