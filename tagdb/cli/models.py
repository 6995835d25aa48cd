"""`tagdb models`: the stored classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb import shortening
from tagdb.cli.common import print_facts
from tagdb.cli.given import DATABASE, READING, TALK, WRITING, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import Deleted, Deletion, StoredClassifier

app = typer.Typer(help="List, show, activate and delete classifiers.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="NAME|NUMBER", help="A classifier's name or number.")]

_CLASSES_IN_A_ROW = 5
_CLASSES_SHOWN = 30
_LONGEST_CLASS = 30


@app.command("list")
@shares(*READING)
def list_(given: Given) -> None:
    """List the classifiers with their accuracy; the active one writes the labels.

    Example:

        tagdb models list
    """
    found = given.collection().models()
    given.print_list(found, _row)
    if not found and not given.json:
        given.reporter().say("there is no classifier yet; next: tagdb train --query SQL")


@app.command("show")
@shares(*READING)
def show(
    given: Given,
    which: Which,
) -> None:
    """Show where a classifier comes from and how good it is on its held-out rows.

    Example:

        tagdb models show classifier-1
    """
    given.print_result(given.collection().model(which), _print)


@app.command("activate")
@shares(*WRITING)
def activate(
    given: Given,
    which: Which,
) -> None:
    """Let a classifier write the labels from now on.

    Example:

        tagdb models activate classifier-2 && tagdb predict
    """
    given.print_done(given.collection().activate_model(which), lambda done: typer.echo(f"{done.name} is active"))
    given.reporter().say("next: tagdb predict")


@app.command("delete")
@shares("yes", *DATABASE, "wait", "json", *TALK)
def delete(
    given: Given,
    which: Which,
) -> None:
    """Delete a classifier; the labels it wrote are first written anew by the active one.

    Labels go along only where there is no other active classifier that could write them; the question says how many.

    Example:

        tagdb models delete classifier-1 --yes
    """
    db, report = given.collection(), given.reporter()
    planned = db.plan_deletion(which)
    given.confirm(_question(planned))
    done = db.delete_model(str(planned.classifier.id))
    outcome = _outcome(done, planned.total)
    given.print_done(done, lambda _: typer.echo(outcome))
    if done.labels_removed and given.quiet:
        report.warn(outcome)
    if done.was_active:
        report.say("next: tagdb models activate NAME, or tagdb train --query SQL")


def _print(found: StoredClassifier) -> None:
    print_facts(
        {
            "name": f"{found.name} (number {found.id})",
            "active": found.active,
            "embedder": found.embedder + ("" if found.usable else " (no longer in use)"),
            "classes": shortening.named(found.classes, _CLASSES_SHOWN),
            "made at": found.created_at,
            "query": " ".join(found.query.split()),
            "settings": _listed(found.settings),
            "versions": _listed(found.versions),
        }
    )
    typer.echo(f"\n{found.report}\n{found.confusion}", nl=False)


def _question(planned: Deletion) -> str:
    name = planned.classifier.name
    if planned.heir:
        return f"Delete {name}? The {planned.written:,} labels that it wrote are first written anew by {planned.heir}."
    active = ", the active classifier," if planned.classifier.active else ""
    labels = f" and the labels that it wrote, {planned.written:,} of {planned.total:,}" if planned.written else ""
    return f"{f'Delete {name}{active}{labels}'.rstrip(',')}?"


def _outcome(done: Deleted, total: int) -> str:
    notes = [f"{done.labels_renewed:,} labels written anew by {done.renewed_by}"] * bool(done.renewed_by)
    notes += [f"{done.labels_removed:,} of {total:,} labels removed"] * bool(done.labels_removed)
    return "; ".join([f"{done.name} is deleted", *notes])


def _row(each: StoredClassifier) -> dict[str, Any]:
    shown = ", ".join(shortening.ellipsis(name, _LONGEST_CLASS) for name in each.classes[:_CLASSES_IN_A_ROW])
    more = f", … ({len(each.classes)} in all)" if len(each.classes) > _CLASSES_IN_A_ROW else ""
    return {
        "number": each.id,
        "name": each.name,
        "active": each.active,
        "accuracy": each.metrics["accuracy"],
        "macro F1": each.metrics["macro_f1"],
        "classes": shown + more,
        "embedder": each.embedder,
        "made at": each.created_at,
    }


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(values.items()) if value is not None)
