"""`tagdb nearest`: neighbours of a tag or of free text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb import shortening
from tagdb.cli.given import READING, Given, shares
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.door.types import NearQuestion, NearTag


@shares(*READING)
def nearest(
    given: Given,
    wanted: Annotated[
        str | None, typer.Argument(metavar="TAG|TEXT", help="A tag of your questions, or any text.", show_default=False)
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", help="Find questions near to the one of this id.", metavar="ID")
    ] = None,
    questions: Annotated[bool, typer.Option("--questions", help="Find questions instead of tags.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, max=10_000, help="How many.")] = 10,
    where: Annotated[
        str | None,
        typer.Option(
            help="Show only neighbours for which this SQL holds, on the columns of questions (or your source).",
            metavar="SQL",
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare with every vector instead of asking the index.")
    ] = False,
) -> None:
    """Show the tags nearest to a tag or a text, or with --questions or --question the nearest questions.

    A tag stands for the mean vector of its questions. In SQL: tagdb.nearest_tags('pandas', 10) and
    tagdb.nearest_questions(4711, 10).

    Examples:

        tagdb nearest pandas

        tagdb nearest 'java spring security' --questions -k 5

        tagdb nearest pandas --questions --where "created_at > '2020-01-01'"

        tagdb nearest --question 4711
    """
    if wanted is not None and question is not None:
        raise UsageError("a text and --question are both given", hint=f"tagdb nearest --question {question}")
    if wanted is None and question is None:
        raise UsageError(
            "name a tag or a text, or a question by its id",
            hint="tagdb nearest pandas, or tagdb nearest --question 4711",
        )
    questions = questions or question is not None
    if where and not questions:
        raise UsageError("--where filters questions", hint=f"tagdb nearest {wanted!r} --questions --where …")
    if questions:
        near = _near_questions(given, wanted, question, k, where=where, exact=exact)
        given.print_list(near, _question)
        found = len(near)
    else:
        assert wanted is not None
        tags = given.collection().nearest(wanted, k, exact=exact)
        given.print_list(tags, _tag)
        found = len(tags)
    if found < k:
        given.reporter().say(f"only {found} of {k}: there are no more that fit")


def _near_questions(
    given: Given, wanted: str | None, question: str | None, k: int, *, where: str | None, exact: bool
) -> list[NearQuestion]:
    db, longest = given.collection(), None if given.json else shortening.LONGEST_CELL + 1
    if question is not None:
        return db.nearest_to_question(question, k, where=where, exact=exact, longest=longest)
    assert wanted is not None
    return db.nearest(wanted, k, questions=True, where=where, exact=exact, longest=longest)


def _question(each: NearQuestion) -> dict[str, Any]:
    return {"question": str(each.question_id), "distance": each.distance, "text": each.text}


def _tag(each: NearTag) -> dict[str, Any]:
    return {"tag": each.tag, "distance": each.distance, "questions": each.questions}
