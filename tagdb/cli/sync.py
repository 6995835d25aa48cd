"""`tagdb sync`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb.cli.common import print_facts, read_query
from tagdb.cli.given import WRITING, Given, shares
from tagdb.drawing import duration
from tagdb.errors import InputRefused, UsageError

if TYPE_CHECKING:
    from tagdb.door.types import Plan, Synced

_SOURCE = "What is embedded; all of it is remembered"


@shares(*WRITING)
def sync(
    given: Given,
    text: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_SOURCE, help="What to embed; tags the first time.", metavar="tags|title|title+tags"
        ),
    ] = None,
    source_sql: Annotated[
        str | None,
        typer.Option(rich_help_panel=_SOURCE, help="Embed your own tables: a SELECT of question_id and text."),
    ] = None,
    source_tags_sql: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_SOURCE,
            help="The tags of your own tables: a SELECT of question_id and tag (or an array of them).",
        ),
    ] = None,
    source_tags_separator: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_SOURCE,
            help="What separates tags in one text: ';' for a;b, '<>' for <a><b>; '' ends it.",
            metavar="TEXT",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_SOURCE,
            help="Embed only rows that satisfy this SQL condition, on the columns of questions or of --source-sql. "
            "'' ends it.",
            metavar="SQL",
        ),
    ] = None,
    source_sql_file: Annotated[
        Path | None,
        typer.Option(rich_help_panel=_SOURCE, help="Read the SELECT of --source-sql from a file; - is standard input."),
    ] = None,
    source_tags_sql_file: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_SOURCE, help="Read the SELECT of --source-tags-sql from a file; - is standard input."
        ),
    ] = None,
    allow_gone: Annotated[
        bool,
        typer.Option(
            "--allow-gone", help="Go on even if more than half of the questions (over 1,000) are gone or empty."
        ),
    ] = False,
    new_keys: Annotated[
        bool,
        typer.Option(
            "--new-keys", help="Go on even if question_id has another type now: ids and labels are stored anew."
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Compare all questions, also where `tagdb capture` says which have changed."),
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Embed at most this many texts; the rest stays due.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Texts embedded and committed together; without it, as many as take some seconds."),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Embed a longer text up to this token; say so every time.")
    ] = 512,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Embed in so many processes on this machine, each with its share of the processors."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Embed on the nodes of the Ray cluster there, on at most --workers of them; auto is the one this "
            "machine is in.",
            metavar="auto|HOST:PORT",
        ),
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs that each worker of --ray takes of its node.")] = 0,
    index: Annotated[
        bool, typer.Option("--index/--no-index", help="Build the index when there is enough for one.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Say what there is to do, and do nothing.")] = False,
) -> None:
    """Embed what changed, renew tag vectors, and predict the labels that are due.

    One pass, then it ends: put it in cron. It can be stopped or killed at any time; the next run goes on from there.
    A second run with nothing changed writes nothing.

    What you embed is remembered as SQL: should a table of that name be another one later, sync goes over to it and says
    so. Rows that --where leaves out (deleted ones, say) are as if they were gone. Should most of your questions be
    gone, or have no text any more, it changes nothing and exits with 4 until you say --allow-gone.

    With --workers, processes of their own embed; one that dies is started again. With --ray they run on the machines of
    a Ray cluster (extra tagdb[ray]). Whether with or without, workers on other machines may join: tagdb work.

    question_id may be any integer, a uuid or a text: the labels have the type that the first sync finds. Another one is
    refused later until you say --new-keys, which keeps the vectors of all texts that are still there.

    Examples:

        tagdb sync

        tagdb sync --dry-run

        tagdb sync --full

        tagdb sync --text title

        tagdb sync --workers 4

        tagdb sync --ray auto

        tagdb sync --source-sql 'SELECT id AS question_id, subject AS text FROM tickets'

        tagdb sync --source-sql-file tickets.sql --source-tags-sql 'SELECT id, topics AS tag FROM tickets'

        tagdb sync --source-tags-sql 'SELECT id, tags AS tag FROM posts' --source-tags-separator ,

        tagdb sync --where 'deleted_at IS NULL'

        tagdb sync --source-sql 'SELECT uuid AS question_id, subject AS text FROM tickets' --new-keys
    """
    source, tags = _sources(source_sql, source_sql_file, source_tags_sql, source_tags_sql_file)
    what: dict[str, Any] = {
        "text": text,
        "source_sql": source,
        "source_tags_sql": tags,
        "source_tags_separator": source_tags_separator,
        "where": where,
        "limit": limit,
        "max_tokens": max_tokens,
        "allow_gone": allow_gone,
        "new_keys": new_keys,
        "full": full,
    }
    if gpus and ray is None:
        raise UsageError("--gpus is what each worker of --ray takes", hint="tagdb sync --ray auto --gpus 1")
    db = given.collection()
    if dry_run:
        given.print_result(db.plan(**what), _print_plan)
        return
    result = db.sync(**what, batch_size=batch_size, index=index, workers=workers, ray=ray, gpus=gpus)
    given.print_done(result, _print_result)
    if result.failed and given.quiet and not given.json:
        given.reporter().warn(f"{result.failed:,} texts failed: tagdb status says why")
    if result.label_fault:
        raise InputRefused(result.label_fault, hint=result.label_hint)
    if result.failed:
        raise typer.Exit(1)


def _sources(
    sql: str | None, sql_file: Path | None, tags_sql: str | None, tags_sql_file: Path | None
) -> tuple[str | None, str | None]:
    if "-" in (sql, str(sql_file)) and "-" in (tags_sql, str(tags_sql_file)):
        raise UsageError("standard input cannot be both queries", hint="give one of them as a file")
    return read_query(sql, sql_file, "--source-sql"), read_query(tags_sql, tags_sql_file, "--source-tags-sql")


def _print_plan(plan: Plan) -> None:
    changes = plan.changes
    refused = {"refused": f"{plan.refused}; tagdb sync --allow-gone"} if plan.refused else {}
    print_facts(
        {
            **refused,
            "questions new": changes.new,
            "questions changed": changes.changed,
            "questions gone": changes.gone,
            "texts to embed": plan.texts_due,
            "labels to write": plan.labels_due if plan.labels_due is not None else "no classifier yet",
            "estimated time": duration(plan.seconds) if plan.seconds is not None else "unknown before a first sync",
        }
    )


def _print_result(result: Synced) -> None:
    rate = f", {result.texts_per_second:,.0f}/s" if result.texts_per_second else ""
    typer.echo(f"questions: {result.new:,} new, {result.changed:,} changed, {result.gone:,} gone")
    notes = [f"{result.texts_due:,} due", f"{result.embedded:,} embedded{rate}"]
    notes += [f"{result.truncated:,} of them truncated"] * bool(result.truncated)
    notes += [f"{result.without_token:,} skipped (no token)"] * bool(result.without_token)
    notes += [f"{result.failed:,} failed"] * bool(result.failed)
    notes += [f"{result.texts_left:,} still due"] * bool(result.texts_left)
    typer.echo(f"texts: {', '.join(notes)}")
    typer.echo(f"tags: {result.tags:,} averaged, {result.tags_removed:,} removed")
    typer.echo(f"labels: {result.labelled:,} written, {result.labels_removed:,} removed")
    for relation in result.indexed:
        typer.echo(f"index: built on {relation}")
