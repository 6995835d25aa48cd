"""A loopback server with one random file, and no patience between attempts."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tagdb.fetch import download
from tests.fetch.server import Site, serving

SIZE = 1_000_000


@pytest.fixture(scope="session")
def content() -> bytes:
    """A megabyte that no two places of are alike."""
    return random.Random(0).randbytes(SIZE)


@pytest.fixture
def site(content: bytes) -> Iterator[Site]:
    """A server of this test's own."""
    with serving(Site(content)) as served:
        yield served


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WAITS_SECONDS", (0.0, 0.0, 0.0))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
