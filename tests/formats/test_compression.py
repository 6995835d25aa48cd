"""Every compression gives the rows of the file in it, and whatever is wrong with one is said with its limit."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import tempfile
import tracemalloc
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from backports import zstd

from tagdb.errors import InputRefused
from tagdb.formats import compression, open_source, recognise, source, spooling, zips
from tests.formats.packing import PACKED, STREAMED, zipped
from tests.formats.reading import bad, ids, merged, read, read_or_refused, refusal

TEXT = "id,title,tags\n" + "".join(
    f"{number},Größe {sha256(str(number).encode()).hexdigest()},c# .net\n" for number in range(10_000)
)
PLAIN = TEXT.encode()


@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_gives_its_rows_and_its_progress(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "misnamed.txt"
    path.write_bytes(PACKED[kind](PLAIN))
    with open_source(path) as opened:
        assert (opened.compressed, opened.compression and opened.compression.name) == (True, kind)
        reader = recognise(opened, batch_records=500)
        assert f"CSV, {kind}, id from" in reader.recognised.description
        batches, positions = [], []
        for batch in reader:
            batches.append(batch)
            positions.append(opened.bytes_read)
    assert merged(batches) == read(TEXT)
    assert positions == sorted(positions)
    assert positions[-1] == path.stat().st_size
    assert positions[0] < positions[-1]


@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_pipe_gives_its_rows(kind: str) -> None:
    assert read(PACKED[kind](PLAIN)) == read(TEXT)


@pytest.mark.parametrize("between", [b"", b"\0" * 512])
@pytest.mark.parametrize("kind", STREAMED)
def test_members_are_read_to_the_last(kind: str, between: bytes) -> None:
    pack = STREAMED[kind]
    parts = [PLAIN[:5], b"", PLAIN[5:30_000], PLAIN[30_000:]]
    assert read(between.join(map(pack, parts)) + between) == read(TEXT)


@pytest.mark.parametrize("kind", STREAMED)
def test_what_follows_the_last_member_is_damage_and_not_an_end(kind: str) -> None:
    rows = read(STREAMED[kind](PLAIN[:20_000]) + b"\0\0" + b"no member")
    assert bad(rows)[-1][1] == "file cut short"
    assert len(rows.bad) == 1
    assert ids(rows) == list(range(len(rows.questions)))


def test_frames_that_zstandard_skips_are_skipped() -> None:
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc"
    assert read(skipped + zstd.compress(PLAIN) + skipped) == read(TEXT)


@pytest.mark.parametrize("kind", PACKED)
def test_a_small_file_cut_at_any_byte_gives_whole_rows_and_says_so(kind: str) -> None:
    rows_before = read("id,title,tags\n1,one,a\n2,two,b\n").questions
    packed = PACKED[kind](b"id,title,tags\n1,one,a\n2,two,b\n")
    for length in range(len(packed)):
        rows = read_or_refused(packed[:length])
        if rows is not None:
            assert bad(rows)[-1][1] == "file cut short"
            assert rows.questions == rows_before[: len(rows.questions)]


@pytest.mark.parametrize("kind", PACKED)
def test_a_flipped_byte_raises_nothing_of_other_libraries(kind: str) -> None:
    packed = PACKED[kind](b"id,title,tags\n1,one,a\n2,two,b\n")
    for place in range(len(packed)):
        for flip in (1, 0x80, 0xFF):
            damaged = bytearray(packed)
            damaged[place] ^= flip
            read_or_refused(bytes(damaged))


@pytest.mark.parametrize("inner", PACKED)
@pytest.mark.parametrize("outer", PACKED)
def test_one_layer_is_unpacked(outer: str, inner: str) -> None:
    said = refusal(PACKED[outer](PACKED[inner](PLAIN)))
    assert f"is {inner} inside {outer} | unpack it once: " in said


def test_a_packed_file_of_nothing_is_empty() -> None:
    for pack in PACKED.values():
        assert "is empty" in refusal(pack(b""))


@pytest.mark.parametrize("kind", PACKED)
def test_damage_before_the_first_row_is_no_empty_file(kind: str) -> None:
    assert "damaged or cut short" in refusal(PACKED[kind](PLAIN)[:8])


def test_a_7_zip_archive_says_how_it_is_piped(tmp_path: Path) -> None:
    path = tmp_path / "my dump.7z"
    path.write_bytes(b"7z\xbc\xaf\x27\x1c\0\4")
    with open_source(path) as opened, pytest.raises(InputRefused, match="7-Zip") as refused:
        recognise(opened)
    assert refused.value.hint == "unpack it: 7z e -so 'my dump.7z' Posts.xml | tagdb import -"


class TestZip:
    """Archives of one file, and others."""

    def test_what_systems_add_does_not_count(self) -> None:
        assert read(zipped(("a/", b""), ("__MACOSX/._a.csv", b"x"), ("a/.DS_Store", b"x"), ("a/a.csv", PLAIN))) == read(
            TEXT
        )

    def test_several_files_are_named_and_how_one_is_taken(self, tmp_path: Path) -> None:
        path = tmp_path / "all.zip"
        path.write_bytes(zipped(*((f"part {number}\x1b.csv", PLAIN) for number in range(7))))
        with pytest.raises(InputRefused) as refused:
            open_source(path)
        replaced = "\N{REPLACEMENT CHARACTER}"
        assert str(refused.value) == (
            "all.zip is a ZIP archive of 7 files: "
            + ", ".join(f"part {number}{replaced}.csv" for number in range(5))
            + " and 2 more"
        )
        assert refused.value.hint == "name one: unzip -p all.zip MEMBER | tagdb import -"

    def test_no_file_and_office_documents_are_refused(self) -> None:
        assert "without a file" in refusal(zipped())
        assert "without a file" in refusal(zipped(("a/", b"")))
        assert "office document" in refusal(zipped(("[Content_Types].xml", b"x"), ("xl/workbook.xml", b"x")))

    def test_an_encrypted_file_is_said_to_be_one(self) -> None:
        archive = bytearray(zipped(("a.csv", PLAIN)))
        for beginning, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            archive[archive.index(beginning) + at] |= 1
        assert "is encrypted | unpack it with its password: unzip -p FILE | tagdb import -" in refusal(bytes(archive))

    def test_an_unknown_method_is_said(self) -> None:
        archive = bytearray(zipped(("a.csv", PLAIN)))
        for beginning, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
            archive[archive.index(beginning) + at] = 97
        assert "cannot be unpacked" in refusal(bytes(archive))

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_every_usual_method_is_read(self, method: int) -> None:
        assert read(zipped(("a.csv", PLAIN), method=method)) == read(TEXT)

    def test_the_long_form_for_large_files_is_read(self) -> None:
        archive = io.BytesIO()
        with (
            zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file,
            file.open(zipfile.ZipInfo("a"), "w", force_zip64=True) as member,
        ):
            member.write(PLAIN)
        assert read(archive.getvalue()) == read(TEXT)

    @pytest.mark.parametrize("claimed", [0, 10, 2**32 - 2])
    def test_a_size_that_lies_is_damage(self, claimed: int) -> None:
        archive = bytearray(zipped(("a.csv", PLAIN)))
        at = archive.index(b"PK\1\2") + 24
        archive[at : at + 4] = struct.pack("<I", claimed)
        rows = read_or_refused(bytes(archive))
        assert rows is None or rows == read(TEXT) or bad(rows)[-1][1] == "file cut short"

    def test_a_directory_that_lies_takes_no_memory(self) -> None:
        archive = bytearray(zipped(("a.csv", b"x" * 4_000_000), method=zipfile.ZIP_STORED))
        end = archive.index(b"PK\5\6")
        directory = struct.unpack("<I", archive[end + 16 : end + 20])[0]
        archive[end + 12 : end + 20] = struct.pack("<II", directory + end - directory - 100, 100)
        assert "directory of more than 1 MiB" in refusal(bytes(archive))


class TestBombs:
    """Files that would unpack to more than anybody has, or to more than they say."""

    @pytest.mark.parametrize("kind", PACKED)
    def test_a_ratio_that_no_table_has_is_refused(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(source, "UNCHECKED_INFLATION", 1_000_000)
        monkeypatch.setattr(source, "RATIO_LIMIT", 100)
        said = refusal(PACKED[kind](b"id,tags\n1," + b"a" * 20_000_000))
        assert "unpacks to more than 1 GiB and 100 times its size | if you trust it" in said

    def test_what_a_table_has_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(source, "UNCHECKED_INFLATION", 1_000)
        for pack in PACKED.values():
            assert read(pack(PLAIN)) == read(TEXT)

    @pytest.mark.parametrize("kind", PACKED)
    def test_a_line_without_an_end_takes_little_memory(self, kind: str) -> None:
        packed = PACKED[kind](b'{"id": 1, "title": "' + b"a" * 100_000_000)
        tracemalloc.start()
        try:
            said = refusal(packed)
            assert tracemalloc.get_traced_memory()[1] < 110_000_000
        finally:
            tracemalloc.stop()
        assert "record over 16 MiB" in said

    def test_xz_that_wants_much_memory_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compression, "LZMA_MEMORY_LIMIT", 1024 * 1024)
        said = refusal(lzma.compress(PLAIN))
        assert "more than 256 MiB of memory to unpack" in said
        assert "xz -dc FILE | tagdb import -" in said

    def test_zstandard_that_wants_much_memory_is_refused(self) -> None:
        options: dict[int, int] = {zstd.CompressionParameter.window_log: 28}
        packer = zstd.ZstdCompressor(options=options)
        said = refusal(packer.compress(PLAIN) + packer.flush())
        assert "more than 128 MiB of memory to unpack" in said
        assert "zstd -dc --long=31 FILE | tagdb import -" in said

    def test_any_number_of_empty_members_is_read(self) -> None:
        assert read(gzip.compress(b"", mtime=0) * 20_000 + gzip.compress(PLAIN)) == read(TEXT)

    def test_an_archive_in_an_endless_pipe_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spooling, "SPOOL_LIMIT", 100_000)

        class Endless(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(size) or b"x" * (size or 0)

        with pytest.raises(InputRefused, match="a ZIP archive of more than 1 GiB") as refused:
            open_source("-", stdin=Endless(zipped(("a.csv", PLAIN))))
        assert refused.value.hint == "save it (unpacked) to a file, and import that"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> io.FileIO:
        return io.FileIO(os.open("/dev/full", os.O_RDWR), "r+")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    said = refusal(zipped(("a.csv", PLAIN)))
    assert "its temporary copy cannot be written: No space left on device" in said
    assert "TMPDIR" in said


def test_the_directory_limit_is_the_one_that_is_said() -> None:
    assert zips.DIRECTORY_LIMIT == 1024**2
    assert spooling.SPOOL_LIMIT == source.UNCHECKED_INFLATION == 1024**3
    assert (compression.LZMA_MEMORY_LIMIT, 2**compression.ZSTD_WINDOW_LOG_LIMIT) == (256 * 1024**2, 128 * 1024**2)
