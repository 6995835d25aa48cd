"""`tagdb models`: the stored classifiers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tagdb.cli.common import DbUrl, Json, Quiet, Yes, print_facts, print_json, print_table
from tagdb.cli.reporting import reporter

app = typer.Typer(help="List, show, activate and delete classifiers.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="NAME|NUMBER", help="A classifier's name or number.")]


@app.command("list")
def list_(db_url: DbUrl = None, as_json: Json = False, quiet: Quiet = False) -> None:  # noqa: ARG001
    """List the classifiers with their accuracy; the active one writes the labels.

    Example:

        tagdb models list
    """
    from tagdb.pipeline import classifiers, opening

    found = classifiers.stored(opening.open_database(db_url, reporter()))
    if as_json:
        for each in found:
            print_json(asdict(each))
        return
    columns = ("number", "name", "active", "accuracy", "macro F1", "classes", "embedder", "made at")
    rows = [
        (
            c.id,
            c.name,
            c.active,
            c.metrics["accuracy"],
            c.metrics["macro_f1"],
            ", ".join(c.classes),
            c.embedder,
            c.created_at,
        )
        for c in found
    ]
    print_table(rows, columns) if rows else typer.echo("none yet: tagdb train --query SQL")


@app.command("show")
def show(which: Which, db_url: DbUrl = None, as_json: Json = False, quiet: Quiet = False) -> None:  # noqa: ARG001
    """Show where a classifier comes from and how good it is.

    Example:

        tagdb models show classifier-1
    """
    from tagdb.pipeline import classifiers, opening

    found = classifiers.find(opening.open_database(db_url, reporter()), which)
    if as_json:
        print_json(asdict(found))
        return
    print_facts(
        {
            "name": f"{found.name} (number {found.id})",
            "active": found.active,
            "embedder": found.embedder + ("" if found.usable else " (no longer in use)"),
            "classes": ", ".join(found.classes),
            "made at": found.created_at,
            "query": found.query,
            "settings": ", ".join(f"{name} {value}" for name, value in found.settings.items()),
            "versions": ", ".join(f"{name} {value}" for name, value in found.versions.items()),
        }
    )
    typer.echo(f"\n{found.report}\n\n{found.confusion}")


@app.command("activate")
def activate(which: Which, db_url: DbUrl = None, quiet: Quiet = False) -> None:  # noqa: ARG001
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
def delete(which: Which, yes: Yes = False, db_url: DbUrl = None, quiet: Quiet = False) -> None:  # noqa: ARG001
    """Delete a classifier, with the labels it wrote.

    Example:

        tagdb models delete classifier-1 --yes
    """
    from tagdb.pipeline import classifiers, opening

    database = opening.open_database(db_url, reporter())
    found = classifiers.find(database, which)
    if not yes:
        labels = " and the labels in use" if found.active else ""
        typer.confirm(f"Delete {found.name}{labels}?", abort=True)
    classifiers.delete(database, which)
    typer.echo(f"{found.name} is deleted")
