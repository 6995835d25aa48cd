"""`tagdb predict`: labels by the active classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tagdb.cli.given import WRITING, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import PredictResult


@shares(*WRITING)
def predict(given: Given) -> None:
    """Write the labels that are missing or stale into the table labels; sync does the same as its last step.

    Example:

        tagdb predict && tagdb db psql -c 'SELECT label, count(*) FROM tagdb.labels GROUP BY label'
    """
    given.print_done(given.collection().predict(), _print)


def _print(result: PredictResult) -> None:
    typer.echo(f"labels: {result.written:,} written by {result.classifier}, {result.removed:,} removed")
