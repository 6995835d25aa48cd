"""What is in an archive comes out whole and only below the target; of anything else nothing comes out."""

from __future__ import annotations

import gzip
import io
import itertools
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tagdb.errors import EmbedderUnavailable, WeightsError
from tagdb.fetch.archive import unpack
from tests.examples import examples
from tests.fetch.archives import FORMATS, archive_bytes, special_tar, tar_bytes, tree, write_archive, zip_bytes
from tests.fetch.limits import disk_with_room_for

MODULE = [
    ("./saved_model.pb", b"graph"),
    ("./variables", None),
    ("./variables/variables.index", b""),
    ("./variables/variables.data-00000-of-00001", bytes(range(256)) * 12_000),
    ("./assets", None),
]
UNPACKED = {name.removeprefix("./"): content for name, content in MODULE}

some = settings(max_examples=examples(50), deadline=None)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place" / "module"


def refusal(tmp_path: Path, content: bytes, **limits: int) -> str:
    """Return why an archive is refused, having made sure that nothing of it is left."""
    place = tmp_path / "place"
    place.mkdir(exist_ok=True)
    outside = {name: kept for name, kept in tree(tmp_path).items() if name != "archive"}
    archive = write_archive(tmp_path / "archive", content)
    with pytest.raises(WeightsError) as refused:
        unpack(archive, place / "module", **limits)
    assert {name: kept for name, kept in tree(tmp_path).items() if name != "archive"} == outside
    assert refused.value.hint
    assert str(archive) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("form", FORMATS)
def test_files_and_folders_come_out_with_plain_permissions(tmp_path: Path, target: Path, form: str) -> None:
    unpack(write_archive(tmp_path / "archive", archive_bytes(MODULE, form)), target)
    assert tree(target) == UNPACKED
    for path in (target, *target.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("form", FORMATS)
def test_folder_around_everything_is_kept(tmp_path: Path, target: Path, form: str) -> None:
    unpack(write_archive(tmp_path / "archive", archive_bytes([("elmo/3/options.json", b"{}")], form)), target)
    assert tree(target) == {"elmo": None, "elmo/3": None, "elmo/3/options.json": b"{}"}


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_every_kind_of_tar_come_out(tmp_path: Path, target: Path, tar_format: int) -> None:
    name = "/".join(["folder" * 10] * 2 + ["file" * 10])
    with tarfile.open(tmp_path / "archive", "w", format=tar_format) as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"text"))
    unpack(tmp_path / "archive", target)
    assert (target / name).read_bytes() == b"text"


NO_NAMES = [
    "/up",
    "../up",
    "a/../../up",
    "a/..",
    "..",
    "",
    ".",
    "a\\b",
    "a\nb",
    "a\x1b[0m",
    "x" * 256,
    "y/" * 600 + "y",
]


@pytest.mark.parametrize(
    ("form", "name"), [("tar", "a\udcff"), ("zip", "a\0b"), *itertools.product(["tar", "zip"], NO_NAMES)]
)
def test_name_that_is_none_is_refused(tmp_path: Path, form: str, name: str) -> None:
    said = refusal(tmp_path, archive_bytes([("good", b"good"), (name, b"evil")], form))
    assert any(reason in said for reason in ("leads out", "no name for a file", "twice"))


@some
@given(
    st.lists(
        st.tuples(
            st.lists(
                st.sampled_from(["", ".", "..", "a", "b", "B", "~", "-", " ", "\\", "\0", "a\u0301", "\u202e"]),
                max_size=4,
            ).map("/".join),
            st.none() | st.binary(max_size=3),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["tar", "zip"]),
)
@example([("a", b""), ("a/b", b"")], "tar")
@example([("a/b", b""), ("a", b"")], "tar")
@example([("a", b"1"), ("./a", b"2")], "zip")
@example([("a", None), ("a", b"2")], "tar")
@example([("/", None)], "zip")
def test_whatever_the_names_nothing_is_written_elsewhere_or_over_anything(
    members: list[tuple[str, bytes | None]], form: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        unpack_hostile(Path(folder), members, form)


def unpack_hostile(tmp_path: Path, members: list[tuple[str, bytes | None]], form: str) -> None:
    (tmp_path / "place").mkdir()
    archive = write_archive(tmp_path / "archive", archive_bytes(members, form))
    before = tree(tmp_path)
    target = tmp_path / "place" / "module"
    try:
        unpack(archive, target)
    except WeightsError:
        assert tree(tmp_path) == before
        return
    inside = "place/module"
    assert {name: kept for name, kept in tree(tmp_path).items() if not name.startswith(inside)} == before
    written = [kept for kept in tree(target).values() if kept is not None]
    folders = "/" if form == "zip" else None  # a zip knows them by their names alone
    assert sorted(written) == sorted(
        content for name, content in members if content is not None and not (folders and name.endswith(folders))
    )


@pytest.mark.parametrize("form", ["tar", "zip"])
@pytest.mark.parametrize("second", ["a", "./a", "b/../a"])
def test_name_that_is_there_twice_is_refused(tmp_path: Path, form: str, second: str) -> None:
    said = refusal(tmp_path, archive_bytes([("a", b"1"), ("b", None), (second, b"2")], form))
    assert "twice" in said or "leads out" in said


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
        b"?",
    ],
)
def test_anything_but_files_and_folders_in_a_tar_is_refused(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "secret").write_text("secret")
    said = refusal(tmp_path, special_tar("innocent", kind, str(tmp_path / "secret")))
    assert "'innocent' is neither a plain file nor a folder" in said


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_anything_but_files_and_folders_in_a_zip_is_refused(tmp_path: Path, kind: int) -> None:
    said = refusal(tmp_path, zip_bytes([("innocent", b"/etc/passwd")], mode=kind | 0o777))
    assert "'innocent' is neither a plain file nor a folder" in said


