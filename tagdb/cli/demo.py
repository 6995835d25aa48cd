"""`tagdb demo`: the whole loop, shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tagdb.cli.common import print_outcome, print_table
from tagdb.cli.given import DATABASE, TALK, Given, shares
from tagdb.drawing import duration

if TYPE_CHECKING:
    from tagdb.door.types import Step

_NEXT = """
What to type next:

  tagdb status                                   how current everything is
  tagdb nearest hibernate                        neighbours of a tag; --questions for questions
  tagdb db psql                                  SELECT * FROM labels, with your own eyes
  tagdb export predictions results.csv           labels as a file
  tagdb import YOUR-FILE --replace               your own questions instead of the sample
  tagdb db migrate --db-url postgresql://…       your own database instead of this one
"""


@shares(*DATABASE, "wait", *TALK)
def demo(given: Given) -> None:
    """Show the whole loop on a bundled sample of made-up questions: import, sync, train, labels, neighbours.

    It takes about a minute, and can be run again without harm. Without --db-url it uses tagdb's own database.

    Example:

        tagdb demo
    """
    seconds = given.collection().demo(_nothing if given.quiet else _Storyteller().show)
    print_outcome(f"\nThat was the whole loop, in {duration(seconds)}.\n{_NEXT}")


def _nothing(step: Step) -> None:
    pass


class _Storyteller:
    """Numbers the steps and prints them."""

    def __init__(self) -> None:
        self._steps = 0

    def show(self, step: Step) -> None:
        """Print one step: explanation, command, outcome."""
        self._steps += 1
        typer.secho(f"\n{self._steps}. {step.explanation}", bold=True)
        prompt = "$ " if step.command.startswith("tagdb ") else ""
        for line in step.command.splitlines():
            typer.secho(f"   {prompt}{line}", fg=typer.colors.CYAN)
        if step.outcome:
            typer.echo("".join(f"   {line}\n" for line in step.outcome.splitlines()), nl=False)
        if step.rows:
            typer.echo()
            print_table(step.rows, [name.replace("_", " ") for name in step.columns])
