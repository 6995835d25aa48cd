"""`tagdb import`: questions and tags from files."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tagdb.cli.common import print_table
from tagdb.cli.given import WRITING, Given, shares
from tagdb.errors import CheckFailed

if TYPE_CHECKING:
    from tagdb.door.types import ImportResult

STANDARD_INPUT: Final = "-"

_COLUMNS = "Which column is what"
_WRITTEN = "How the file is written"


@shares("yes", *WRITING)
def import_(
    given: Given,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…", help="CSV, TSV, Posts.xml, JSON, Parquet, also compressed; - is standard input."
        ),
    ],
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(
            rich_help_panel=_WRITTEN,
            help="Take the files for this: tagdataset, csv, tsv, stacklite, sede, posts-xml, json, jsonl or parquet.",
            show_default=False,
        ),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(rich_help_panel=_COLUMNS, help="Column of the question's id; row-number counts the rows instead."),
    ] = None,
    title_column: Annotated[
        str | None, typer.Option(rich_help_panel=_COLUMNS, help="Column of the title; none leaves it out.")
    ] = None,
    tags_column: Annotated[
        str | None, typer.Option(rich_help_panel=_COLUMNS, help="Column of the tags; none leaves it out.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(rich_help_panel=_COLUMNS, help="Column of the known label; none leaves it out.")
    ] = None,
    created_column: Annotated[
        str | None, typer.Option(rich_help_panel=_COLUMNS, help="Column of the creation time; none leaves it out.")
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_WRITTEN, help=r"The character between columns; \t is the tab.", show_default=False
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(rich_help_panel=_WRITTEN, help="The file's encoding, such as cp1252.")
    ] = None,
    no_header: Annotated[
        bool,
        typer.Option("--no-header", rich_help_panel=_WRITTEN, help="The first line is a record; columns are 1, 2, 3."),
    ] = False,
    quotes: Annotated[
        bool | None,
        typer.Option(
            "--quotes/--no-quotes", rich_help_panel=_WRITTEN, help="Whether quotes enclose fields or are text."
        ),
    ] = None,
    tags_separator: Annotated[
        str | None, typer.Option(rich_help_panel=_WRITTEN, help="What stands between tags; they may then hold blanks.")
    ] = None,
    null_words: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_WRITTEN,
            metavar="WORD,…",
            help="Words that mean missing, instead of those known; empty keeps all.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        bool | None,
        typer.Option("--html/--no-html", rich_help_panel=_WRITTEN, help="Titles are HTML, in which &amp; is &."),
    ] = None,
    day_first: Annotated[
        bool | None, typer.Option("--day-first/--month-first", rich_help_panel=_WRITTEN, help="What 03/04/2009 means.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove the questions that the files do not have; asks if most would go.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row, with nothing written.")] = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Show what would be stored, and write nothing.")
    ] = False,
) -> None:
    """Add and update questions and tags from files; the format is recognised.

    Taken are: the notebook's tagdataset.csv; CSV and TSV with id, title, tags and label columns in any order; the
    question and tag files of StackLite and StackSample; exports of the Stack Exchange Data Explorer; Posts.xml of a
    data dump; JSON, JSON lines and the pages of the Stack Exchange API; Parquet. Each may be compressed: .gz, .bz2,
    .xz, .zst or .zip. Tags may be written `a b`, `<a><b>`, `a|b`, `a;b`, `a,b` or as a list.

    Several files are one import: all of it is stored, or nothing. What the options say holds for each of them.

    Examples:

        tagdb import Posts.xml

        tagdb import questions.csv.gz question_tags.csv.gz

        tagdb import tickets.csv --dry-run

        tagdb import titles.tsv --id-column row-number --title-column title

        tagdb import export.csv --encoding cp1252 --day-first

        tagdb import plain.csv --no-header --id-column 1 --title-column 2 --tags-column 3

        curl -s https://example.org/questions.jsonl | tagdb import -
    """
    do = partial(
        given.collection().import_files,
        files,
        format=format,
        id_column=id_column,
        title_column=title_column,
        tags_column=tags_column,
        label_column=label_column,
        created_column=created_column,
        delimiter=delimiter,
        encoding=encoding,
        header=not no_header,
        quotes=quotes,
        tags_separator=tags_separator,
        null_words=None if null_words is None else null_words.split(","),
        html=html,
        day_first=day_first,
        replace=replace,
        strict=strict,
        dry_run=dry_run,
    )
    try:
        result = do(confirmed=given.yes)
    except CheckFailed as refused:
        if STANDARD_INPUT in files or not at_terminal():
            raise
        given.confirm(f"{refused}. Remove them?")
        result = do(confirmed=True)
    if dry_run:
        given.print_result(result, _print_plan)
    else:
        given.print_done(result, _print)
    if not given.json:
        _print_bad(result)
        _print_next(given, result)
    if result.bad:
        raise typer.Exit(1)


def at_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def _print_plan(result: ImportResult) -> None:
    if result.first_rows:
        print_table(
            [[row.id, row.title, " ".join(row.tags), row.label, row.created_at] for row in result.first_rows],
            ["id", "title", "tags", "label", "created_at"],
        )
    _print(result)


def _print(result: ImportResult) -> None:
    skipped = "".join(f", {count:,} skipped ({reason})" for reason, count in result.skipped.items())
    bad = "".join(f", {count:,} bad ({reason})" for reason, count in result.bad.items())
    typer.echo(f"read {result.records:,} records{skipped}{bad}")
    typer.echo(
        f"questions: {result.added:,} added, {result.updated:,} updated, {result.unchanged:,} unchanged, "
        f"{result.removed:,} removed"
    )
    typer.echo(f"tags: {result.tags_added:,} added, {result.tags_removed:,} removed")


def _print_bad(result: ImportResult) -> None:
    for example in result.bad_examples:
        typer.echo(f"  {example}", err=True)
    if len(result.bad_examples) < sum(result.bad.values()):
        typer.echo(f"  … and {sum(result.bad.values()) - len(result.bad_examples):,} more", err=True)


def _print_next(given: Given, result: ImportResult) -> None:
    """Say what to do next: sync, where there is something to, or else what would help."""
    reporter = given.reporter()
    for line in result.advice:
        reporter.say(line)
    if result.dry_run:
        if result.refused:
            reporter.warn(f"{result.refused}, and asks first, or needs --yes")
        reporter.say("nothing was written")
    elif result.added or result.updated or result.removed or result.tags_added or result.tags_removed:
        reporter.say("next: tagdb sync")
