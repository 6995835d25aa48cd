"""`tagdb capture`: changes are written down as they happen, and a sync looks at these alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb.cli.common import print_facts
from tagdb.cli.given import READING, WRITING, Given, shares
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.door.types import Capture, Capturing

app = typer.Typer(help="Write down what changes in your tables, for sync to look at that alone.", no_args_is_help=True)


@app.command("on")
@shares(*WRITING)
def on(
    given: Given,
    table: Annotated[
        list[str] | None,
        typer.Option(
            help="For SQL of your own: a table it reads, and the column or SQL expression that says which question a "
            "row is about; * for any. Once for each table.",
            metavar="NAME=ID",
        ),
    ] = None,
) -> None:
    """Make triggers on the tables that sync reads; statements then write down which questions they changed.

    A sync costs what its changes cost from then on, however many questions there are; the next one compares all of them
    once more. For what no trigger sees: tagdb sync --full, every night. Run again, this makes what is missing.

    Examples:

        tagdb capture on

        tagdb capture on --table helpdesk.tickets=ticket_no --table helpdesk.topics=ticket

        tagdb capture on --table tickets=id --table areas='*'
    """
    done = given.collection().capture_on(_tables(table or []))
    given.print_done(done, _print_on)


def _tables(said: list[str]) -> dict[str, str]:
    tables: dict[str, str] = {}
    for each in said:
        name, expression = _split(each)
        if not name.strip() or not expression.strip():
            raise UsageError(f"--table {each} does not say NAME=ID", hint="--table helpdesk.tickets=ticket_no")
        tables[name.strip()] = expression
    return tables


def _split(said: str) -> tuple[str, str]:
    """Split at the first equals sign that is not inside of a quoted name."""
    inside = False
    for place, letter in enumerate(said):
        inside ^= letter == '"'
        if letter == "=" and not inside:
            return said[:place], said[place + 1 :]
    return said, ""


def _print_on(done: Capturing) -> None:
    names = ", ".join(table.name for table in done.capture.tables)
    typer.echo(f"changes of {names} are captured now" if done.changed else f"changes of {names} are captured already")


@app.command("off")
@shares(*WRITING)
def off(given: Given) -> None:
    """Remove the triggers from your tables, and what they wrote; sync compares by itself again.

    Example:

        tagdb capture off
    """
    done = given.collection().capture_off()
    given.print_done(done, lambda _: typer.echo("capture is off now" if done.changed else "capture was off"))


@app.command("status")
@shares(*READING)
def status(given: Given) -> None:
    """Show whether changes are captured, of which tables, and how many questions wait for a sync.

    Example:

        tagdb capture status
    """
    given.print_result(given.collection().capture_status(), _print)


def _print(capture: Capture) -> None:
    if not capture.on:
        typer.echo("capture is off")
        return
    facts: dict[str, Any] = {"captured since": capture.since}
    for table in capture.tables:
        facts[f"id in {table.name}"] = "any" if table.ids is None else table.ids
    facts["questions waiting"] = "any" if capture.everything else capture.waiting
    if capture.doubt:
        facts["next sync"] = f"compares everything: {capture.doubt}"
    if capture.unseen:
        facts["not seen"] = capture.unseen
    print_facts(facts)
