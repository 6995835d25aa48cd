"""`tagdb db views`: out of the way of an ALTER TABLE, and back."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from tagdb.cli.given import READING, Given, shares

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
    db = given.collection()
    done = db.drop_views()
    lifted = f"lifted {_listed(db.schema, done.lifted)}" if done.lifted else "the views are lifted already"
    given.print_done(done, lambda _: typer.echo(lifted))
    given.reporter().say("next, once your tables are as you want them: tagdb db views restore")


@app.command("restore")
@shares(*READING)
def restore(given: Given) -> None:
    """Put back the views that `tagdb db views drop` has lifted.

    Example:

        tagdb db views restore
    """
    db = given.collection()
    done = db.restore_views()
    restored = f"restored {_listed(db.schema, done.restored)}" if done.restored else "no view is lifted"
    given.print_done(done, lambda _: typer.echo(restored))


def _listed(schema: str, names: Sequence[str]) -> str:
    return " and ".join(f"{schema}.{name}" for name in names)