def test_zip_that_is_encrypted_or_compressed_otherwise_is_refused(tmp_path: Path) -> None:
    encrypted = zip_bytes([("innocent", b"x")]).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("innocent", b"x")
    for content in (encrypted, buffer.getvalue()):
        assert "encrypted, or compressed in another way than Deflate" in refusal(tmp_path, content)


@pytest.mark.parametrize("form", FORMATS)
def test_limits_are_those_of_what_comes_out(tmp_path: Path, target: Path, form: str) -> None:
    content = archive_bytes([(str(number), b"12345678") for number in range(10)], form)
    assert "more than 9 files and folders" in refusal(tmp_path, content, max_members=9)
    assert "more than 0.0 MB" in refusal(tmp_path, content, max_bytes=79)
    unpack(write_archive(tmp_path / "archive", content), target, max_members=10, max_bytes=80)


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_bomb_stops_at_the_limit(tmp_path: Path, form: str) -> None:
    content = archive_bytes([("bomb", bytes(30_000_000))], form)
    assert len(content) < 200_000
    with disk_with_room_for(3_000_000):
        assert "more than 2.0 MB" in refusal(tmp_path, content, max_bytes=2_000_000)


def test_bomb_between_the_files_of_a_tar_is_refused(tmp_path: Path) -> None:
    name_of_zeros = tarfile.TarInfo("././@LongLink")
    name_of_zeros.type, name_of_zeros.size = tarfile.GNUTYPE_LONGNAME, 30_000_000
    in_header = name_of_zeros.tobuf() + bytes(30_000_000)
    at_end = tar_bytes([("a", b"a")]) + bytes(30_000_000)
    for content in (in_header, at_end):
        assert "more than the files in it" in refusal(tmp_path, gzip.compress(content, 1))


def test_zip_that_lies_about_sizes_is_refused(tmp_path: Path) -> None:
    true_size, told = (30_000).to_bytes(4, "little"), (300).to_bytes(4, "little")
    content = zip_bytes([("a", bytes(30_000))])
    assert content.count(true_size) == 2
    assert "damaged" in refusal(tmp_path, content.replace(true_size, told))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("members", [[], [("./", None)]])
def test_archive_without_files_is_refused_or_an_empty_folder(
    tmp_path: Path, target: Path, form: str, members: list[tuple[str, None]]
) -> None:
    content = archive_bytes(members, form)
    if members:
        unpack(write_archive(tmp_path / "archive", content), target)
        assert tree(target) == {}
    else:
        assert any(word in refusal(tmp_path, content) for word in ("empty", "damaged"))


@pytest.mark.parametrize("form", FORMATS)
def test_truncated_archives_are_refused(tmp_path: Path, form: str) -> None:
    content = archive_bytes([("a", b"a" * 600), ("b", b"b" * 600)], form)
    last = 3072 + 512 if form == "tar" else len(content)  # a tar ends with zeros, of which some may be missing
    for size in {*range(0, last, 512 if form == "tar" else 7), last - 1}:
        assert "damaged or cut short" in refusal(tmp_path, content[:size])


@pytest.mark.parametrize("form", FORMATS)
def test_flipped_bytes_never_give_an_unforeseen_error(form: str) -> None:
    content = archive_bytes([("./a", b"a" * 700), ("folder", None), ("folder/ü" + "b" * 200, b"b" * 700)], form)
    refused: set[int] = set()

    @some
    @given(st.integers(0, len(content) - 1), st.integers(1, 255))
    def flip(position: int, flipped: int) -> None:
        damaged = bytearray(content)
        damaged[position] ^= flipped
        with tempfile.TemporaryDirectory() as folder:
            try:
                unpack(write_archive(Path(folder, "archive"), bytes(damaged)), Path(folder, "module"))
            except WeightsError:
                refused.add(position)
                assert [each.name for each in Path(folder).iterdir()] == ["archive"]

    flip()
    assert refused


@pytest.mark.parametrize("damaged_header", range(2))
def test_damaged_header_in_a_tar_does_not_pass_for_its_end(tmp_path: Path, damaged_header: int) -> None:
    content = bytearray(tar_bytes([("a", b"a" * 512), ("b", b"b")]))
    content[damaged_header * 1024 + 148] ^= 1  # its checksum
    assert "damaged or cut short" in refusal(tmp_path, bytes(content))


def test_other_files_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"<html>403</html>" * 1000, b"\x1f\x8b", b"PK\x03\x04", bytes(511), bytes(10_240)):
        assert any(word in refusal(tmp_path, content) for word in ("damaged", "empty"))


def test_missing_archive_and_taken_target_are_told(tmp_path: Path, target: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match=r"cannot read .*missing: No such file"):
        unpack(tmp_path / "missing", target)
    target.mkdir()
    (target / "mine").write_text("mine")
    archive = write_archive(tmp_path / "archive", archive_bytes(MODULE, "tar"))
    with pytest.raises(EmbedderUnavailable, match=f"{target} is there already"):
        unpack(archive, target)
    assert tree(target) == {"mine": b"mine"}


def test_full_disk_leaves_nothing(tmp_path: Path, target: Path) -> None:
    archive = write_archive(tmp_path / "archive", archive_bytes(MODULE, "tar.gz"))
    with disk_with_room_for(1_000_000), pytest.raises(EmbedderUnavailable, match=f"no room in {target.parent}: "):
        unpack(archive, target)
    assert list(target.parent.iterdir()) == []
