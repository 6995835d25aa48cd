"""`tagdb models`: the stored classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb import shortening
from tagdb.cli.common import print_facts, print_json, print_outcome, print_table
from tagdb.cli.given import DATABASE, READING, TALK, WRITING, Given, shares
from tagdb.cli.reporting import reporter

if TYPE_CHECKING:
    from tagdb.pipeline.learning.classifiers import Deletion, StoredClassifier

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
    from tagdb.pipeline.learning import classifiers

    report = reporter()
    found = classifiers.stored(given.open())
    if given.json:
        for each in found:
            print_json(asdict(each))
        return
    columns = ("number", "name", "active", "accuracy", "macro F1", "classes", "embedder", "made at")
    if found:
        print_table([_row(each) for each in found], columns)
    else:
        report.say("there is no classifier yet; next: tagdb train --query SQL")


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
    from tagdb.pipeline.learning import classifiers

    found = classifiers.find(given.open(), which)
    if given.json:
        print_json(asdict(found))
        return
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
    from tagdb.pipeline.learning import classifiers

    report = reporter()
    found = classifiers.activate(given.open(), which)
    if given.json:
        print_json({"id": found.id, "name": found.name, "active": found.active})
    else:
        print_outcome(f"{found.name} is active")
    report.say("next: tagdb predict")


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
    from tagdb.pipeline.learning import classifiers

    report = reporter()
    database = given.open()
    planned = classifiers.deletion(database, which)
    if not given.yes:
        typer.confirm(_question(planned), abort=True, err=True)
    done = classifiers.delete(database, str(planned.classifier.id), report)
    if given.json:
        print_json(_as_json(done))
    else:
        print_outcome(_outcome(done))
    if done.removed and given.quiet:
        report.warn(_outcome(done))
    if done.classifier.active:
        report.say("next: tagdb models activate NAME, or tagdb train --query SQL")


def _question(planned: Deletion) -> str:
    name = planned.classifier.name
    if planned.heir:
        return f"Delete {name}? The {planned.written:,} labels that it wrote are first written anew by {planned.heir}."
    active = ", the active classifier," if planned.classifier.active else ""
    labels = f" and the labels that it wrote, {planned.written:,} of {planned.total:,}" if planned.written else ""
    return f"{f'Delete {name}{active}{labels}'.rstrip(',')}?"


def _outcome(done: Deletion) -> str:
    notes = [f"{done.renewed:,} labels written anew by {done.heir}"] * bool(done.heir)
    notes += [f"{done.removed:,} of {done.total:,} labels removed"] * bool(done.removed)
    return "; ".join([f"{done.classifier.name} is deleted", *notes])


def _as_json(done: Deletion) -> dict[str, Any]:
    return {
        "id": done.classifier.id,
        "name": done.classifier.name,
        "was_active": done.classifier.active,
        "renewed_by": done.heir,
        "labels_renewed": done.renewed,
        "labels_removed": done.removed,
    }


def _row(each: StoredClassifier) -> Sequence[Any]:
    shown = ", ".join(shortening.ellipsis(name, _LONGEST_CLASS) for name in each.classes[:_CLASSES_IN_A_ROW])
    more = f", … ({len(each.classes)} in all)" if len(each.classes) > _CLASSES_IN_A_ROW else ""
    accuracy, macro_f1 = each.metrics["accuracy"], each.metrics["macro_f1"]
    return each.id, each.name, each.active, accuracy, macro_f1, shown + more, each.embedder, each.created_at


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(values.items()) if value is not None)
