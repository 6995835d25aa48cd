"""By what Parquet is known, apart from what reads it: that takes a library which is slow to import."""

from __future__ import annotations

from typing import Final

PARQUET: Final = "parquet"
ENCRYPTED: Final = b"PARE"
SIGNS: Final = (b"PAR1", ENCRYPTED)


def is_parquet(head: bytes) -> bool:
    """Whether a file that begins so can only be Parquet."""
    return head.startswith(SIGNS)
