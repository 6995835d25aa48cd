"""The options that commands share, declared once, and what they come to in a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from tagdb import advice, config
from tagdb.cli.common import print_json, print_table, set_quiet, set_verbose
from tagdb.cli.reporting import reporter
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.door.collection import Collection
    from tagdb.models import Reporter

_Own = ParamSpec("_Own")
_Result = TypeVar("_Result")

_PANEL = "Options of many commands"
_BY_STRENGTH = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")


def before_command(ctx: typer.Context, option: str) -> Any:
    """Return what an option that may stand before the command was typed as there."""
    return ctx.find_root().params.get(option)


def _decided(ctx: typer.Context, option: str, value: Any) -> Any:
    """Choose between an option after and before the command, each typed, of the environment or of the file."""
    root = ctx.find_root()
    for strength in _BY_STRENGTH:
        for each, said in ((ctx, value), (root, root.params.get(option))):
            source = each.get_parameter_source(option)
            if source is not None and source.name == strength:
                return said
    return (root.default_map or {}).get(option, value)


def _decide_db_url(ctx: typer.Context, value: str | None) -> Any:
    return _decided(ctx, "db_url", value)


def _decide_schema(ctx: typer.Context, value: str | None) -> Any:
    return _decided(ctx, "schema", value)


SCHEMA_HELP = "The schema that holds all tagdb keeps of one source; tagdb by default."

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "yes": (Annotated[bool, typer.Option("-y", "--yes", rich_help_panel=_PANEL, help="Do not ask.")], False),
    "db_url": (
        Annotated[
            str | None,
            typer.Option(
                "--db-url",
                callback=_decide_db_url,
                rich_help_panel=_PANEL,
                help="PostgreSQL URL or libpq key=value string. Default: see `tagdb --help`.",
                metavar="URL",
            ),
        ],
        None,
    ),
    "schema": (
        Annotated[
            str | None,
            typer.Option("--schema", callback=_decide_schema, rich_help_panel=_PANEL, help=SCHEMA_HELP, metavar="NAME"),
        ],
        None,
    ),
    "wait": (
        Annotated[
            float,
            typer.Option(
                "--wait",
                min=0,
                metavar="SECONDS",
                rich_help_panel=_PANEL,
                help="Wait for another tagdb to end its work, at most so long.",
            ),
        ],
        0.0,
    ),
    "json": (
        Annotated[
            bool,
            typer.Option("--json", rich_help_panel=_PANEL, help="Print one JSON object (or one a line, for lists)."),
        ],
        False,
    ),
    "quiet": (
        Annotated[
            bool,
            typer.Option(
                "-q", "--quiet", callback=set_quiet, rich_help_panel=_PANEL, help="Print only results and problems."
            ),
        ],
        False,
    ),
    "verbose": (
        Annotated[
            bool,
            typer.Option(
                "-v",
                "--verbose",
                callback=set_verbose,
                rich_help_panel=_PANEL,
                help="Show times on stderr, and tracebacks of errors.",
            ),
        ],
        False,
    ),
}
SHARED = frozenset(_OPTIONS)
"""The names of the options that are declared here."""

DATABASE = ("db_url", "schema")
TALK = ("quiet", "verbose")
READING = (*DATABASE, "json", *TALK)
WRITING = (*DATABASE, "wait", "json", *TALK)


@dataclass(frozen=True)
class Given:
    """What the shared options of a command line say; a command without one of them gets its default."""

    yes: bool = False
    db_url: str | None = None
    schema: str | None = None
    wait: float = 0.0
    json: bool = False
    quiet: bool = False
    verbose: bool = False

    def reporter(self) -> Reporter:
        """Return the reporter that fits stderr and --quiet."""
        return reporter(config.resolve_schema(self.schema))

    def collection(self) -> Collection:
        """Return what --db-url, --schema and the settings name; it is opened by the first method that needs it."""
        from tagdb.door.collection import Collection

        return Collection(self.db_url, self.schema, wait=self.wait, progress=self.reporter())

    def confirm(self, question: str) -> None:
        """Ask before something is lost, unless --yes says that it may be; whoever says no ends the command."""
        if not self.yes:
            typer.confirm(question, abort=True, err=True)

    def print_result(self, result: _Result, show: Callable[[_Result], object]) -> None:
        """Print what was asked for: with --json as an object, else by `show`."""
        print_json(result) if self.json else show(result)

    def print_list(self, found: Sequence[_Result], row: Callable[[_Result], Mapping[str, Any]]) -> None:
        """Print what was asked for: with --json an object a line, else a table with what `row` names as its columns."""
        if self.json:
            for each in found:
                print_json(each)
        elif found:
            rows = [row(each) for each in found]
            print_table([list(each.values()) for each in rows], list(rows[0]))

    def print_done(self, result: _Result, show: Callable[[_Result], object]) -> None:
        """Print what was done: with --json as an object, else by `show`, where --quiet does not take it for granted."""
        if self.json or not self.quiet:
            self.print_result(result, show)


def shares(*names: str) -> Callable[[Callable[Concatenate[Given, _Own], None]], Callable[..., None]]:
    """Give a command the shared options of these names, behind its own; it gets their values as its first argument."""
    ordered = [name for name in _OPTIONS if name in names]

    def decorate(command: Callable[Concatenate[Given, _Own], None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        @wraps(command)
        def run(**options: Any) -> None:
            given = Given(**{name: options.pop(name) for name in ordered})
            try:
                command(given, **options)  # type: ignore[call-arg]
            except UsageError as error:  # which knows of no database yet, and of no collection in it
                error.hint = error.hint and advice.addressed(error.hint, given.schema or config.DEFAULT_SCHEMA)
                raise

        parameters = [*_by_keyword(own), *(_parameter(name) for name in ordered)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__doc__ = _unwrapped(command.__doc__ or "")
        return run

    return decorate


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph: it shall be as wide as the terminal, not as its source."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(each if each.startswith(" ") else each.replace("\n", " ") for each in paragraphs)


def _by_keyword(parameters: Iterable[inspect.Parameter]) -> Iterable[inspect.Parameter]:
    return (each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters)


def _parameter(name: str) -> inspect.Parameter:
    annotation, default = _OPTIONS[name]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
