"""A file comes whole or not at all, and what came of it before a cut is not asked for again."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from tagdb.errors import EmbedderUnavailable, WeightsError
from tagdb.fetch import web
from tagdb.fetch.disk import disk_errors_reported
from tagdb.fetch.download import download
from tagdb.fetch.part import PartialFile
from tagdb.models import Silent
from tests.fetch.limits import disk_with_room_for
from tests.fetch.reporting import Recorder
from tests.fetch.server import Site

ATTEMPTS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "weights.bin"


def part(path: Path) -> bytes:
    return path.with_name("weights.bin.part").read_bytes()


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def cut_for_good(site: Site, path: Path, after: int) -> int:
    """Let a download fail with a part of the file; return the size of that part."""
    site.cuts = [after] + [0] * (ATTEMPTS - 1)
    with pytest.raises(EmbedderUnavailable, match=f"was cut {ATTEMPTS} times, the last time after 0.. MB") as failed:
        download(site.url, path, Silent())
    assert failed.value.hint == "run the same command again: it goes on after what came, which is kept"
    assert not path.exists()
    site.requests.clear()
    return len(part(path))


@pytest.mark.parametrize("chunked", [False, True])
def test_file_comes_whole_with_its_checksum_and_progress(site: Site, path: Path, chunked: bool) -> None:
    site.chunked = chunked
    recorder = Recorder()
    assert download(site.url, path, recorder) == sum_of(site.content)
    assert path.read_bytes() == site.content
    assert [each.name for each in path.parent.iterdir()] == ["weights.bin"]
    assert recorder.steps == [("fetching weights.bin", None if chunked else len(site.content), "bytes")]
    assert recorder.done == [len(site.content)]
    assert site.requests[0][1]["user-agent"].startswith("tagdb/")


def test_file_that_is_there_with_the_wanted_checksum_is_not_fetched(site: Site, path: Path) -> None:
    wanted = sum_of(site.content)
    for _ in range(2):
        assert download(site.url, path, Silent(), sha256=wanted.upper()) == wanted
    assert len(site.requests) == 1
    path.write_bytes(b"changed")
    download(site.url, path, Silent(), sha256=wanted)
    assert path.read_bytes() == site.content


@pytest.mark.parametrize("chunked", [False, True])
def test_cut_connection_goes_on_where_it_was(site: Site, path: Path, chunked: bool) -> None:
    site.chunked, site.cuts = chunked, [300_000, 400_000]
    recorder = Recorder()
    download(site.url, path, recorder)
    assert path.read_bytes() == site.content
    starts = [0 if asked is None else int(asked[6:-1]) for asked in site.ranges]
    assert starts[0] == 0
    assert 200_000 < starts[1] <= 300_000
    assert starts[1] + 300_000 < starts[2] <= starts[1] + 400_000
    assert recorder.done == [starts[1], starts[2], len(site.content)]
    assert len(recorder.said) == 2
    assert recorder.said[0].startswith("cut after 0.")


def test_next_call_asks_for_the_rest_only(site: Site, path: Path) -> None:
    size = cut_for_good(site, path, after=700_000)
    assert 600_000 < size <= 700_000
    download(site.url, path, Silent(), sha256=sum_of(site.content))
    assert site.ranges == [f"bytes={size}-"]
    assert site.requests[0][1]["if-range"] == '"v1"'
    assert path.read_bytes() == site.content


def test_date_of_the_last_change_stands_in_for_a_weak_etag(site: Site, path: Path) -> None:
    site.etag, site.last_modified = 'W/"v1"', "Mon, 01 Jan 2018 00:00:00 GMT"
    size = cut_for_good(site, path, after=500_000)
    download(site.url, path, Silent())
    assert site.ranges == [f"bytes={size}-"]
    assert path.read_bytes() == site.content


def test_server_that_ignores_ranges_sends_the_file_anew(site: Site, path: Path) -> None:
    size = cut_for_good(site, path, after=500_000)
    site.with_ranges = False
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content
    assert site.ranges == [f"bytes={size}-"]


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_part_of_a_version_without_a_name_is_not_gone_on_with(site: Site, path: Path, etag: str | None) -> None:
    site.etag = etag
    cut_for_good(site, path, after=500_000)
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content
    assert site.ranges == [None]


def test_range_that_begins_elsewhere_is_not_glued(site: Site, path: Path) -> None:
    size = cut_for_good(site, path, after=500_000)
    site.bytes_too_early = 1000
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content
    assert site.ranges == [f"bytes={size}-", None]


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize("length", [1_000_000, 400_000])
def test_file_that_changed_on_the_server_is_not_glued(
    site: Site, path: Path, heeds_if_range: bool, length: int
) -> None:
    cut_for_good(site, path, after=500_000)
    site.content, site.etag, site.heeds_if_range = site.content[::-1][:length], '"v2"', heeds_if_range
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content


def test_file_that_changes_between_two_attempts_is_not_glued(site: Site, path: Path) -> None:
    site.cuts = [500_000]

    def change(site: Site) -> None:
        if len(site.requests) == 2:
            site.content, site.etag = site.content[::-1], '"v2"'

    site.before_each = change
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content


def test_part_of_another_address_is_not_gone_on_with(site: Site, path: Path) -> None:
    cut_for_good(site, path, after=500_000)
    site.content = site.content[::-1]
    download(site.url.replace("weights", "other"), path, Silent())
    assert path.read_bytes() == site.content


@pytest.mark.parametrize("note", ["", "[]", '{"origin": 1}', "\xff"])
def test_part_with_a_damaged_note_is_not_gone_on_with(site: Site, path: Path, note: str) -> None:
    cut_for_good(site, path, after=500_000)
    path.with_name("weights.bin.part.json").write_text(note, encoding="latin-1")
    download(site.url, path, Silent())
    assert site.ranges == [None]
    assert path.read_bytes() == site.content


def test_part_that_is_longer_than_the_file_is_fetched_anew(site: Site, path: Path) -> None:
    cut_for_good(site, path, after=500_000)
    with path.with_name("weights.bin.part").open("ab") as file:
        file.write(bytes(len(site.content)))
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content


def test_wrong_checksum_is_told_and_the_file_deleted(site: Site, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"old")
    wanted = sum_of(b"something else")
    with pytest.raises(WeightsError, match=f"SHA-256 {sum_of(site.content)}, not {wanted}") as failed:
        download(site.url, path, Silent(), sha256=wanted)
    assert failed.value.hint
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [("weights.bin", b"old")]


@pytest.mark.parametrize("announced", [2_000_000, 1_000_001])
def test_file_shorter_than_announced_is_not_taken(site: Site, path: Path, announced: int) -> None:
    site.announced = announced
    with pytest.raises(EmbedderUnavailable, match="was cut"):
        download(site.url, path, Silent())
    assert not path.exists()


@pytest.mark.parametrize(("chunked", "given"), [(False, "1.0"), (True, "0.5")])
def test_size_is_limited_by_what_is_announced_and_by_what_comes(
    site: Site, path: Path, chunked: bool, given: str
) -> None:
    site.chunked = chunked
    with pytest.raises(EmbedderUnavailable, match=f"gives {given} MB or more, and 0.5 MB are allowed"):
        download(site.url, path, Silent(), max_bytes=500_000)
    assert not any(each.stat().st_size for each in path.parent.iterdir())
    download(site.url, path, Silent(), max_bytes=len(site.content))


def test_archive_that_is_called_compressed_text_is_kept_compressed(site: Site, path: Path) -> None:
    site.content, site.encoding = gzip.compress(site.content), "gzip"
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content
    assert site.requests[0][1]["accept-encoding"] == "identity"


def test_server_that_falls_silent_is_given_up(site: Site, path: Path) -> None:
    site.may_send.clear()
    with pytest.MonkeyPatch.context() as impatience:
        impatience.setattr(web, "READ_TIMEOUT_SECONDS", 0.1)
        with pytest.raises(EmbedderUnavailable, match="does not answer in time"):
            download(site.url, path, Silent())
    site.may_send.set()
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content


def test_stop_by_the_user_leaves_a_part_to_go_on_with(site: Site, path: Path) -> None:
    def stop(done: int) -> None:
        if done > 400_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(site.url, path, Recorder(stop))
    size = len(part(path))
    assert 400_000 < size < 500_000
    download(site.url, path, Silent())
    assert site.ranges == [None, f"bytes={size}-"]
    assert path.read_bytes() == site.content


def test_file_that_does_not_fit_keeps_its_part_and_tells_what_is_missing(site: Site, path: Path) -> None:
    with (
        disk_with_room_for(300_001),
        pytest.raises(EmbedderUnavailable, match=rf"no room in {path.parent}: .*, 0\.7 MB more are needed") as failed,
    ):
        download(site.url, path, Silent())
    assert (
        failed.value.hint == "make room there and run the same command again: it goes on after what came, which is kept"
    )
    assert part(path) == site.content[:300_001]
    download(site.url, path, Silent())
    assert site.ranges == [None, "bytes=300001-"]
    assert path.read_bytes() == site.content


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_is_told() -> None:
    with (
        pytest.raises(EmbedderUnavailable, match=r"no room in /dev: No space left on device, 12\.0 MB more"),
        disk_errors_reported(Path("/dev"), missing_bytes=12_000_000),
        Path("/dev/full").open("wb") as full,
    ):
        full.write(b"x")


def test_folder_that_cannot_be_used_is_told(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbedderUnavailable, match=f"the folder {tmp_path / 'file'} cannot be used: ") as failed:
        download(site.url, tmp_path / "file" / "weights.bin", Silent())
    assert "TAGDB_HOME" in (failed.value.hint or "")


def test_second_download_of_a_file_is_refused_while_the_first_runs(site: Site, path: Path) -> None:
    with (
        PartialFile(path, "elsewhere"),
        pytest.raises(EmbedderUnavailable, match=f"another process is fetching {path}"),
    ):
        download(site.url, path, Silent())
    assert site.requests == []
    download(site.url, path, Silent())
    assert path.read_bytes() == site.content
