"""The same text gives the same rows, from a file or a pipe, compressed or not, byte-order mark or not."""

from __future__ import annotations

import gzip
import io
import os
import threading
from pathlib import Path

import pytest

from tagdb.errors import InputRefused
from tagdb.formats import open_source, recognise
from tests.formats.reading import ids, merged, read

TEXT = "id,title,tags\n" + "".join(f"{number},Größe {number},c# .net\n" for number in range(30_000))
FORMS = {
    "plain": TEXT.encode(),
    "marked": b"\xef\xbb\xbf" + TEXT.encode(),
    "compressed": gzip.compress(TEXT.encode()),
    "marked, then compressed": gzip.compress(b"\xef\xbb\xbf" + TEXT.encode()),
    "compressed in two members": gzip.compress(TEXT[:5000].encode()) + gzip.compress(TEXT[5000:].encode()),
    "with carriage returns": TEXT.replace("\n", "\r\n").encode(),
    "without a last line end": TEXT[:-1].encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_file_gives_the_same_rows(form: str, tmp_path: Path) -> None:
    path = tmp_path / "misnamed.dat"
    path.write_bytes(FORMS[form])
    with open_source(path) as source:
        assert source.name == "misnamed.dat"
        assert source.size_bytes == len(FORMS[form])
        assert source.compressed == ("compressed" in form)
        rows = merged(recognise(source))
        assert source.bytes_read == source.size_bytes
    assert rows == read(TEXT)
    assert ids(rows) == list(range(30_000))


@pytest.mark.parametrize("form", ["plain", "compressed"])
def test_a_pipe_that_trickles_gives_the_same_rows(form: str) -> None:
    reading, writing = os.pipe()

    def trickle() -> None:
        with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123
            for start in range(0, len(FORMS[form]), 7001):
                pipe.write(FORMS[form][start : start + 7001])

    writer = threading.Thread(target=trickle)
    writer.start()
    with open(reading, "rb") as pipe:  # noqa: PTH123
        with open_source("-", stdin=pipe) as source:
            assert (source.name, source.size_bytes) == ("standard input", None)
            rows = merged(recognise(source))
        assert not pipe.closed
    writer.join()
    assert ids(rows) == list(range(30_000))


@pytest.mark.parametrize("form", FORMS)
def test_what_a_file_is_shows_even_byte_by_byte(form: str) -> None:
    class Trickle(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            return super().read(1)

    with open_source("-", stdin=Trickle(FORMS[form])) as source:
        assert source.compressed == ("compressed" in form)
        assert source.head.startswith(b"id,title,tags")
        assert len(source.head) > 50_000


def test_progress_counts_the_bytes_of_the_file_and_not_those_inflated(tmp_path: Path) -> None:
    path = tmp_path / "large.csv.gz"
    path.write_bytes(gzip.compress(b"id,title,tags\n" + b"1,title,tag\n" * 100_000))
    with open_source(path) as source:
        positions = [source.bytes_read for _ in recognise(source)]
        assert positions == sorted(positions)
        assert positions[-1] == source.size_bytes == path.stat().st_size


def test_closing_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TEXT)
    with open_source(path) as source:
        rows = iter(recognise(source))
        next(rows)
    assert source._file.closed


def test_a_missing_file_a_folder_and_a_broken_disk_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(InputRefused, match=f"{path} cannot be read") as refused:
            open_source(path)
        assert refused.value.hint

    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(InputRefused, match="standard input cannot be read: Input/output error"):
        open_source("-", stdin=Broken())
