"""Only its owner gets at the embedded server, wherever its files are, and no permission of others' folders changes."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagdb.db import embedded, embedded_user
from tagdb.db.embedded import EmbeddedServer, binaries
from tagdb.errors import ConnectionFailed
from tests.db.embedded import server_pid, value_of

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(short_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of this test's own that everybody may enter."""
    place = short_folder / f"private{abs(hash(request.node.name)) % 10_000}"
    place.mkdir(mode=0o755)
    yield place
    place.chmod(0o755)
    shutil.rmtree(place)


def test_socket_and_data_are_entered_by_their_owner_only(server: EmbeddedServer) -> None:
    account = embedded_user.server_account()
    for place in (server.socket_folder, server.data):
        assert _mode(place) == 0o700
        assert place.stat().st_uid == (account.pw_uid if account else os.geteuid())
    assert _mode(server.home) == (0o711 if account else 0o700)
    assert _mode(server.socket_folder / ".s.PGSQL.5432") == 0o700


@as_root
def test_server_of_root_runs_as_another_user(server: EmbeddedServer) -> None:
    owner = Path(f"/proc/{server_pid(server)}").stat().st_uid
    assert owner == pwd.getpwnam(embedded_user.SYSTEM_USER).pw_uid != 0


@as_root
def test_another_user_of_the_machine_cannot_connect(server: EmbeddedServer) -> None:
    psql = [str(binaries() / "psql"), "-XAt", server.dsn, "-c", "SELECT 'connected'"]
    mine, theirs = (
        subprocess.run(
            psql, capture_output=True, text=True, check=False, cwd="/", user=user, group=user, extra_groups=[]
        )
        for user in (0, pwd.getpwnam("nobody").pw_uid)
    )
    assert mine.stdout == "connected\n"
    assert theirs.returncode != 0
    assert "Permission denied" in theirs.stderr


def test_permissions_of_a_folder_that_was_there_stay(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o755)
    before = {path: _mode(path) for path in (home, *home.parents)}
    embedded_user.make_home(home)
    embedded_user.prepare_folders(home, home / "postgres")
    assert {path: _mode(path) for path in before} == before
    assert _mode(home / "postgres") == 0o700


@pytest.mark.parametrize("name", ["it's 100% ü & more? #1", "long, with a comma, " * 6])
def test_home_of_any_name_works(folder: Path, name: str) -> None:
    server = EmbeddedServer(folder / name)
    assert value_of(server.acquire(), "SELECT current_database()::text") == "tagdb"
    socket_folder = server.socket_folder
    assert _mode(socket_folder) == 0o700
    assert (socket_folder / ".s.PGSQL.5432").is_socket()
    assert socket_folder.is_relative_to(folder) == (len(name) < 50)
    server.release()
    if not socket_folder.is_relative_to(folder):
        socket_folder.rmdir()


def test_short_socket_folder_held_by_somebody_else_is_not_used(folder: Path) -> None:
    root = folder / ("x" * 120)
    short = embedded_user.short_private_folder(root)
    try:
        assert embedded_user.short_private_folder(root) == short
        short.chmod(0o755)
        with pytest.raises(ConnectionFailed, match="is not private"):
            embedded_user.short_private_folder(root)
        short.rmdir()
        short.symlink_to(folder)
        with pytest.raises(ConnectionFailed, match="is not private"):
            embedded_user.short_private_folder(root)
    finally:
        short.unlink() if short.is_symlink() else short.rmdir()


@as_root
def test_home_that_the_servers_user_cannot_reach_is_refused(folder: Path) -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o700)
    server = EmbeddedServer(locked / "home")
    with pytest.raises(ConnectionFailed, match=f"'tagdb' cannot enter {locked}$") as refused:
        server.acquire()
    assert "TAGDB_HOME" in (refused.value.hint or "")
    assert _mode(locked) == 0o700
    assert not server.root.exists()
    server.release()


@as_root
def test_empty_home_that_only_root_may_enter_is_opened_for_passing_through(folder: Path) -> None:
    home = folder / "empty"
    home.mkdir(mode=0o700)
    server = EmbeddedServer(home)
    assert value_of(server.acquire(), "SELECT current_database()::text") == "tagdb"
    assert _mode(home) == 0o711
    server.release()


@as_root
def test_home_with_files_of_somebody_else_keeps_its_permissions(folder: Path) -> None:
    home = folder / "full"
    home.mkdir(mode=0o700)
    (home / "diary.txt").write_text("")
    with pytest.raises(ConnectionFailed, match=f"'tagdb' cannot enter {home}$"):
        EmbeddedServer(home).acquire()
    assert _mode(home) == 0o700


def test_home_below_a_file_is_refused(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(ConnectionFailed, match=r"cannot live in .*(File exists|Not a directory)") as refused:
        EmbeddedServer(folder / "file" / "home").acquire()
    assert "TAGDB_HOME" in (refused.value.hint or "")


@not_root
def test_home_in_a_folder_one_may_not_write_is_refused(folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(ConnectionFailed, match=r"cannot live in .*Permission denied"):
        EmbeddedServer(folder / "home").acquire()


def test_processes_that_make_the_home_at_once_get_one_with_its_permissions(folder: Path) -> None:
    script = (
        "import sys, os, pathlib; from tagdb.db.embedded_user import make_home; os.umask(0o077); sys.stdin.read(1); "
        "home = pathlib.Path(sys.argv[1]); make_home(home); print(oct(home.stat().st_mode & 0o777))"
    )
    command = [sys.executable, "-c", script, str(folder / "new" / "home")]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        for _ in range(4)
    ]
    printed = {process.communicate("go")[0].strip() for process in running}
    assert printed == {"0o711" if os.geteuid() == 0 else "0o700"}
    assert [path.name for path in (folder / "new").iterdir()] == ["home"]


def test_user_with_a_number_and_no_name_is_told_before_a_cluster_is_begun(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(embedded_user, "server_account", lambda: None)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    server = EmbeddedServer(folder / "home")
    with pytest.raises(ConnectionFailed, match=r"user \d+, who has no entry in /etc/passwd") as refused:
        server.acquire()
    assert "--db-url" in (refused.value.hint or "")
    assert list(server.root.iterdir()) == []
    server.release()


def test_program_that_cannot_be_run_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    monkeypatch.setattr(embedded, "binaries", lambda: programs)
    server = EmbeddedServer(folder / "home")
    with pytest.raises(ConnectionFailed, match=f"cannot be run: {programs}/initdb: No such file") as refused:
        server._initialise()
    assert "--db-url" in (refused.value.hint or "")


@as_root
def test_missing_system_user_that_cannot_be_made_is_explained(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    useradd = folder / "useradd"
    useradd.write_text("#!/bin/sh\necho 'useradd: cannot lock /etc/passwd' >&2\nexit 1\n")
    useradd.chmod(0o755)
    monkeypatch.setattr(embedded_user, "SYSTEM_USER", "tagdb-nobody-has-this")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ConnectionFailed, match="cannot be made: useradd: cannot lock"):
        embedded_user.server_account.__wrapped__()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConnectionFailed, match="cannot run as root here"):
        embedded_user.server_account.__wrapped__()
