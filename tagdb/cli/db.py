"""`tagdb db`: the database itself, and the server tagdb runs when you name none."""

from __future__ import annotations

from typing import Annotated

import typer

from tagdb.cli.common import DbUrl, Quiet, Verbose, print_outcome, url_before_command
from tagdb.cli.reporting import reporter
from tagdb.models import Silent

app = typer.Typer(
    help="Reach the database, run the embedded server, bring the schema up to date.", no_args_is_help=True
)


@app.command("url")
def url(
    db_url: DbUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Print the connection URL, without its password. The embedded server then runs on, until `tagdb db stop`.

    Example:

        psql "$(tagdb db url)"
    """
    from tagdb.pipeline import server

    typer.echo(server.url(db_url, reporter()))


@app.command("psql", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def psql(ctx: typer.Context, db_url: DbUrl = None) -> None:
    """Open psql on the database; all other options go to psql.

    Examples:

        tagdb db psql

        tagdb db psql -c 'SELECT label, count(*) FROM tagdb.labels GROUP BY label'
    """
    from tagdb.pipeline import server

    raise typer.Exit(server.psql(db_url, ctx.args, Silent() if {"-q", "--quiet"} & set(ctx.args) else reporter()))


@app.command("start")
def start(
    ctx: typer.Context,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Start the embedded server and let it run on.

    Example:

        tagdb db start
    """
    from tagdb.pipeline import server

    print_outcome(server.start(reporter(), url_before_command(ctx)))


@app.command("stop")
def stop(
    ctx: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Stop it even while another tagdb uses it.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Stop the embedded server.

    Example:

        tagdb db stop
    """
    from tagdb.pipeline import server

    print_outcome("stopped" if server.stop(url_before_command(ctx), force=force) else "it was not running")


@app.command("migrate")
def migrate(
    db_url: DbUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make schema tagdb, or bring it to what this version works on. Your own tables are not touched.

    Example:

        tagdb db migrate --db-url postgresql://me@db.example.org/questions
    """
    from tagdb.pipeline import opening

    changed = opening.migrate(db_url, reporter())
    print_outcome("schema tagdb is up to date now" if changed else "schema tagdb was up to date")
