"""`tagdb embedder`: which model makes the vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagdb.cli import embedder_add, embedder_train
from tagdb.cli.common import print_facts, print_outcome
from tagdb.cli.given import DATABASE, READING, TALK, Given, shares

if TYPE_CHECKING:
    from tagdb.door.types import EmbedderSpec, KnownEmbedder, Verified

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
    given.print_list(given.collection().embedders(), _row)


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
    from tagdb.door import machine

    given.print_result(machine.describe_embedder(name), _print)


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
    spec = given.collection().use_embedder(name)
    print_outcome(f"sync embeds with {spec.name} ({spec.dim} dimensions) from now on")
    given.reporter().say("next: tagdb sync")


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
    from tagdb.door import machine

    given.print_done(machine.verify_embedder(name, progress=given.reporter()), _print_verified)


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
    from tagdb.door import machine

    machine.require_added(name)
    db = given.collection().open()
    given.confirm(f"Delete the files of {name}?")
    db.remove_embedder(name)
    print_outcome(f"{name} is removed")


def _row(each: KnownEmbedder) -> dict[str, Any]:
    return {
        "name": each.name,
        "kind": each.kind,
        "dimension": each.dim,
        "vectors": each.vectors,
        "in use": each.state,
        "fingerprint": each.fingerprint[:12],
    }


def _print(spec: EmbedderSpec) -> None:
    facts = {"name": spec.name, "kind": spec.kind, "dimension": spec.dim, "folder": spec.directory}
    facts |= {key.replace("_", " "): value for key, value in spec.config.items() if value not in (None, "")}
    print_facts({**facts, "fingerprint": spec.fingerprint})


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
