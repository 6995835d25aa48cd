"""`tagdb watch`: syncs as soon as something has changed, for as long as it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tagdb.cli.common import seconds
from tagdb.cli.given import DATABASE, TALK, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import Synced, Watched


@shares(*DATABASE, "json", *TALK)
def watch(
    given: Given,
    every: Annotated[
        float,
        typer.Option(parser=seconds, metavar="DURATION", help="Ask so often whether something has changed."),
    ] = 1.0,
    full_every: Annotated[
        float,
        typer.Option(
            parser=seconds,
            metavar="DURATION",
            show_default="5m",
            help="Compare everything so often where changes may give no sign, as with foreign tables.",
        ),
    ] = 300.0,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Embed a longer text up to this token, as tagdb sync was told.")
    ] = 512,
    index: Annotated[
        bool, typer.Option("--index/--no-index", help="Build the index when there is enough for one.")
    ] = True,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Answer /metrics (for Prometheus) and /healthz there; without a host, to this machine only.",
        ),
    ] = None,
    max_lag: Annotated[
        float,
        typer.Option(
            parser=seconds,
            metavar="DURATION",
            show_default="15m",
            help="Let /healthz answer 503 when labels were last known to be current longer ago than this.",
        ),
    ] = 900.0,
) -> None:
    """Sync as soon as something has changed, and go on until a signal ends it: labels are seconds old.

    The embedder is loaded once and kept. Each pass that did something prints a line, with --json an object. A server
    that is lost is waited for, and so is another tagdb at work; what fails is said once and tried again. What is
    embedded, tagdb sync says: this goes on with it.

    Examples:

        tagdb watch

        tagdb watch --every 10s --json >> watch.log

        tagdb watch --metrics 9187 --max-lag 5m
    """
    passes = given.collection().watch(
        every=every, full_every=full_every, max_tokens=max_tokens, index=index, metrics=metrics, max_lag=max_lag
    )
    for each in passes:
        if each.fault and not given.json:
            given.reporter().warn(f"{each.fault}; trying again" + (f"; next: {each.hint}" if each.hint else ""))
        given.print_done(each, _print)


def _print(done: Watched) -> None:
    if done.synced is None:
        return
    notes = [*_notes(done.synced), f"{done.seconds:.1f} s"]
    if done.oldest_change_seconds is not None:
        notes.append(f"changes at most {done.oldest_change_seconds:.1f} s old")
    typer.echo(f"{done.ended_at:%Y-%m-%d %H:%M:%S} {', '.join(notes)}")


def _notes(synced: Synced) -> list[str]:
    counts = {
        "new": synced.new,
        "changed": synced.changed,
        "gone": synced.gone,
        "embedded": synced.embedded,
        "without a token": synced.without_token,
        "failed": synced.failed,
        "tags averaged": synced.tags,
        "labelled": synced.labelled,
    }
    notes = [f"{count:,} {what}" for what, count in counts.items() if count]
    return [*notes, *(f"index on {name} built" for name in synced.indexed)]
