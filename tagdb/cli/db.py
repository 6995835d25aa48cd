"""`tagdb db`: the database itself, and the server tagdb runs when you name none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb.cli import db_views
from tagdb.cli.common import print_outcome
from tagdb.cli.given import DATABASE, READING, TALK, Given, before_command, shares
from tagdb.drawing import duration
from tagdb.models import Silent

if TYPE_CHECKING:
    from tagdb.door.types import CollectionStatus

app = typer.Typer(
    help="Reach the database, run the embedded server, bring the schema up to date, let others read.",
    no_args_is_help=True,
)
app.add_typer(db_views.app, name="views")

Readers = Annotated[list[str], typer.Argument(metavar="ROLE…", help="Roles, named as \\du of psql names them.")]


@app.command("url")
@shares(*DATABASE, *TALK)
def url(given: Given) -> None:
    """Print the connection URL, without its password. The embedded server then runs on, until `tagdb db stop`.

    Example:

        psql "$(tagdb db url)"
    """
    from tagdb.door import machine

    typer.echo(machine.database_url(given.db_url, given.schema, given.reporter()))


@app.command("psql", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@shares(*DATABASE)
def psql(given: Given, ctx: typer.Context) -> None:
    """Open psql on the database; all other options go to psql.

    Examples:

        tagdb db psql

        tagdb db psql -c 'SELECT label, count(*) FROM tagdb.labels GROUP BY label'
    """
    from tagdb.door import machine

    report = Silent() if {"-q", "--quiet"} & set(ctx.args) else given.reporter()
    raise typer.Exit(machine.run_psql(given.db_url, given.schema, ctx.args, report))


@app.command("start")
@shares("schema", *TALK)
def start(given: Given, ctx: typer.Context) -> None:
    """Start the embedded server and let it run on.

    Example:

        tagdb db start
    """
    from tagdb.door import machine

    print_outcome(machine.start_server(given.reporter(), before_command(ctx, "db_url"), given.schema))


@app.command("stop")
@shares(*TALK)
def stop(
    given: Given,
    ctx: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Stop it even while another tagdb uses it.")] = False,
) -> None:
    """Stop the embedded server.

    Example:

        tagdb db stop
    """
    from tagdb.door import machine

    print_outcome(
        "stopped" if machine.stop_server(before_command(ctx, "db_url"), force=force) else "it was not running"
    )


@app.command("migrate")
@shares(*DATABASE, *TALK)
def migrate(given: Given) -> None:
    """Make the schema, or bring it to what this version works on. Your own tables are not touched.

    Example:

        tagdb db migrate --db-url postgresql://me@db.example.org/questions
    """
    db = given.collection()
    changed = db.migrate()
    print_outcome(f"schema {db.schema} {'is up to date now' if changed else 'was up to date'}")


@app.command("schemas")
@shares("db_url", "json", *TALK)
def schemas(given: Given) -> None:
    """List the schemas that tagdb keeps something in: what each embeds, and how current it is.

    A text or a label is due as of the last sync of its schema; tables of yours are not read.

    Example:

        tagdb db schemas
    """
    found = given.collection().schemas()
    given.print_list(found, _row)
    for each in found:
        if each.unread and not given.json:
            given.reporter().warn(f"schema {each.name}: {each.unread}" + (f"; next: {each.hint}" if each.hint else ""))


def _row(each: CollectionStatus) -> dict[str, Any]:
    since = None if each.seconds_since_sync is None else f"{duration(each.seconds_since_sync)} ago"
    return {
        "schema": each.name,
        "embeds": ", ".join([each.source, *each.tables]) if each.source else None,
        "embedder": each.embedder,
        "classifier": each.classifier,
        "questions": each.questions,
        "texts due": each.due,
        "labels due": each.stale_labels,
        "synced": since,
        "last run": f"{each.last_command}: {each.last_status}" if each.last_command else None,
        "size": f"{each.bytes / 2**20:,.1f} MB",
    }


@app.command("grant")
@shares(*DATABASE, *TALK)
def grant(
    given: Given,
    readers: Readers,
    wide: Annotated[
        bool,
        typer.Option("--wide", help="All tables and views of the schema, also those to come: texts among them."),
    ] = False,
) -> None:
    """Let other roles read what tagdb made: labels, neighbours and status.

    That is: the labels of all questions (`tagdb export` too); nearest_tags, nearest_questions and classify; the views
    status and embedding; and so tags, vectors, and which questions share a text. Vectors tell much of what texts say,
    but the texts stay unread: nearest_questions gives NULL for them.

    --wide opens the whole schema, as `tagdb status` and `tagdb nearest` need it: also all texts, and the views of your
    tables. Those are read with your rights, so past the rights and row policies that the reader has on them.

    What a role may already stays; `tagdb db revoke` takes it back.

    Examples:

        tagdb db grant analyst

        tagdb db grant dashboard monitor --wide
    """
    db = given.collection()
    missing = db.grant(*readers, wide=wide)
    what = f"all of schema {db.schema}" if wide else "labels, neighbours and status"
    print_outcome(f"{', '.join(readers)} may read {what} now")
    for statement in missing:
        typer.echo(f"still needed, by somebody who may: {statement}", err=True)


@app.command("revoke")
@shares(*DATABASE, *TALK)
def revoke(given: Given, readers: Readers) -> None:
    """Take back what other roles may read of the schema, as before DROP ROLE.

    Example:

        tagdb db revoke analyst
    """
    db = given.collection()
    db.revoke(*readers)
    print_outcome(f"{', '.join(readers)} may read nothing of schema {db.schema} now")


@app.command("prune")
@shares(*READING)
def prune(
    given: Given,
    days: Annotated[int, typer.Option(min=1, help="Keep the runs of so many days.")] = 90,
) -> None:
    """Forget old runs: delete their rows from tagdb.run, but for those that the next sync goes by.

    Example:

        tagdb db prune --days 30
    """
    given.print_done(given.collection().prune(days), lambda pruned: typer.echo(f"{pruned.removed:,} runs removed"))
