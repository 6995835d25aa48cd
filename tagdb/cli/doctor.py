"""`tagdb doctor`: what is wrong, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tagdb import shortening
from tagdb.cli.common import print_json
from tagdb.cli.given import READING, Given, shares
from tagdb.errors import CheckFailed

if TYPE_CHECKING:
    from tagdb.door.types import Finding


@shares(*READING)
def doctor(given: Given) -> None:
    """Look at connection, rights, server, schema, source, embedder, indexes and disk; say what mends what is wrong.

    It writes nothing, and ends with 4 when there is something to mend, with 3 when there is no connection. With --quiet
    it names problems only.

    Examples:

        tagdb doctor

        tagdb doctor --json | jq 'select(.ok == false)'
    """
    examination = given.collection().doctor()
    for each in examination.findings:
        if given.json:
            print_json(each)
        elif not given.quiet or each in examination.problems:
            _print(each)
    if examination.unreachable:
        raise examination.unreachable
    if problems := examination.problems:
        raise CheckFailed(
            f"{len(problems)} of {len(examination.findings)} findings have to be mended", hint=problems[0].mend
        )


def _print(each: Finding) -> None:
    typer.echo(f"{each.level:<8} {each.check:<11} {shortening.cut(each.found)}")
    if each.mend:
        typer.echo(f"{'':<20} mend: {shortening.cut(each.mend)}")
