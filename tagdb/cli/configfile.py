"""Defaults of your own for the options: `config.toml` in tagdb's home, a table a command, a key an option.

schema = "tickets"

[sync]
limit = 1000

[models.list]
json = true
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from tagdb import config
from tagdb.errors import UsageError

NAME = "config.toml"
FOR_ALL_COMMANDS = ("schema",)
"""Options that may stand above the tables, for every command that has them."""

_NOT_SET_HERE = ("help", "db-url", "version", "install-completion", "show-completion")


def defaults(ctx: typer.Context) -> dict[str, Any]:
    """Return the file's values as click's `default_map` for the commands below `ctx`; empty without a file.

    Raises
    ------
    UsageError : the file cannot be read, or names a command, an option or a value that there is not
    """
    home = config.home_if_any()
    if home is None:
        return {}
    path = home / NAME
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not TOML: {error}", hint="write it as: [sync], and below it: limit = 1000"
        ) from error
    return _File(path, ctx).all_of(tables)


@dataclass(frozen=True)
class _File:
    """Holds a file's tables against the commands and options there are."""

    path: Path
    ctx: typer.Context

    def all_of(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """Return what holds for all commands, and below each group or command what holds for it."""
        shared = {option.name: option for option in self.ctx.command.params if option.name in FOR_ALL_COMMANDS}
        found = {}
        for key in shared.keys() & tables.keys():
            if fault := self.fault(shared[key], tables[key]):
                raise UsageError(f"{self.path}: {key}: {fault}", hint="tagdb --help")
            found[key] = tables[key]
        return found | self.group(self.ctx.command, {k: v for k, v in tables.items() if k not in found}, "")

    def group(self, group: Any, tables: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        found = {}
        for name, table in tables.items():
            command, title = group.commands.get(name), f"{prefix}{name}"
            if command is None or not isinstance(table, dict):
                raise UsageError(
                    f"{self.path}: {title} is not the table of a command",
                    hint=f"tables there can be: {', '.join(f'[{prefix}{each}]' for each in group.commands)}",
                )
            if hasattr(command, "commands"):
                found[name] = self.group(command, table, f"{title}.")
            else:
                found[name] = self.command(command, table, title)
        return found

    def command(self, command: Any, table: Mapping[str, Any], title: str) -> dict[str, Any]:
        options = _options(command)
        found = {}
        for key, value in table.items():
            option = options.get(key.replace("_", "-"))
            if option is None:
                raise UsageError(f"{self.path}: [{title}] has no option {key}", hint=_whereabouts(key, options))
            if fault := self.fault(option, value):
                raise UsageError(
                    f"{self.path}: [{title}] {key}: {fault}", hint=f"tagdb {title.replace('.', ' ')} --help"
                )
            found[option.name] = [value] if option.multiple else value
        return found

    def fault(self, option: Any, value: Any) -> str | None:
        """Say what keeps a value from being one of the option's, None when nothing does."""
        if option.is_flag:
            return None if isinstance(value, bool) else "it can be true or false"
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return "it can be a text or a number"
        try:
            option.process_value(self.ctx, [value] if option.multiple else value)
        except typer.BadParameter as error:
            return str(error.message)
        return None


def _options(command: Any) -> dict[str, Any]:
    """Return the options of a command that a file may set, by the name they are typed with."""
    named = {max(each.opts, key=len).lstrip("-"): each for each in command.params if each.param_type_name == "option"}
    return {name: option for name, option in named.items() if name not in _NOT_SET_HERE}


def _whereabouts(key: str, options: Mapping[str, Any]) -> str:
    if key.replace("_", "-") == "db-url":
        return "name the database in the environment: TAGDB_DATABASE_URL"
    return f"options there are: {', '.join(options) or 'none'}"
