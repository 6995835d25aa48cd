"""`tagdb models`: the stored classifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb.cli.common import DbUrl, Json, Quiet, Verbose, Yes, print_facts, print_json, print_table
from tagdb.cli.reporting import reporter

if TYPE_CHECKING:
    from tagdb.pipeline.classifiers import StoredClassifier

app = typer.Typer(help="List, show, activate and delete classifiers.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="NAME|NUMBER", help="A classifier's name or number.")]

_CLASSES_IN_A_ROW = 5


@app.command("list")
def list_(
    db_url: DbUrl = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the classifiers with their accuracy; the active one writes the labels.

    Example:

        tagdb models list
    """
    from tagdb.pipeline import classifiers, opening

    report = reporter()
    found = classifiers.stored(opening.open_database(db_url, report))
    if json:
        for each in found:
            print_json(asdict(each))
        return
    columns = ("number", "name", "active", "accuracy", "macro F1", "classes", "embedder", "made at")
    if found:
        print_table([_row(each) for each in found], columns)
    else:
        report.say("there is no classifier yet; next: tagdb train --query SQL")


@app.command("show")
def show(
    which: Which,
    db_url: DbUrl = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show where a classifier comes from and how good it is on its held-out rows.

    Example:

        tagdb models show classifier-1
    """
    from tagdb.pipeline import classifiers, opening

    found = classifiers.find(opening.open_database(db_url, reporter()), which)
    if json:
        print_json(asdict(found))
        return
    print_facts(
        {
            "name": f"{found.name} (number {found.id})",
            "active": found.active,
            "embedder": found.embedder + ("" if found.usable else " (no longer in use)"),
            "classes": ", ".join(found.classes),
            "made at": found.created_at,
            "query": " ".join(found.query.split()),
            "settings": _listed(found.settings),
            "versions": _listed(found.versions),
        }
    )
    typer.echo(f"\n{found.report}\n{found.confusion}", nl=False)


@app.command("activate")
def activate(
    which: Which,
    db_url: DbUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Let a classifier write the labels from now on.

    Example:

        tagdb models activate classifier-2 && tagdb predict
    """
    from tagdb.pipeline import classifiers, opening

    report = reporter()
    found = classifiers.activate(opening.open_database(db_url, report), which)
    typer.echo(f"{found.name} is active")
    report.say("next: tagdb predict")


@app.command("delete")
def delete(
    which: Which,
    yes: Yes = False,
    db_url: DbUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Delete a classifier, with the labels it wrote.

    Example:

        tagdb models delete classifier-1 --yes
    """
    from tagdb.pipeline import classifiers, opening

    database = opening.open_database(db_url, reporter())
    found = classifiers.find(database, which)
    if not yes:
        labels = " and the labels in use" if found.active else ""
        typer.confirm(f"Delete {found.name}{labels}?", abort=True, err=True)
    classifiers.delete(database, found.name)
    typer.echo(f"{found.name} is deleted")


def _row(each: StoredClassifier) -> Sequence[Any]:
    shown = ", ".join(each.classes[:_CLASSES_IN_A_ROW])
    more = f", … ({len(each.classes)} in all)" if len(each.classes) > _CLASSES_IN_A_ROW else ""
    accuracy, macro_f1 = each.metrics["accuracy"], each.metrics["macro_f1"]
    return each.id, each.name, each.active, accuracy, macro_f1, shown + more, each.embedder, each.created_at


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(values.items()) if value is not None)
