"""`tagdb predict`: labels by the active classifier."""

from __future__ import annotations

from dataclasses import asdict

import typer

from tagdb.cli.common import DbUrl, Json, Quiet, Verbose, print_json
from tagdb.cli.reporting import reporter


def predict(
    db_url: DbUrl = None,
    as_json: Json = False,
    quiet: Quiet = False,  # noqa: ARG001
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Write the labels that are missing or stale into the table labels; sync does the same as its last step.

    Example:

        tagdb predict && tagdb db psql -c 'SELECT label, count(*) FROM labels GROUP BY label'
    """
    from tagdb.pipeline import opening
    from tagdb.pipeline import predict as use_case

    report = reporter()
    result = use_case.predict(opening.open_database(db_url, report), report)
    if as_json:
        print_json(asdict(result))
    else:
        typer.echo(f"labels: {result.written:,} written by {result.classifier}, {result.removed:,} removed")
