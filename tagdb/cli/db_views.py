"""`tagdb db views`: out of the way of an ALTER TABLE, and back."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from tagdb.cli.common import print_json, print_outcome
from tagdb.cli.given import READING, Given, shares
from tagdb.cli.reporting import reporter

app = typer.Typer(
    help="Lift the views over your tables while you alter these, and put them back.", no_args_is_help=True
)


@app.command("drop")
@shares(*READING)
def drop(given: Given) -> None:
    """Drop the views tagdb.source and tagdb.source_tag, keeping definitions, comments and rights.

    PostgreSQL alters no column that a view reads. Until the views are back, sync and status do nothing and say so.

    Example:

        tagdb db views drop && psql -c 'ALTER TABLE tickets ALTER id TYPE bigint' && tagdb db views restore
    """
    from tagdb.pipeline.running import lifting

    report = reporter()
    names = lifting.drop(given.open())
    if given.json:
        print_json({"lifted": names})
    else:
        print_outcome(f"lifted {_listed(names)}" if names else "the views are lifted already")
    report.say("next, once your tables are as you want them: tagdb db views restore")


@app.command("restore")
@shares(*READING)
def restore(given: Given) -> None:
    """Put back the views that `tagdb db views drop` has lifted.

    Example:

        tagdb db views restore
    """
    from tagdb.pipeline.running import lifting

    report = reporter()
    names = lifting.restore(given.open(), report)
    if given.json:
        print_json({"restored": names})
    else:
        print_outcome(f"restored {_listed(names)}" if names else "no view is lifted")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"tagdb.{name}" for name in names)
