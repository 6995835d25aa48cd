"""What a monitor asks a process that watches, over HTTP: /metrics in Prometheus' format, and /healthz."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import TYPE_CHECKING

from tagdb import config, exposition
from tagdb.errors import Unavailable, UsageError
from tagdb.exposition import Metric, Sample

if TYPE_CHECKING:
    from tagdb.pipeline.running.vitals import Snapshot, Vitals

_LOOPBACK = "127.0.0.1"
_PLACE = re.compile(r"(?:(?P<host>\[[^\[\]]+\]|[^:\[\]]*):)?(?P<port>\d{1,5})")
_TIMEOUT_SECONDS = 10.0


def place(text: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT; without a host, this machine's own.

    Raises
    ------
    UsageError : it is nothing of the kind
    """
    found = _PLACE.fullmatch(text.strip())
    if found is None or int(found["port"]) > 65_535:
        raise UsageError(
            f"{text!r} is no place for metrics", hint="a port, or host and port: --metrics 9187, --metrics 0.0.0.0:9187"
        )
    return (found["host"] or _LOOPBACK).strip("[]"), int(found["port"])


@contextmanager
def serving(where: tuple[str, int], vitals: Vitals, max_lag: float, schema: str) -> Iterator[str]:
    """Answer while the work inside goes on; gives the address.

    Raises
    ------
    Unavailable : nothing can listen there
    """
    handler = type("_Asked", (_Handler,), {"vitals": vitals, "max_lag": max_lag, "schema": schema})
    try:
        server = _Server(where, handler)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(
            f"nothing can listen on {where[0]}, port {where[1]}: {reason}", hint="choose another --metrics HOST:PORT"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="tagdb-metrics", daemon=True)
    thread.start()
    try:
        host = f"[{where[0]}]" if ":" in where[0] else where[0]
        yield f"http://{host}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, where: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = AF_INET6 if ":" in where[0] else AF_INET
        super().__init__(where, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseHTTPRequestHandler):
    vitals: Vitals
    max_lag: float
    schema: str
    timeout = _TIMEOUT_SECONDS
    server_version = f"tagdb/{config.VERSION}"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        page = self.path.partition("?")[0]
        if page == "/metrics":
            self._answer(200, metrics(self.vitals.snapshot(), self.schema), exposition.CONTENT_TYPE)
        elif page == "/healthz":
            unwell = self.vitals.unwell(self.max_lag)
            self._answer(503 if unwell else 200, f"{unwell or 'ok'}\n")
        else:
            self._answer(404, "/metrics or /healthz\n")

    def do_HEAD(self) -> None:
        """Answer without the page."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep no log of requests."""

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def metrics(now: Snapshot, schema: str) -> str:
    """Return how a process that watches is doing, as Prometheus reads it."""
    counts = now.counts

    def one(value: float) -> tuple[Sample, ...]:
        return (Sample(value, {}),)

    def each(label: str, **names: str) -> tuple[Sample, ...]:
        return tuple(Sample(counts[name], {label: value}) for value, name in names.items())

    prefix = "tagdb_watch_"
    seconds = (Sample(now.seconds, {}, "_sum"), Sample(now.passes, {}, "_count"))
    questions = each("change", new="new", changed="changed", gone="gone")
    return exposition.render(
        [
            Metric(f"{prefix}up", "gauge", "Whether the database was reached last time.", one(float(now.reachable))),
            Metric(f"{prefix}failing", "gauge", "Whether the last pass failed.", one(float(now.fault is not None))),
            Metric(f"{prefix}lag_seconds", "gauge", "Since all labels were last known to be current.", one(now.lag)),
            Metric(f"{prefix}start_time_seconds", "gauge", "When watching began.", one(now.started_at)),
            Metric(f"{prefix}pass_seconds", "summary", "Passes that did something, and how long they took.", seconds),
            Metric(f"{prefix}last_pass_seconds", "gauge", "How long the last of them took.", one(now.last_seconds)),
            Metric(f"{prefix}failures_total", "counter", "Passes that failed.", one(now.failures)),
            Metric(f"{prefix}questions_total", "counter", "Questions that were new, changed or gone.", questions),
            Metric(
                f"{prefix}texts_total",
                "counter",
                "Texts that were embedded, or that the encoder refused.",
                each("result", embedded="embedded", failed="failed"),
            ),
            Metric(
                f"{prefix}labels_total",
                "counter",
                "Labels that were written or removed.",
                each("change", written="labels_written", removed="labels_removed"),
            ),
        ],
        {"collection": schema},
    )
