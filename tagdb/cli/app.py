"""The commands put together, and the one place where a failure becomes a line, a hint and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tagdb import config
from tagdb.cli import (
    capture,
    common,
    configfile,
    db,
    demo,
    doctor,
    embedder,
    export,
    given,
    importing,
    index,
    models,
    nearest,
    predict,
    reporting,
    status,
    sync,
    train,
    watch,
    work,
)
from tagdb.errors import Stopped, TagdbError

_HELP = """Labels and neighbours for your questions, kept fresh inside PostgreSQL by ELMo and pgvector.

Start with [bold]tagdb demo[/bold]: the whole loop on a bundled sample, on a database of its own.
On your own data: [bold]tagdb import[/bold] FILE, [bold]tagdb sync[/bold], [bold]tagdb train[/bold] --query SQL.
Then read the table labels.
"""

_LONGEST_HINT = 20_000  # what is to be typed next may hold a query, and is of no use in part
_EPILOG = (
    "The database is that of --db-url, TAGDB_DATABASE_URL, DATABASE_URL or PGHOST/PGHOSTADDR/PGSERVICE, in this order; "
    "without any of them tagdb runs a PostgreSQL of its own. "
    "Every option can be set in the environment: TAGDB_SYNC_LIMIT=1000 is `tagdb sync --limit 1000`; and in the file "
    "config.toml of tagdb's folder (TAGDB_HOME): limit = 1000 below the line \\[sync]. The command line beats the "
    "environment, the environment beats the file. For the --schema of all commands: TAGDB_SCHEMA, or schema = 'name' "
    "above all lines in brackets.  \n\n"
    "Exit codes: 0 done; 1 some rows failed, or a handled error; 2 wrong usage; 3 no connection, right, extension, "
    "schema or model; 4 a check did not hold; 5 another tagdb is at work on the database (--wait waits for it); "
    "130, 143 stopped by a signal."
)


class _Boundary(TyperGroup):
    """Ends every failure tagdb knows in one line that says what, and one that says what to type next.

    The environment's name of each option follows from a rule that the help says once, and is not said of each.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options that may stand before a command."""
        _leave_out_variables(self)
        return super().get_params(ctx)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TagdbError as error:
            raise _told(error) from None
        except (KeyboardInterrupt, SystemExit) as ending:
            if isinstance(ending.__context__, Stopped):  # a signal that was held back until the work could be left
                raise _told(ending.__context__) from None
            if isinstance(ending, SystemExit):
                raise
            reporting.say("stopped")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # Whoever read the output has gone; what is still buffered for it must not fail at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _told(error: TagdbError) -> typer.Exit:
    """Say what went wrong and what to type next, and return what ends the command."""
    if common.verbosity.verbose:
        traceback.print_exc()
    reporting.say(f"error: {error}")
    if error.hint:
        reporting.say(f" next: {error.hint}", longest=_LONGEST_HINT)
    return typer.Exit(error.exit_code)


def _leave_out_variables(command: Any) -> None:
    for parameter in command.params:
        parameter.show_envvar = False
    for each in getattr(command, "commands", {}).values():
        _leave_out_variables(each)


app = typer.Typer(
    cls=_Boundary,
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TAGDB"},
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"tagdb {config.VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    db_url: Annotated[
        str | None,
        typer.Option(
            "--db-url",
            metavar="URL",
            allow_from_autoenv=False,
            help="PostgreSQL URL or libpq key=value string, for any command; it may also stand after the command.",
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="NAME", help=f"{given.SCHEMA_HELP} For any command on a collection."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            allow_from_autoenv=False,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    if not ctx.resilient_parsing:
        ctx.default_map = configfile.defaults(ctx)


app.command("demo")(demo.demo)
app.command("import")(importing.import_)
app.command("sync")(sync.sync)
app.command("work")(work.work)
app.command("watch")(watch.watch)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("nearest")(nearest.nearest)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.add_typer(capture.app, name="capture")
app.add_typer(export.app, name="export")
app.add_typer(models.app, name="models")
app.add_typer(embedder.app, name="embedder")
app.add_typer(index.app, name="index")
app.add_typer(db.app, name="db")
