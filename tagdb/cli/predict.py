"""`tagdb predict`: labels by the active classifier."""

from __future__ import annotations

from dataclasses import asdict

from tagdb.cli.common import print_json, print_outcome
from tagdb.cli.given import WRITING, Given, shares
from tagdb.cli.reporting import reporter


@shares(*WRITING)
def predict(given: Given) -> None:
    """Write the labels that are missing or stale into the table labels; sync does the same as its last step.

    Example:

        tagdb predict && tagdb db psql -c 'SELECT label, count(*) FROM tagdb.labels GROUP BY label'
    """
    from tagdb.pipeline.learning import predict as use_case

    report = reporter()
    result = use_case.predict(given.open(), report)
    if given.json:
        print_json(asdict(result))
    else:
        print_outcome(f"labels: {result.written:,} written by {result.classifier}, {result.removed:,} removed")
