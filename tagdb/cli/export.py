"""`tagdb export`: results as files."""

from __future__ import annotations

from typing import Annotated

import typer

from tagdb.cli.given import DATABASE, TALK, Given, shares

app = typer.Typer(help="Write labels, tags or vectors to a file for other tools.", no_args_is_help=True)

Spreadsheet = Annotated[
    bool,
    typer.Option(
        "--spreadsheet", help="Put ' before texts that begin with = + - or @, which a spreadsheet runs as formulas."
    ),
]


@app.callback()
def _group() -> None:
    pass


@app.command("predictions")
@shares(*DATABASE, *TALK)
def predictions(
    given: Given,
    file: Annotated[str, typer.Argument(help="A .csv or .parquet file; - is standard output, as CSV.")],
    probability: Annotated[bool, typer.Option("--probability", help="Add the probability of each label.")] = False,
    spreadsheet: Spreadsheet = False,
) -> None:
    """Write id and label of every labelled question.

    Examples:

        tagdb export predictions results.csv

        tagdb export predictions labels.parquet --probability
    """
    rows = given.collection().export(file, probability=probability, spreadsheet=spreadsheet)
    given.reporter().say(f"wrote {rows:,} rows")


@app.command("vectors")
@shares(*DATABASE, *TALK)
def vectors(
    given: Given,
    file: Annotated[str, typer.Argument(help="A .parquet or .npy file.")],
) -> None:
    """Write the vector of every question, in the order of their ids.

    Parquet has columns id and embedding. A .npy file is a matrix of float32, which numpy.load maps with
    mmap_mode='r'; the ids of its rows are beside it: those of vectors.npy in vectors.id.npy.

    Examples:

        tagdb export vectors vectors.parquet

        tagdb export vectors vectors.npy
    """
    rows = given.collection().export_vectors(file)
    given.reporter().say(f"wrote {rows:,} vectors")


@app.command("tags")
@shares(*DATABASE, *TALK)
def tags(
    given: Given,
    file: Annotated[str, typer.Argument(help="A .csv, .parquet or .npy file; - is standard output, as CSV.")],
    spreadsheet: Spreadsheet = False,
) -> None:
    """Write every tag, how many questions have it, and the centroid of their vectors.

    CSV has columns tag and questions; Parquet has the centroid too, as embedding. A .npy file is the matrix of the
    centroids, beside it lie tags.tag.npy and tags.questions.npy.

    Examples:

        tagdb export tags tags.csv

        tagdb export tags centroids.parquet
    """
    rows = given.collection().export_tags(file, spreadsheet=spreadsheet)
    given.reporter().say(f"wrote {rows:,} tags")
