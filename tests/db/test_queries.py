"""The named queries: each one the code names is there, each one that is there is used, and each is SQL."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagdb.db import queries, resources
from tagdb.db.connection import Session
from tagdb.errors import DatabaseError

_PACKAGE = Path(queries.__file__).resolve().parent.parent
_TOPICS = sorted(path.stem for path in (resources.folder("sql") / "queries").glob("*.sql"))
_QUERIES = [f"{topic}.{name}" for topic in _TOPICS for name in queries.topic(topic)]
_TAKE_QUERIES = ("execute", "row", "rows", "rows_with", "scalar", "script", "statement")
_QUALIFIED = re.compile(rf"(?:{'|'.join(_TOPICS)})\.\w+")


def _patterns(node: ast.AST) -> Iterator[str]:
    """The string literals below `node`, as regular expressions in which any word stands for a value put in."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and re.fullmatch(r"[\w.]+", part.value):
            yield re.escape(part.value)
        elif isinstance(part, ast.JoinedStr):
            literal = [str(value.value) if isinstance(value, ast.Constant) else None for value in part.values]
            if any(text and re.fullmatch(r"[a-z][\w.]*|[\w.]*[a-z]", text) for text in literal):
                yield "".join(r"\w+" if text is None else re.escape(text) for text in literal)


def _calls(tree: ast.AST, *methods: str) -> Iterator[ast.expr]:
    """The first arguments of the calls of methods with these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
            yield from node.args[:1]


def _strings(node: ast.AST) -> Iterator[str]:
    """The plain string literals below `node`, not the parts of those with values put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _strings(child)


@pytest.fixture(scope="module")
def modules() -> list[ast.Module]:
    """The parsed source of every module of the package."""
    return [ast.parse(path.read_text(encoding="utf-8")) for path in _PACKAGE.rglob("*.py")]


@pytest.fixture(scope="module")
def literals(modules: list[ast.Module]) -> dict[str, list[str]]:
    """By topic, what the code writes as the name of a query; under "" the names that carry their topic."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        patterns = list(_patterns(module))
        for topic in ("", *(name for argument in _calls(module, "topic") for name in _strings(argument))):
            found[topic] += patterns
    return found


def test_every_query_that_the_code_names_is_there(modules: list[ast.Module]) -> None:
    arguments = [each for module in modules for each in _calls(module, *_TAKE_QUERIES)]
    named = {text for argument in arguments for text in _strings(argument) if _QUALIFIED.fullmatch(text)}
    assert len(named) > 50
    assert named - set(_QUERIES) == set()


def test_every_query_is_used(literals: dict[str, list[str]]) -> None:
    said = {topic: re.compile("|".join(f"(?:{each})" for each in found)) for topic, found in literals.items()}

    def used(query: str) -> bool:
        topic, _, name = query.partition(".")
        return bool(said[""].fullmatch(query) or said[topic].fullmatch(name))

    assert [query for query in _QUERIES if not used(query)] == []


def _require_parsed(session: Session, sql: str) -> None:
    """Let PostgreSQL parse statements without running them: PL/pgSQL parses a block before its first line runs."""
    bare = re.sub(r"^--.*\n", "", sql, flags=re.MULTILINE)
    complete = re.sub(r"\{\w+\}", "x", re.sub(r"(?<![:\w\\]):\w+(?!:)", "''", bare))
    prefix = "EXPLAIN " if complete.startswith("(") else ""
    session.run_script(f"DO $query$ BEGIN RETURN;\n{prefix}{complete};\nEND $query$")


@pytest.mark.parametrize("topic", _TOPICS)
def test_every_query_is_sql(shared_session: Session, topic: str) -> None:
    for text in queries.topic(topic).values():
        _require_parsed(shared_session, text)


def test_what_is_not_sql_would_be_noticed(shared_session: Session) -> None:
    with pytest.raises(DatabaseError, match="syntax error"):
        _require_parsed(shared_session, "SELECT :a FORM b")


@pytest.mark.parametrize("topic", _TOPICS)
def test_file_of_queries_says_what_it_is_about_and_names_each_query_once(topic: str) -> None:
    text = (resources.folder("sql") / "queries" / f"{topic}.sql").read_text(encoding="utf-8")
    names = re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    assert sorted(names) == sorted(queries.topic(topic))
    assert all(queries.topic(topic).values())
    head = text.split("-- name:")[0].strip()
    assert head
    assert all(line.startswith("--") for line in head.splitlines())


def test_files_are_found_in_an_installed_package_and_beside_a_working_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (resources.folder("sql") / "queries").is_dir()
    assert (resources.folder("migrations") / "env.py").is_file()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "tagdb")
    assert resources.folder("sql") == tmp_path / "sql"
    (tmp_path / "tagdb" / "_sql").mkdir(parents=True)
    assert resources.folder("sql") == tmp_path / "tagdb" / "_sql"
