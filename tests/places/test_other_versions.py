"""Every other PostgreSQL of this machine that has pgvector carries the whole loop, as an ordinary owner's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.places.dba import DbaServer, running
from tests.places.loop import whole_loop

OTHERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
WITH_VECTOR = [path.parent for path in OTHERS if (path.parents[1] / "lib" / "vector.so").exists()]


@pytest.mark.skipif(not WITH_VECTOR, reason="no PostgreSQL of this system has pgvector")
@pytest.mark.parametrize("programs", WITH_VECTOR, ids=lambda programs: f"PostgreSQL {programs.parent.name}")
def test_whole_loop_on_another_version(places: Path, tiny_embedder: Path, programs: Path) -> None:
    server = DbaServer(places / f"version-{programs.parent.name}", programs=programs)
    with running(server), server.role("me"), server.database("shop", "OWNER me"):
        server.admin("CREATE SCHEMA extensions;\nCREATE EXTENSION vector SCHEMA extensions", "shop")
        server.admin("GRANT USAGE ON SCHEMA extensions TO PUBLIC", "shop")
        whole_loop(server.url("me", "shop"), tiny_embedder)
