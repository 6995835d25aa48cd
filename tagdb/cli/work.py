"""`tagdb work`: one more worker for a sync that is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tagdb.cli.given import READING, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import Worked


@shares(*READING)
def work(
    given: Given,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stay, and work for every sync to come until a signal ends it.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Compute with so many threads; without it, with all processors.")
    ] = None,
) -> None:
    """Join the sync that is running, from this or any other machine, and embed beside it until nothing is left.

    It needs the same tagdb and the same embedder as the machine that syncs, and says what to bring where that is
    missing. Any number of workers share one sync: each text is embedded once. One may be stopped or killed at any time;
    what it had at hand goes to another one.

    Without a sync that is running it exits with 3, unless it shall --wait for one.

    Examples:

        tagdb work

        tagdb work --wait --threads 2
    """
    given.print_done(given.collection().work(wait=wait, threads=threads), _print)


def _print(result: Worked) -> None:
    rate = f", {result.texts_per_second:,.0f}/s" if result.texts_per_second else ""
    notes = [f"{result.embedded:,} embedded{rate}"]
    notes += [f"{result.truncated:,} of them truncated"] * bool(result.truncated)
    notes += [f"{result.without_token:,} skipped (no token)"] * bool(result.without_token)
    notes += [f"{result.failed:,} failed"] * bool(result.failed)
    typer.echo(f"texts: {', '.join(notes)}")
