"""`tagdb export`: results as files."""

from __future__ import annotations

from typing import Annotated

import typer

from tagdb.cli.common import DbUrl, Quiet, Verbose
from tagdb.cli.reporting import reporter

app = typer.Typer(help="Write results to a file for other tools.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("predictions")
def predictions(
    file: Annotated[str, typer.Argument(help="A .csv or .parquet file; - is standard output, as CSV.")],
    probability: Annotated[bool, typer.Option("--probability", help="Add the probability of each label.")] = False,
    db_url: DbUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write id and label of every labelled question.

    Examples:

        tagdb export predictions results.csv

        tagdb export predictions labels.parquet --probability
    """
    from tagdb.pipeline.asking import export
    from tagdb.pipeline.running import opening

    report = reporter()
    rows = export.export_predictions(opening.open_database(db_url, report), file, report, probability=probability)
    report.say(f"wrote {rows:,} rows")
