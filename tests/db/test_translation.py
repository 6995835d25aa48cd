"""What PostgreSQL says of servers beyond it is not taken for the end of one's own connection."""

from __future__ import annotations

import pytest

from tagdb.db.connection import Database
from tagdb.errors import ConnectionFailed, Unavailable

RAISED = """
DO $$ BEGIN RAISE EXCEPTION 'could not connect to server "helpdesk"' USING
    ERRCODE = '{code}', DETAIL = E'connection to "postgresql://me:secret@away/shop" failed: refused\\nand more'; END $$
"""


@pytest.mark.parametrize("code", ["08001", "08006", "08003"])
def test_another_server_out_of_reach_is_told_from_a_lost_connection(database: Database, code: str) -> None:
    with database.session() as session:
        with pytest.raises(Unavailable, match=r"another server.*\"helpdesk\" \(connection to .* refused\)$") as refused:
            session.run_script(RAISED.format(code=code))
        assert session.rows_of("SELECT 1", {}) == [(1,)]
    assert not isinstance(refused.value, ConnectionFailed)
    assert "secret" not in str(refused.value)
    assert "foreign server" in (refused.value.hint or "")
