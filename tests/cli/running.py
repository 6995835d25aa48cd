"""Runs commands in this process, and walks through all there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import typer.main
from typer.testing import CliRunner, Result

from tagdb.cli import app


def tagdb(*arguments: str, typed: str | None = None, **environment: str) -> Result:
    """Run a command; an exception that would reach the user as a bug's traceback is raised here."""
    result = CliRunner().invoke(app, list(arguments), input=typed, env=environment, prog_name="tagdb")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def done(*arguments: str, typed: str | None = None, **environment: str) -> Result:
    """Run a command that has to succeed."""
    result = tagdb(*arguments, typed=typed, **environment)
    assert result.exit_code == 0, result.output
    return result


def objects(output: str) -> list[dict[str, Any]]:
    """Parse output that has a JSON object on each of its lines and nothing else."""
    parsed = [json.loads(line) for line in output.splitlines()]
    assert all(isinstance(each, dict) for each in parsed)
    return parsed


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by the words it is typed with."""
    yield from _below(typer.main.get_command(app), ())


def _below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield " ".join(words), command
        return
    for name, each in command.commands.items():
        yield from _below(each, (*words, name))
