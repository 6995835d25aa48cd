"""How a Ray cluster is joined: at an address where one is, of the same versions on every node, and left again."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tagdb import config, installation
from tagdb.cluster.joined import Cluster
from tagdb.cluster.signals import held_back
from tagdb.errors import TagdbError, Unavailable, UsageError

_ADDRESS = re.compile(r"(?P<host>[^\s:/\[\]]+|\[[0-9A-Fa-f:.%]+\]):(?P<port>\d{1,5})")
_MISMATCH = re.compile(r"Ray: (?P<ray>\S+)\s+Python: (?P<python>\S+)")
_ANSWER_SECONDS = 5.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # and an empty frame of settings
_SETTINGS = 4
_HEADER_BYTES = 9
_SETTINGS_OF_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the behaviour to come, about which it warns otherwise
}


def version() -> str:
    """Return the installed release of Ray."""
    return importlib.metadata.version("ray")


def checked(address: str) -> str:
    """Return an address that names a cluster: "auto", or that of its head as HOST:PORT.

    Raises
    ------
    UsageError : it is of another form
    """
    if address.startswith("ray://"):
        raise UsageError(
            "ray:// is the address of a Ray Client, through which workers cannot be watched",
            hint="on a machine of the cluster --ray auto, from elsewhere: ray job submit -- tagdb … --ray auto",
        )
    found = _ADDRESS.fullmatch(address)
    if address != "auto" and not (found and 0 < int(found["port"]) < 2**16):
        raise UsageError(f"{address!r} is no address of a Ray cluster", hint="--ray auto, or --ray HOST:6379")
    return address


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Join the cluster at an address, having made sure that its nodes run what this process runs; leave it at the end.

    A program around us that is connected already stays so.

    Raises
    ------
    UsageError : the address is of another form than `checked` takes
    Unavailable : Ray is not installed, no cluster is there, or versions differ, or the program around us is connected
        to another one
    """
    checked(address)
    ray = _module()
    cluster = Cluster(ray)
    if ray.is_initialized():
        _require_this_one(ray, address)
        _require_same_versions(cluster)
        yield cluster
        return
    with _silent(ray):
        _join(ray, address)
        try:
            _require_same_versions(cluster)
            yield cluster
        finally:
            with held_back():
                ray.shutdown()


def _module() -> Any:
    for name, value in _SETTINGS_OF_RAY.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        command = installation.install_command("tagdb[ray]")
        raise Unavailable("Ray is not installed, which is an extra of tagdb", hint=command) from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


@contextmanager
def _silent(ray: Any) -> Iterator[None]:
    """Keep what Ray has to tell of workers and nodes off stdout, where it prints even if it is to log nothing."""
    switch, worker = "_worker_logs_enabled", ray._private.worker  # noqa: SLF001
    setattr(worker, switch, False)
    try:
        yield
    finally:
        setattr(worker, switch, True)


def _join(ray: Any, address: str) -> None:
    place = _found(ray) if address == "auto" else address
    _require_answer(place)
    try:
        with held_back():
            ray.init(place, namespace="tagdb", log_to_driver=False, configure_logging=False)
    except Exception as error:
        with held_back():
            ray.shutdown()
        raise _not_joined(place, error) from error


def _found(ray: Any) -> str:
    """Return where the cluster is that this machine is in."""
    hint = "start one: ray start --head; or name it: --ray HOST:6379"
    try:
        with held_back():
            place: str = ray._private.services.canonicalize_bootstrap_address_or_die("auto")  # noqa: SLF001
    except (ConnectionError, ValueError) as error:
        raise Unavailable("no Ray cluster is on this machine", hint=hint) from error
    return checked(place)


def _require_answer(place: str) -> None:
    """Pass where something answers as Ray's head does: Ray itself would wait for minutes, and end the process.

    Raises
    ------
    Unavailable : nothing does
    """
    found = _ADDRESS.fullmatch(place)
    assert found
    try:
        with socket.create_connection((found["host"].strip("[]"), int(found["port"])), _ANSWER_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") in ("", "0"):
                connection.settimeout(_ANSWER_SECONDS)
                connection.sendall(_PREFACE)
                header = connection.recv(_HEADER_BYTES, socket.MSG_WAITALL)
                if len(header) < _HEADER_BYTES or header[3] != _SETTINGS:
                    raise ConnectionError("what answers is something else")
    except OSError as error:
        raise Unavailable(
            f"no Ray cluster is at {place}: {error.strerror or error}",
            hint="ray status says where it is; its port is that of ray start --head, 6379 by default",
        ) from error


def _require_this_one(ray: Any, address: str) -> None:
    """Pass where the cluster that is joined already is the one at an address, by whatever name of its machine."""
    if address == "auto":
        return
    _require_answer(address)
    joined: str = ray.get_runtime_context().gcs_address
    if joined.rpartition(":")[2] != address.rpartition(":")[2]:
        raise Unavailable(
            f"this program is connected to the Ray cluster at {joined}, not to the one at {address}",
            hint=f"--ray {joined}, or ray.shutdown() first",
        )


def _not_joined(place: str, error: Exception) -> TagdbError:
    if found := _MISMATCH.search(str(error)):
        theirs = f"Ray {found['ray']} and Python {found['python']}"
        return Unavailable(
            f"the cluster at {place} runs {theirs}, this is Ray {version()} and Python {platform.python_version()}",
            hint=f"install the same here and there: pip install 'ray=={found['ray']}'",
        )
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return Unavailable(
        f"the Ray cluster at {place} cannot be joined: {reason}",
        hint=f"let this machine be one of its nodes: ray start --num-cpus 0 --address {place}",
    )


def _require_same_versions(cluster: Cluster) -> None:
    """Ask every node what it runs.

    Raises
    ------
    Unavailable : one of them has another Python, Ray or tagdb, or none, or does not answer
    """
    ours = {"Python": platform.python_version(), "Ray": version(), "tagdb": config.VERSION}
    for address, theirs in cluster.ask_nodes(_versions()).items():
        if differing := [name for name in ours if theirs[name] != ours[name]]:
            there, here = (
                ", ".join(f"{name} {versions[name]}" if versions[name] else f"no {name}" for name in differing)
                for versions in (theirs, ours)
            )
            raise Unavailable(
                f"node {address} of the cluster has {there}, and this machine {here}",
                hint="install the same on every node, in the environment that ray start runs in",
            )


def _versions() -> Callable[[], dict[str, str | None]]:
    """Return what asks a node, made here so that it travels whole: the node may have no tagdb to find it in."""

    def versions() -> dict[str, str | None]:
        import importlib
        import platform

        found: dict[str, str | None] = {"Python": platform.python_version()}
        for name, module in (("Ray", "ray"), ("tagdb", "tagdb")):
            try:
                found[name] = importlib.import_module(module).__version__
            except ImportError:
                found[name] = None
        return found

    return versions
