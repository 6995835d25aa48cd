"""`tagdb train`: a classifier from a SQL query."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb.cli.common import Seed, is_given, print_json, read_query
from tagdb.cli.given import WRITING, Given, shares
from tagdb.cli.reporting import reporter
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.pipeline.learning.train import TrainResult


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
) -> None:
    """Fit a logistic regression on the rows of a query, test it on texts it has not seen, and store it.

    The query runs read-only. Of each label 30% of the texts are held out, and no text is on both sides. The new
    classifier writes the labels when there is no other, when it is the more accurate one on the held-out rows, or with
    --activate.

    Examples:

        tagdb train --query 'SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL'

        tagdb train --query-file python-or-java.sql --sample 10000 --plot confusion.png

        tagdb train --again -q && tagdb sync -q     # in cron: a better classifier takes over, else nothing changes
    """
    from tagdb.pipeline.learning import train as use_case

    report = reporter()
    text = read_query(query, query_file)
    if text is None and not again:
        raise UsageError(
            "give the training rows as --query or as --query-file",
            hint="tagdb train --query 'SELECT id AS question_id, label FROM questions WHERE label IS NOT NULL'",
        )
    settings = use_case.TrainSettings(sample, test_size, seed, C, max_iter, timeout)
    database = given.open()
    if again:
        changed = {key: value for key, value in vars(settings).items() if is_given(ctx, key)}
        result = use_case.train_again(database, changed, report, query=text, name=name, activate=activate, plot=plot)
    else:
        assert text is not None
        result = use_case.train(database, text, settings, report, name=name, activate=activate, plot=plot)
    if given.json:
        print_json(_as_json(result))
    elif not given.quiet:
        _print(result)
    if not result.converged:
        report.warn("the solver stopped before it converged; a larger --max-iter may help")
    if plot:
        report.say(f"drew {plot}")
    if result.active:
        report.say("next: tagdb sync (or tagdb predict) writes its labels")
    else:
        report.say(f"next: tagdb models activate {result.name} uses it all the same")


def _print(result: TrainResult) -> None:
    metrics, training = result.metrics, result.training
    typer.echo(
        f"rows: {training.read:,} read, {training.train_rows:,} to train on "
        f"({training.train_texts:,} different texts), {training.test_rows:,} held out"
    )
    left_out = {
        "label is NULL": training.without_label,
        "no vector yet: tagdb sync": training.without_vector,
        "not in the sample": training.rows_not_sampled,
    }
    for reason, rows in left_out.items():
        if rows:
            typer.echo(f"      {rows:,} left out ({reason})")
    f1 = f"F1 of {metrics.classes[1]}" if len(metrics.classes) == 2 else "macro F1"
    typer.echo(f"\naccuracy {metrics.accuracy:.4f}   {f1} {metrics.f1:.4f}\n\n{result.report}\n{result.confusion}")
    typer.echo(f"{result.name} is {'active now' if result.active else 'stored but not active'}: {result.reason}")


def _as_json(result: TrainResult) -> dict[str, Any]:
    rival, training = result.active_metrics, result.training
    return {
        "classifier": result.classifier,
        "name": result.name,
        "active": result.active,
        "reason": result.reason,
        "converged": result.converged,
        "read": training.read,
        "without_label": training.without_label,
        "without_vector": training.without_vector,
        "not_sampled": training.rows_not_sampled,
        "train_rows": training.train_rows,
        "train_texts": training.train_texts,
        "test_rows": training.test_rows,
        "similar_labels": [asdict(each) for each in training.similar],
        "metrics": result.metrics.to_json(),
        "active_metrics": rival.to_json() if rival else None,
    }
