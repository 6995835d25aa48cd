"""What a newcomer meets: help with examples that hold, an environment twin for each option, and a quick answer."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.running import commands, done, tagdb

COMMANDS = dict(commands())
AWAY_FROM_TAGDB = {"psql", "mail", "curl"}


def _options(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "option" and each.name != "help"]


def _examples(command: Any) -> list[str]:
    _, _, examples = command.help.partition("Example")
    return [line.strip() for line in examples.splitlines()[1:] if line.strip()]


@pytest.mark.parametrize("words", COMMANDS)
def test_help_has_an_example_that_the_command_understands(words: str) -> None:
    command = COMMANDS[words]
    assert command.help[0].isupper()
    examples = _examples(command)
    assert any(f"tagdb {words}" in example for example in examples)
    known = {"-h", "--help"} | {name for each in _options(command) for name in (*each.opts, *each.secondary_opts)}
    for example in examples:
        for typed in re.split(r"&&|\|\|?|;", example):
            typed_words = shlex.split(typed.replace('"$(', "").replace(')"', ""), comments=True)
            if f"tagdb {words}" not in typed or words == "db psql" or typed_words[0] in AWAY_FROM_TAGDB:
                continue
            used = {word for word in typed_words if re.fullmatch(r"--?[a-zA-Z][\w-]*", word)}
            assert used <= known, typed


@pytest.mark.parametrize("words", COMMANDS)
def test_help_page_shows_every_option_with_its_meaning(words: str) -> None:
    page = done(*words.split(), "--help").stdout
    assert page == done(*words.split(), "-h").stdout
    for option in _options(COMMANDS[words]):
        assert option.help, option.name
        assert option.help[0].isupper() or option.help.startswith("SQL")
        assert option.help.endswith("."), option.help
        assert max(option.opts, key=len) in page


@pytest.mark.parametrize("words", COMMANDS)
def test_help_page_is_as_wide_as_the_terminal(words: str) -> None:
    paragraphs = [part for part in COMMANDS[words].help.split("\n\n") if not part.startswith(" ")]
    assert paragraphs
    assert not [part for part in paragraphs if "\n" in part]


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_help_page_leaves_the_environment_to_the_main_one(words: str) -> None:
    assert "env var" not in done(*words.split(), "--help").stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_environment_twin_is_named_after_the_option(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = COMMANDS[words]
    context = command.context_class(command, auto_envvar_prefix="_".join(["TAGDB", *words.split()]).upper())
    for option in _options(command):
        typed = max(option.opts, key=len).lstrip("-").replace("-", "_").upper()
        assert option.name.upper() == typed
        twin = "_".join(["TAGDB", *words.split(), typed]).upper()
        monkeypatch.setenv(twin, "told")
        assert option.resolve_envvar_value(context) == "told", twin


def test_options_that_all_share_mean_the_same() -> None:
    for words, command in COMMANDS.items():
        options = {option.name: option for option in _options(command)}
        if words != "db psql":
            assert {"quiet", "verbose"} <= set(options), words
        if words not in ("db start", "db schemas"):
            assert ("schema" in options) == ("db_url" in options), words
        for name, short in {"quiet": "-q", "verbose": "-v", "yes": "-y", "dry_run": "-n"}.items():
            assert name not in options or short in options[name].opts


def test_environment_twins_work_and_lose_to_the_command_line(standing_world: object) -> None:
    first = done("nearest", "java", TAGDB_NEAREST_K="2", TAGDB_NEAREST_JSON="1", TAGDB_NEAREST_QUIET="1")
    assert len(first.stdout.splitlines()) == 2
    assert first.stderr == ""
    assert len(done("nearest", "java", "-k", "3", "--json", TAGDB_NEAREST_K="2").stdout.splitlines()) == 3
    assert done("models", "list", TAGDB_MODELS_LIST_QUIET="true").stderr == ""
    refused = tagdb("nearest", "java", TAGDB_NEAREST_K="many")
    assert refused.exit_code == 2
    assert "Invalid value for '-k'" in refused.stderr


def test_main_help_tells_what_holds_for_all_commands() -> None:
    page = " ".join(done("--help").stdout.split())
    for told in (
        "TAGDB_DATABASE_URL",
        "PGHOST",
        "TAGDB_SYNC_LIMIT=1000",
        "config.toml",
        "[sync]",
        "Exit codes: 0 done",
    ):
        assert told in page
    for words in COMMANDS:
        assert words.split()[0] in page


def test_version() -> None:
    result = done("--version", TAGDB_VERSION="nothing to do with it")
    assert re.fullmatch(r"tagdb \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize("words", [[], ["models"], ["index"], ["capture"], ["db"], ["embedder"], ["export"]])
def test_nothing_to_do_shows_the_help(words: list[str]) -> None:
    result = tagdb(*words)
    assert result.exit_code == 2
    assert "Usage: tagdb" in result.output


def test_help_needs_no_slow_library() -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from tagdb.cli import app\n"
        "slow = {'tensorflow', 'sklearn', 'matplotlib', 'pyarrow', 'tensorflow_hub'}\n"
        "asked = (['train', '--help'], {'sqlalchemy', 'numpy'}), (['embedder', 'show', 'starter'], set())\n"
        "for words, slower in asked:\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0\n"
        "    print(*sorted((slow | slower) & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
