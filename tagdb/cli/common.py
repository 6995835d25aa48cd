"""Options that mean the same in every command, and how results are printed: data to stdout, the rest to stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tagdb import shortening
from tagdb.errors import UsageError
from tagdb.plain import as_json

_LONGEST_LINE = 100_000
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>[smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass
class Verbosity:
    """How much the running command says."""

    quiet: bool = False
    verbose: bool = False


verbosity = Verbosity()


def set_quiet(value: bool) -> bool:
    """Take the value of --quiet."""
    verbosity.quiet = value
    return value


def set_verbose(value: bool) -> bool:
    """Take the value of --verbose."""
    verbosity.verbose = value
    return value


Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Number that random choices start from.")]


def read_query(query: str | None, query_file: Path | None, option: str = "--query") -> str | None:
    """Return the SQL of `option` or of the file of `option`-file, None without both; - is standard input.

    Raises
    ------
    UsageError : both are given, or the file cannot be read
    """
    if query is not None and query_file is not None:
        raise UsageError(f"{option} and {option}-file both say what to read", hint="give one of them")
    if "-" in (query, str(query_file)):
        return sys.stdin.read().removeprefix("\N{BYTE ORDER MARK}")
    try:
        return query if query_file is None else query_file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{query_file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def seconds(duration: str | float) -> float:
    """Return the seconds in a duration as people write it: 90, 90s, 1.5m, 2h, 1d.

    Raises
    ------
    typer.BadParameter : it is none, or no time at all
    """
    found = _DURATION.fullmatch(str(duration).strip())
    length = float(found["number"]) * _SECONDS[found["unit"]] if found else 0.0
    if not length:
        raise typer.BadParameter(f"{duration!r} is no duration such as 90, 90s, 15m, 2h or 1d")
    return length


def is_given(ctx: typer.Context, parameter: str) -> bool:
    """Whether a parameter's value was typed or set in the environment or the file, and is not the default."""
    source = ctx.get_parameter_source(parameter)
    return source is not None and source.name != "DEFAULT"


def print_outcome(line: str) -> None:
    """Print what a command did; with --quiet, who asked for it takes it for granted."""
    if not verbosity.quiet:
        typer.echo(line)


def print_json(value: Any) -> None:
    """Print one value as one line of JSON."""
    typer.echo(json.dumps(as_json(value), ensure_ascii=False))


def print_table(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> None:
    """Print rows as a table: fitted to a terminal, each row on one line elsewhere; long values are cut short."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    body = [list(row) for row in rows]
    for index, name in enumerate(columns):
        numeric = bool(body) and all(isinstance(row[index], int | float) for row in body)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        table.add_row(*(Text(shortening.ellipsis(_shown(value))) for value in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_LONGEST_LINE)
    with console.capture() as printed:
        console.print(table)
    typer.echo("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()), nl=False)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values under each other."""
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {shortening.cut(_shown(value))}")


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)
