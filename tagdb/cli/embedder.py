"""`tagdb embedder`: which model makes the vectors."""

from __future__ import annotations

from typing import Annotated

import typer

from tagdb.cli import embedder_train
from tagdb.cli.common import DbUrl, Json, Quiet, Verbose, print_facts, print_json, print_table
from tagdb.cli.reporting import reporter

app = typer.Typer(help="List, show, choose and train the model that makes the vectors.", no_args_is_help=True)

app.command("train")(embedder_train.train)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME|DIRECTORY", help="A shipped embedder, or a folder in AllenNLP's format."),
]


@app.command("list")
def list_(
    db_url: DbUrl = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the shipped embedders and those this database has used.

    Example:

        tagdb embedder list
    """
    from tagdb.pipeline import embedders, opening

    found = embedders.overview(opening.open_database(db_url, reporter()))
    if json:
        for each in found:
            print_json(each)
        return
    columns = ("name", "kind", "dimension", "vectors", "in use", "fingerprint")
    print_table(
        ((e["name"], e["kind"], e["dim"], e["vectors"], e["state"], e["fingerprint"][:12]) for e in found),
        columns,
    )


@app.command("show")
def show(
    name: Name,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what an embedder is: size, tokeniser, source, licence, fingerprint.

    Example:

        tagdb embedder show starter
    """
    from dataclasses import asdict

    from tagdb.pipeline import embedders

    spec = embedders.describe(name)
    if json:
        print_json(asdict(spec))
        return
    facts = {"name": spec.name, "kind": spec.kind, "dimension": str(spec.dim), "folder": spec.directory}
    facts |= {key.replace("_", " "): str(value) for key, value in spec.config.items() if value is not None}
    print_facts({**facts, "fingerprint": spec.fingerprint})


@app.command("use")
def use(
    name: Name,
    db_url: DbUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Choose the embedder for all texts. The old vectors stay in use until sync has made all the new ones.

    Examples:

        tagdb embedder use starter

        tagdb embedder use ~/models/elmo-original && tagdb sync
    """
    from tagdb.pipeline import embedders, opening

    report = reporter()
    spec = embedders.choose(opening.open_database(db_url, report), name)
    typer.echo(f"sync embeds with {spec.name} ({spec.dim} dimensions) from now on")
    report.say("next: tagdb sync")
