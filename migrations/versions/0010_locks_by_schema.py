"""Locks are told apart by schema: nobody takes that of before, so no older tagdb may be at work when they change."""

from __future__ import annotations

import sqlalchemy
from alembic import op

from tagdb.errors import Busy

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OLDER_LOCK = "SELECT pg_try_advisory_xact_lock(1952540530)"


def upgrade() -> None:
    """Go on if nobody holds the lock of before; whoever comes later finds a schema newer than he knows."""
    only_older = op.get_context().version_table_schema == "tagdb"
    if only_older and not op.get_bind().execute(sqlalchemy.text(OLDER_LOCK)).scalar():
        raise Busy(
            "another tagdb, an older one, is at work on this database", hint="let it end, then run tagdb db migrate"
        )


def downgrade() -> None:
    """Change nothing: what locks there are is in no table."""
