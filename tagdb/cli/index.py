"""`tagdb index`: the HNSW indexes behind fast neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from tagdb.cli.given import READING, WRITING, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import IndexStatus

app = typer.Typer(help="Build, drop and show the indexes behind fast neighbours.", no_args_is_help=True)


@app.command("build")
@shares(*WRITING)
def build(given: Given) -> None:
    """Build the indexes that are missing; sync does so by itself once there are enough vectors.

    Example:

        tagdb index build
    """
    built = given.collection().build_index()
    if given.json or not given.quiet:
        given.print_list(built, _row)


@app.command("drop")
@shares(*WRITING)
def drop(given: Given) -> None:
    """Drop the indexes; neighbours are then found by reading every vector.

    Example:

        tagdb index drop
    """
    left = given.collection().drop_index()
    if given.json or not given.quiet:
        given.print_list(left, _row)


@app.command("status")
@shares(*READING)
def status(given: Given) -> None:
    """Show which indexes stand, and how large they are.

    Example:

        tagdb index status
    """
    found = given.collection().index_status()
    given.print_list(found, _row)
    for each in found:
        if each.worthwhile and not each.built:
            given.reporter().say(
                f"next: tagdb index build ({each.vectors:,} vectors on {each.relation} pay for an index)"
            )


def _row(each: IndexStatus) -> dict[str, Any]:
    return {
        "on": each.relation,
        "built": each.built,
        "vectors": each.vectors,
        "size": f"{each.bytes / 2**20:.1f} MB" if each.built else None,
        "embedder": each.embedder,
    }
