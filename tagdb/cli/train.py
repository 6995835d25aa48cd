"""`tagdb train`: a classifier from a SQL query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagdb.cli.common import Seed, is_given, read_query
from tagdb.cli.given import WRITING, Given, shares
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.door.types import Trained


@shares(*WRITING)
def train(
    given: Given,
    ctx: typer.Context,
    query: Annotated[
        str | None,
        typer.Option(help="A SELECT of question_id (or id) and label; - reads it from standard input."),
    ] = None,
    query_file: Annotated[Path | None, typer.Option(help="Read the SELECT from a file.")] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Train as the active classifier was: its query and settings, unless given."),
    ] = False,
    name: Annotated[str | None, typer.Option(help="What to call the classifier.")] = None,
    sample: Annotated[int | None, typer.Option(min=2, help="Take a random part of so many rows.")] = None,
    test_size: Annotated[float, typer.Option(help="Share of the texts held out for testing.")] = 0.3,
    seed: Seed = 0,
    C: Annotated[float, typer.Option("--C", help="Inverse strength of the L2 penalty.")] = 1.0,
    max_iter: Annotated[int, typer.Option(min=1, help="Iterations of the solver at most.")] = 500,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds the query may run.")] = 300,
    activate: Annotated[
        bool, typer.Option("--activate", help="Use it for labels even if it is not the better one.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the confusion matrix into this file (.png, .svg or .pdf).", dir_okay=False),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Share the vectors among the nodes of the Ray cluster there; auto is the one this machine is in.",
            metavar="auto|HOST:PORT",
        ),
    ] = None,
) -> None:
    """Fit a logistic regression on the rows of a query, test it on texts it has not seen, and store it.

    The query runs read-only. Of each label 30% of the texts are held out, and no text is on both sides. The new
    classifier writes the labels when there is no other, when it is the more accurate one on the held-out rows, or with
    --activate.

    Examples:

        tagdb train --query 'SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL'

        tagdb train --query-file python-or-java.sql --sample 10000 --plot confusion.png

        tagdb train --again -q && tagdb sync -q     # in cron: a better classifier takes over, else nothing changes

        tagdb train --again --ray auto              # on all machines of a Ray cluster
    """
    report = given.reporter()
    text = read_query(query, query_file)
    if text is None and not again:
        raise UsageError(
            "give the training rows as --query or as --query-file",
            hint="tagdb train --query 'SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL'",
        )
    result = given.collection().train(
        text,
        again=again,
        name=name,
        sample=sample,
        test_size=test_size if is_given(ctx, "test_size") else None,
        seed=seed if is_given(ctx, "seed") else None,
        C=C if is_given(ctx, "C") else None,
        max_iter=max_iter if is_given(ctx, "max_iter") else None,
        timeout=timeout if is_given(ctx, "timeout") else None,
        activate=activate,
        plot=plot,
        ray=ray,
    )
    given.print_done(result, _print)
    if not result.converged:
        report.warn("the solver stopped before it converged; a larger --max-iter may help")
    if plot:
        report.say(f"drew {plot}")
    if result.active:
        report.say("next: tagdb sync (or tagdb predict) writes its labels")
    else:
        report.say(f"next: tagdb models activate {result.name} uses it all the same")


def _print(result: Trained) -> None:
    metrics = result.metrics
    typer.echo(
        f"rows: {result.read:,} read, {result.train_rows:,} to train on "
        f"({result.train_texts:,} different texts), {result.test_rows:,} held out"
    )
    left_out = {
        "label is NULL": result.without_label,
        "no vector yet: tagdb sync": result.without_vector,
        "not in the sample": result.not_sampled,
    }
    for reason, rows in left_out.items():
        if rows:
            typer.echo(f"      {rows:,} left out ({reason})")
    f1 = f"F1 of {metrics.classes[1]}" if len(metrics.classes) == 2 else "macro F1"
    typer.echo(f"\naccuracy {metrics.accuracy:.4f}   {f1} {metrics.f1:.4f}\n\n{result.report}\n{result.confusion}")
    typer.echo(f"{result.name} is {'active now' if result.active else 'stored but not active'}: {result.reason}")
