"""`tagdb export`: results as files."""

from __future__ import annotations

from typing import Annotated

import typer

from tagdb.cli.given import DATABASE, TALK, Given, shares

app = typer.Typer(help="Write results to a file for other tools.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("predictions")
@shares(*DATABASE, *TALK)
def predictions(
    given: Given,
    file: Annotated[str, typer.Argument(help="A .csv or .parquet file; - is standard output, as CSV.")],
    probability: Annotated[bool, typer.Option("--probability", help="Add the probability of each label.")] = False,
) -> None:
    """Write id and label of every labelled question.

    Examples:

        tagdb export predictions results.csv

        tagdb export predictions labels.parquet --probability
    """
    rows = given.collection().export(file, probability=probability)
    given.reporter().say(f"wrote {rows:,} rows")
