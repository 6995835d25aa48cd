"""`tagdb predict`: labels by the active classifier."""

from __future__ import annotations

from dataclasses import asdict

from tagdb.cli.common import DbUrl, Json, Quiet, Verbose, Wait, print_json, print_outcome
from tagdb.cli.reporting import reporter


def predict(
    db_url: DbUrl = None,
    wait: Wait = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the labels that are missing or stale into the table labels; sync does the same as its last step.

    Example:

        tagdb predict && tagdb db psql -c 'SELECT label, count(*) FROM tagdb.labels GROUP BY label'
    """
    from tagdb.pipeline.learning import predict as use_case
    from tagdb.pipeline.running import opening

    report = reporter()
    result = use_case.predict(opening.open_database(db_url, report, wait=wait), report)
    if json:
        print_json(asdict(result))
    else:
        print_outcome(f"labels: {result.written:,} written by {result.classifier}, {result.removed:,} removed")
