"""Every failure tagdb reports on purpose, with the exit code it ends in and what to type next.

TagdbError                 1
├── UsageError             2   the command line does not say what to do
├── Unavailable            3   something tagdb needs is not there
│   ├── ConnectionFailed
│   ├── SchemaMismatch
│   └── EmbedderUnavailable
│       └── WeightsError   a file of weights or options is damaged or of another shape
├── CheckFailed            4   `status --check` found work left, or a mass of questions would go
├── Busy                   5   another tagdb is at work on the database
├── Stopped            130, 143 a signal asked to stop
├── InputRefused           1   a file, a row or a text cannot be taken
├── QueryRefused           1   a query of the user's cannot be run as it stands
└── DatabaseError          1   PostgreSQL refused a statement
"""

from __future__ import annotations


class TagdbError(Exception):
    """A failure the user can act on: one line that says what, and `hint`, one line that says what to type next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(TagdbError):
    """The command line does not say what to do."""

    exit_code = 2


class Unavailable(TagdbError):
    """Something tagdb needs (a server, a right, an extension, a schema, a model) is not there."""

    exit_code = 3


class ConnectionFailed(Unavailable):
    """No connection to PostgreSQL could be made, or the one there was broke."""


class SchemaMismatch(Unavailable):
    """The schema in the database is not the one this version of tagdb works on."""


class EmbedderUnavailable(Unavailable):
    """No embedder of that name or at that place can be used."""


class WeightsError(EmbedderUnavailable):
    """A file of weights or options is damaged, truncated or of another shape."""


class CheckFailed(TagdbError):
    """A check did not hold: one the user asked for, or one that keeps data from being deleted in silence."""

    exit_code = 4


class Busy(TagdbError):
    """Another tagdb is at work on the database; nothing was changed."""

    exit_code = 5


class Stopped(TagdbError):
    """The work was stopped by a signal, with everything up to then committed; the same command goes on from there."""

    def __init__(self, signum: int) -> None:
        super().__init__("stopped; what was done is kept", hint="run the same command again to go on")
        self.signum = signum
        self.exit_code = 128 + signum


class InputRefused(TagdbError):
    """A file, a row or a text cannot be taken as it is."""


class QueryRefused(TagdbError):
    """A query of the user's cannot be run as it stands."""


class DatabaseError(TagdbError):
    """PostgreSQL refused a statement."""
