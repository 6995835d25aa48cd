"""`tagdb index`: the HNSW indexes behind fast neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from tagdb.cli.common import print_json, print_table
from tagdb.cli.given import READING, WRITING, Given, shares
from tagdb.cli.reporting import reporter

if TYPE_CHECKING:
    from tagdb.pipeline.syncing.indexing import IndexStatus

app = typer.Typer(help="Build, drop and show the indexes behind fast neighbours.", no_args_is_help=True)


@app.command("build")
@shares(*WRITING)
def build(given: Given) -> None:
    """Build the indexes that are missing; sync does so by itself once there are enough vectors.

    Example:

        tagdb index build
    """
    from tagdb.pipeline.syncing import indexing

    report = reporter()
    built = indexing.build(given.open(), report)
    if given.json or not given.quiet:
        _print(built, as_json=given.json)


@app.command("drop")
@shares(*WRITING)
def drop(given: Given) -> None:
    """Drop the indexes; neighbours are then found by reading every vector.

    Example:

        tagdb index drop
    """
    from tagdb.pipeline.syncing import indexing

    left = indexing.drop(given.open())
    if given.json or not given.quiet:
        _print(left, as_json=given.json)


@app.command("status")
@shares(*READING)
def status(given: Given) -> None:
    """Show which indexes stand, and how large they are.

    Example:

        tagdb index status
    """
    from tagdb.pipeline.syncing import indexing

    report = reporter()
    found = indexing.show(given.open())
    _print(found, as_json=given.json)
    for each in found:
        if each.worthwhile and not each.built:
            report.say(f"next: tagdb index build ({each.vectors:,} vectors on {each.relation} pay for an index)")


def _print(found: Sequence[IndexStatus], *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print_json(asdict(each))
        return
    print_table(
        ((i.relation, i.built, i.vectors, f"{i.bytes / 2**20:.1f} MB" if i.built else None, i.embedder) for i in found),
        ("on", "built", "vectors", "size", "embedder"),
    )
