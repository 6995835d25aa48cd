"""`tagdb status`: how current everything is, and why it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tagdb import shortening
from tagdb.cli.common import print_facts, seconds
from tagdb.cli.given import READING, Given, shares
from tagdb.drawing import duration
from tagdb.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from tagdb.door.types import Health, Status


@shares(*READING)
def status(
    given: Given,
    check: Annotated[bool, typer.Option("--check", help="Exit with 4 unless everything is current.")] = False,
    max_lag: Annotated[
        float | None,
        typer.Option(
            parser=seconds,
            metavar="DURATION",
            help="With --check: exit with 4 only if labels were last known to be current longer ago; quick to tell.",
        ),
    ] = None,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print the same few numbers for Prometheus' textfile collector.")
    ] = False,
) -> None:
    """Show how current texts, vectors, tags, labels and indexes are, in exact counts, and why they are not.

    With --max-lag or --prometheus only what the view health tells is looked at, which takes no look at your tables: how
    long ago labels were known to be current, and what keeps them from being so.

    Examples:

        tagdb status

        tagdb status --check || mail -s 'tagdb is behind' you@example.org

        tagdb status --check --max-lag 15m

        tagdb status --prometheus > tagdb.prom
    """
    if max_lag is not None and not check:
        raise UsageError("--max-lag says what --check is to check", hint="tagdb status --check --max-lag 15m")
    if prometheus and given.json:
        raise UsageError("--prometheus and --json are two forms of one result", hint="give one of them")
    if prometheus and check and max_lag is None:
        raise UsageError("--prometheus shows no exact counts to check", hint="tagdb status --check --max-lag 15m")
    if prometheus or max_lag is not None:
        _show_health(given, max_lag, prometheus=prometheus)
        return
    picture = given.collection().status()
    given.print_result(picture, _print)
    if check and picture.reasons:
        raise CheckFailed(f"not everything is current: {_why(picture)}", hint=picture.reasons[0].next)


def _show_health(given: Given, max_lag: float | None, *, prometheus: bool) -> None:
    health = given.collection().health()
    if prometheus:
        typer.echo(health.as_prometheus(), nl=False)
    else:
        given.print_result(health, _print_health)
    if max_lag is not None and (late := health.too_late(max_lag)):
        raise CheckFailed(late, hint="tagdb status, and tagdb sync or tagdb watch")


def _print_health(health: Health) -> None:
    def ago(length: float | None) -> str | None:
        return None if length is None else f"{duration(length)} ago"

    running = health.running and f"{health.running}, for {duration(health.running_seconds or 0.0)}"
    facts = {
        "known to be current": ago(health.lag_seconds),
        "last complete sync": ago(health.seconds_since_sync),
        "at work": running,
        "texts due": health.due,
        "texts without a vector": health.failed,
        "changes waiting": health.waiting,
        "workers": health.workers,
        "the last sync failed": health.last_error,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    print_facts({**dict.fromkeys(list(facts)[:2]), **known})


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
    if picture.capturing:
        waiting = f"{picture.captured:,} questions wait"
        facts["changes captured"] = f"not all: {picture.capture_doubt}" if picture.capture_doubt else waiting
    if last := picture.last_run:
        error = f", {last['error']}" if last["error"] else ""
        facts["last run"] = f"{last['command']} at {last['started_at']:%Y-%m-%d %H:%M:%S}: {last['status']}{error}"
    print_facts(facts)
    if picture.current:
        typer.echo("everything is current")
    else:
        typer.echo(f"not current: {_why(picture)}\nnext: {picture.reasons[0].next}")
