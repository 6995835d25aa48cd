"""Addresses where there is no Ray, or none that can be used: told at once, in a line, with what to do instead."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tagdb import cluster
from tagdb.cluster import connecting
from tagdb.errors import Unavailable, UsageError
from tests.cli.running import tagdb
from tests.pipeline.working.conftest import vectors
from tests.pipeline.world import World


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """Serve the address of something that is not Ray: it answers so, or never."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                if answer is not None:
                    connection.sendall(answer)
                else:
                    connection.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def _closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    "address", ["", "auto ", "host", "host:", ":6379", "host:0", "host:70000", "http://h:1", "a b:1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no address of a Ray cluster"):
        cluster.checked(address)


@pytest.mark.parametrize("address", ["auto", "host:6379", "10.0.0.7:1", "[::1]:6379", "head.example.org:65535"])
def test_what_names_a_cluster_is_taken(address: str) -> None:
    assert cluster.checked(address) == address


def test_ray_client_is_refused_with_what_to_use_instead(labelled: object) -> None:
    refused = tagdb("train", "--query", "SELECT 1", "--ray", "ray://head:10001")
    assert refused.exit_code == 2
    assert "Ray Client" in refused.stderr
    assert "--ray auto" in refused.stderr
    assert "ray job submit" in refused.stderr


def test_sync_refuses_what_it_cannot_reach_and_gpus_of_no_cluster(world: World) -> None:
    assert tagdb("sync", "--ray", "nowhere").exit_code == 2
    assert tagdb("sync", "--gpus", "1").exit_code == 2
    assert vectors(world) == 0
    refused = tagdb("sync", "--ray", _closed())
    assert refused.exit_code == 3
    assert "error: no Ray cluster is at 127.0.0.1:" in refused.stderr
    assert world.last_run()["status"] == "failed"


def test_address_without_anything_behind_it(labelled: object) -> None:
    began = time.monotonic()
    refused = tagdb("train", "--query", "SELECT id AS question_id, label FROM questions", "--ray", _closed())
    assert refused.exit_code == 3
    assert "error: no Ray cluster is at 127.0.0.1:" in refused.stderr
    assert " next: " in refused.stderr
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"N", b"\0" * 9])
def test_something_else_that_listens(answer: bytes) -> None:
    with listening(answer) as address, pytest.raises(Unavailable, match=f"no Ray cluster is at {address}"):
        connecting._require_answer(address)


def test_something_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_ANSWER_SECONDS", 0.2)
    with listening(None) as address, pytest.raises(Unavailable, match="no Ray cluster is at"):
        connecting._require_answer(address)


def test_name_that_no_machine_has() -> None:
    with pytest.raises(Unavailable, match=r"no Ray cluster is at nowhere\.invalid:6379"):
        connecting._require_answer("nowhere.invalid:6379")


def test_auto_without_a_cluster_here(monkeypatch: pytest.MonkeyPatch) -> None:
    services = pytest.importorskip("ray._private.services")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda *_: None)
    monkeypatch.setattr(services, "find_gcs_addresses", set)
    with pytest.raises(Unavailable, match="no Ray cluster is on this machine"), cluster.connected("auto"):
        pass


def test_client_in_the_environment_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises((UsageError, Unavailable)), cluster.connected("auto"):
        pass


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Unavailable, match="Ray is not installed") as refused, cluster.connected("head:6379"):
        pass
    assert "tagdb[ray]" in (refused.value.hint or "")
