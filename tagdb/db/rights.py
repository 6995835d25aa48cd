"""What to type when PostgreSQL says that a right is missing: the GRANT that gives it, where its words tell which.

Messages name no schema, so statements are looked at for what they do to what is named. In another language than English
nothing is recognised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tagdb.config import DEFAULT_SCHEMA

ASK = "ask the owner to grant it"
_DENIED = re.compile(
    r"permission denied (?:for|to) (table|view|materialized view|foreign table|sequence|schema|database|function|type|"
    r'create temporary tables in database) "?(.+?)"?$'
)
_NOT_OWNER = re.compile(r"must be owner of (table|view|materialized view|schema|function|index|sequence) (.+)$")
_ON: Mapping[str, str] = {
    "database": "CREATE ON DATABASE",
    "create temporary tables in database": "TEMPORARY ON DATABASE",
    "function": "EXECUTE ON FUNCTION",
    "type": "USAGE ON TYPE",
    "sequence": "USAGE, SELECT ON SEQUENCE",
}
_ASK_US = "tagdb db grant {me}{wide} (as the owner of schema {ours})"
_OURS = "only the owner of schema {ours} writes to it: connect as that role, or as a member of it"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# Words that PostgreSQL takes for no name without quotes.
RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        all analyse analyze and any array as asc asymmetric authorization binary both case cast check
        collate collation column concurrently constraint create cross current_catalog current_date
        current_role current_schema current_time current_timestamp current_user default deferrable desc
        distinct do else end except false fetch for foreign freeze from full grant group having ilike in
        initially inner intersect into is isnull join lateral leading left like limit localtime
        localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
        references returning right select session_user similar some symmetric system_user table tablesample
        then to trailing true union unique user using variadic verbose when where window with
        """,
    )
)


def quoted(name: str) -> str:
    """Quote a name where PostgreSQL would not take it as it stands."""
    plain = _PLAIN.fullmatch(name) and name not in RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'


def what_to_grant(error: BaseException, message: str) -> str:
    """Return the statement that gives the right which `message` (of `error`) says is missing."""
    cursor = getattr(error, "cursor", None)
    connection = getattr(cursor, "connection", None)
    statement = getattr(cursor, "query", None) or b""
    role = getattr(connection, "role", "") or (connection.info.user if connection else "")
    me = quoted(role) if role else "ROLE"
    ours = schema_of(error)
    if denied := _DENIED.search(message):
        return _grant(denied[1], denied[2], statement.decode(errors="replace"), me, ours)
    if foreign := _NOT_OWNER.search(message):
        schema = f"{quoted(ours)}." if f"{quoted(ours)}.{foreign[2]}" in statement.decode(errors="replace") else ""
        name = quoted(foreign[2]) if foreign[2].isidentifier() else foreign[2]
        return f"have its owner or a superuser run: ALTER {foreign[1].upper()} {schema}{name} OWNER TO {me}"
    return ASK


def schema_of(error: BaseException) -> str:
    """Return the schema of the collection that was worked on when an error came."""
    connection = getattr(getattr(error, "cursor", None), "connection", None)
    return getattr(connection, "schema", DEFAULT_SCHEMA)


def to_connect(message: str) -> str | None:
    """Return what gives the right to connect, None when `message` is not about that."""
    refused = re.search(r'permission denied for database "(.+)"$', message)
    return f"GRANT CONNECT ON DATABASE {quoted(refused[1])} TO the role you connect as" if refused else None


def _grant(kind: str, name: str, statement: str, me: str, schema: str) -> str:
    shown, ours = quoted(name), quoted(schema)
    if kind == "database":
        return f"GRANT CREATE ON DATABASE {shown} TO {me}, or CREATE SCHEMA {ours} AUTHORIZATION {me}"
    if kind in _ON:
        return f"GRANT {_ON[kind]} {shown} TO {me}"
    if kind == "schema":
        makes = re.match(r"\s*(CREATE|ALTER)\b", statement, re.IGNORECASE)
        if name == schema and not makes:
            return _ASK_US.format(me=me, wide="", ours=ours)
        return f"GRANT USAGE{', CREATE' * bool(makes)} ON SCHEMA {shown} TO {me}"
    writes = _writes(statement, name)
    if re.search(rf'(?<![\w"]){re.escape(ours)}\."?{re.escape(name)}\b', statement):
        return _OURS.format(ours=ours) if writes else _ASK_US.format(me=me, wide=" --wide", ours=ours)
    return f"GRANT {'SELECT, INSERT, UPDATE, DELETE' if writes else 'SELECT'} ON {shown} TO {me}"


def _writes(statement: str, name: str) -> bool:
    verbs = r"INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|COPY"
    return re.search(rf'\b(?:{verbs})\s+(?:\S+\.)?"?{re.escape(name)}\b', statement, re.IGNORECASE) is not None
