"""`tagdb import`: questions and tags from files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tagdb.cli.given import WRITING, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import ImportResult


@shares(*WRITING)
def import_(
    given: Given,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="CSV, TSV or Posts.xml, also as .gz; - is standard input."),
    ],
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(
            help="Take the files for this: tagdataset, csv, tsv, stacklite, sede or posts-xml.",
            show_default=False,
        ),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column of the question's id; row-number counts the rows instead.")
    ] = None,
    title_column: Annotated[str | None, typer.Option(help="Column of the title; none leaves it out.")] = None,
    tags_column: Annotated[str | None, typer.Option(help="Column of the tags.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of the known label; none leaves it out.")] = None,
    created_column: Annotated[str | None, typer.Option(help="Column of the creation time.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove the questions that the files do not have.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row, with nothing written.")] = False,
) -> None:
    """Add and update questions and tags from files; the format is recognised.

    Taken are: the notebook's tagdataset.csv; CSV and TSV with id, title, tags and label columns in any order; the
    question and tag files of StackLite and StackSample; exports of the Stack Exchange Data Explorer; Posts.xml of a
    data dump. Tags may be written `a b`, `<a><b>`, `a|b`, `a,b` or as a Python list.

    Several files are one import: all of it is stored, or nothing.

    Examples:

        tagdb import Posts.xml

        tagdb import questions.csv.gz question_tags.csv.gz

        tagdb import titles.tsv --id-column row-number --title-column title

        curl -s https://example.org/questions.csv | tagdb import -
    """
    result = given.collection().import_files(
        files,
        format=format,
        id_column=id_column,
        title_column=title_column,
        tags_column=tags_column,
        label_column=label_column,
        created_column=created_column,
        replace=replace,
        strict=strict,
    )
    given.print_done(result, _print)
    if not given.json:
        _print_bad(result)
        given.reporter().say("next: tagdb sync")
    if result.bad:
        raise typer.Exit(1)


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
