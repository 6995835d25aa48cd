"""`tagdb embedder`: which model makes the vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tagdb.cli import embedder_add, embedder_train
from tagdb.cli.common import print_facts, print_json, print_outcome, print_table
from tagdb.cli.given import DATABASE, READING, TALK, Given, shares
from tagdb.cli.reporting import reporter

if TYPE_CHECKING:
    from tagdb.pipeline.embedders.verifying import Verified

app = typer.Typer(help="List, show, add, choose and train the model that makes the vectors.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(metavar="NAME|DIRECTORY", help="A shipped or added embedder, or a folder in AllenNLP's format."),
]
Added = Annotated[str, typer.Argument(metavar="NAME", help="An added embedder.")]


@app.command("list")
@shares(*READING)
def list_(given: Given) -> None:
    """List the shipped and the added embedders, and those this database has used.

    Example:

        tagdb embedder list
    """
    from tagdb.pipeline.embedders import registry

    found = registry.overview(given.open())
    if given.json:
        for each in found:
            print_json(each)
        return
    columns = ("name", "kind", "dimension", "vectors", "in use", "fingerprint")
    print_table(
        ((e["name"], e["kind"], e["dim"], e["vectors"], e["state"], e["fingerprint"][:12]) for e in found),
        columns,
    )


@app.command("show")
@shares("json", *TALK)
def show(
    given: Given,
    name: Name,
) -> None:
    """Show what an embedder is: size, tokeniser, source, licence, fingerprint.

    Example:

        tagdb embedder show starter
    """
    from dataclasses import asdict

    from tagdb.pipeline.embedders import installed

    spec = installed.describe(name)
    if given.json:
        print_json(asdict(spec))
        return
    facts = {"name": spec.name, "kind": spec.kind, "dimension": spec.dim, "folder": spec.directory}
    facts |= {key.replace("_", " "): value for key, value in spec.config.items() if value not in (None, "")}
    print_facts({**facts, "fingerprint": spec.fingerprint})


app.command("add")(embedder_add.add)
app.command("train")(embedder_train.train)


@app.command("use")
@shares(*DATABASE, "wait", *TALK)
def use(
    given: Given,
    name: Name,
) -> None:
    """Choose the embedder for all texts. The old vectors stay in use until sync has made all the new ones.

    Examples:

        tagdb embedder use starter

        tagdb embedder use ~/models/elmo-original && tagdb sync
    """
    from tagdb.pipeline.embedders import registry

    report = reporter()
    spec = registry.choose(given.open(), name)
    print_outcome(f"sync embeds with {spec.name} ({spec.dim} dimensions) from now on")
    report.say("next: tagdb sync")


@app.command("verify")
@shares("json", *TALK)
def verify(
    given: Given,
    name: Name,
) -> None:
    """Check an embedder's files against their checksums, and that it gives vectors that depend on the text alone.

    Example:

        tagdb embedder verify starter
    """
    from dataclasses import asdict

    from tagdb.pipeline.embedders import verifying

    with reporter().step("verifying"):
        result = verifying.verify(name)
    if given.json:
        print_json(asdict(result))
    elif not given.quiet:
        _print_verified(result)


@app.command("remove")
@shares("yes", *DATABASE, "wait", *TALK)
def remove(
    given: Given,
    name: Added,
) -> None:
    """Delete the files of an added embedder; the vectors it made stay where they are.

    Example:

        tagdb embedder remove original --yes
    """
    from tagdb.pipeline.embedders import installed, registry

    installed.added_under(name)
    database = given.open()
    if not given.yes:
        typer.confirm(f"Delete the files of {name}?", abort=True, err=True)
    registry.remove(database, name)
    print_outcome(f"{name} is removed")


def _print_verified(result: Verified) -> None:
    typer.echo(f"{result.name}: {result.files:,} files are as they were added" if result.files else result.name)
    print_facts(
        {
            "texts embedded": result.texts,
            "largest difference": f"{result.largest_difference:.1e} between a text alone and in company",
            **({"conversion": result.conversion} if result.conversion else {}),
            "fingerprint": result.fingerprint,
        }
    )
