"""`tagdb status`: how current everything is, and why it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tagdb import shortening
from tagdb.cli.common import print_facts
from tagdb.cli.given import READING, Given, shares
from tagdb.errors import CheckFailed

if TYPE_CHECKING:
    from tagdb.door.types import Status


@shares(*READING)
def status(
    given: Given,
    check: Annotated[bool, typer.Option("--check", help="Exit with 4 unless everything is current.")] = False,
) -> None:
    """Show how current texts, vectors, tags, labels and indexes are, in exact counts, and why they are not.

    Examples:

        tagdb status

        tagdb status --check || mail -s 'tagdb is behind' you@example.org
    """
    picture = given.collection().status()
    given.print_result(picture, _print)
    if check and picture.reasons:
        raise CheckFailed(f"not everything is current: {_why(picture)}", hint=picture.reasons[0].next)


def _why(picture: Status) -> str:
    return "; ".join(reason.why for reason in picture.reasons)


def _print(picture: Status) -> None:
    switching = f" (switching to {picture.switching_to})" if picture.switching_to else ""
    failures = shortening.named([f"{count:,} {reason}" for reason, count in picture.failures.items()])
    changes = f"{picture.new:,} new, {picture.changed:,} changed, {picture.gone:,} gone"
    facts = {
        "what is embedded": picture.source or "nothing",
        "read from": shortening.named(picture.tables) or None,
        **({"rows where": picture.condition} if picture.condition else {}),
        **({"tags separated by": picture.tags_separator} if picture.tags_separator else {}),
        "questions": f"{picture.rows:,} ({changes if picture.compared else 'stored; not compared'})",
        "distinct texts": picture.texts,
        "  embedded": f"{picture.embedded:,}" + (f" ({picture.truncated:,} truncated)" if picture.truncated else ""),
        "  due": picture.due,
        "  without a vector": f"{picture.failed:,}" + (f" ({failures})" if failures else ""),
        "tags": picture.tags,
        "tags due": picture.tags_due,
        "labelled questions": picture.labelled,
        "labels due": picture.stale,
        "embedder": f"{picture.embedder or '–'}{switching}",
        "classifier": picture.classifier,
    }
    for index in picture.indexes:
        size = f"{index.bytes / 2**20:,.0f} MB on {index.vectors:,} vectors"
        where = index.relation if index.active else f"{index.relation} after the switch"
        facts[f"index on {where}"] = size if index.built else f"none ({index.vectors:,} vectors)"
    if last := picture.last_run:
        error = f", {last['error']}" if last["error"] else ""
        facts["last run"] = f"{last['command']} at {last['started_at']:%Y-%m-%d %H:%M:%S}: {last['status']}{error}"
    print_facts(facts)
    if picture.current:
        typer.echo("everything is current")
    else:
        typer.echo(f"not current: {_why(picture)}\nnext: {picture.reasons[0].next}")
