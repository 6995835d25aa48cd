"""`tagdb nearest`: neighbours of a tag or of free text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tagdb import shortening
from tagdb.cli.common import print_json, print_table
from tagdb.cli.given import READING, Given, shares
from tagdb.cli.reporting import reporter
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.pipeline.asking.nearest import Neighbours


@shares(*READING)
def nearest(
    given: Given,
    wanted: Annotated[str, typer.Argument(metavar="TAG|TEXT", help="A tag of your questions, or any text.")],
    questions: Annotated[bool, typer.Option("--questions", help="Find questions instead of tags.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, max=10_000, help="How many.")] = 10,
    where: Annotated[
        str | None,
        typer.Option(help="SQL condition on the columns of questions (or of your own source).", metavar="SQL"),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with every vector instead of asking the index.")
    ] = False,
) -> None:
    """Show the tags nearest to a tag or a text, or with --questions the nearest questions.

    A tag stands for the mean vector of its questions. In SQL: tagdb.nearest_tags('pandas', 10) and
    tagdb.nearest_questions(4711, 10).

    Examples:

        tagdb nearest pandas

        tagdb nearest 'java spring security' --questions -k 5

        tagdb nearest pandas --questions --where "created_at > '2020-01-01'"
    """
    from tagdb.pipeline.asking import nearest as use_case

    if where and not questions:
        raise UsageError("--where filters questions", hint=f"tagdb nearest {wanted!r} --questions --where …")
    report = reporter()
    database = given.open()
    if questions:
        longest = use_case.WHOLE_TEXT if given.json else shortening.LONGEST_CELL + 1
        result = use_case.nearest_questions(database, wanted, k, report, where=where, exact=exact, longest=longest)
    else:
        result = use_case.nearest_tags(database, wanted, k, report, exact=exact)
    _print(result, questions=questions, as_json=given.json)
    if not result.complete:
        report.say(f"only {len(result.found)} of {k}: there are no more that fit")


def _print(result: Neighbours, *, questions: bool, as_json: bool) -> None:
    columns = ("question_id", "distance", "text") if questions else ("tag", "distance", "questions")
    rows: list[tuple[object, ...]]
    if questions:
        rows = [(int(each.name) if as_json else each.name, each.distance, each.text) for each in result.found]
    else:
        rows = [(each.name, each.distance, each.questions) for each in result.found]
    if not as_json:
        print_table(rows, [column.replace("_id", "") for column in columns])
        return
    for row in rows:
        print_json(dict(zip(columns, row, strict=True)))
