"""A web server on this machine that serves one file, and misbehaves as it is told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server holds, how it behaves, and what it was asked.

    Attributes:
        cuts: for each answer to come, after how many bytes of its body the connection breaks.
        status: answered in place of the file, with `page`.
        announced: what Content-Length says, when it does not tell the truth.
        bytes_too_early: how far before the byte asked for a range begins.
        may_send: what every 64 KiB wait for.
        requests: path and headers of every request so far, headers with names in lower case.
    """

    content: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    with_ranges: bool = True
    heeds_if_range: bool = True
    bytes_too_early: int = 0
    cuts: list[int] = field(default_factory=list)
    status: int = 200
    page: str = ""
    location: str | None = None
    announced: int | None = None
    chunked: bool = False
    encoding: str | None = None
    may_send: threading.Event = field(default_factory=threading.Event)
    before_each: Callable[[Site], None] | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of every request."""
        return [headers.get("range") for _, headers in self.requests]


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site at its `url` while the block runs."""

    class Handler(_Handler):
        pass

    Handler.site = site
    site.may_send.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}/files/weights.bin"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_args: object) -> None:
        """Say nothing on stderr."""

    def do_GET(self) -> None:
        """Answer as the site is told to."""
        site = self.site
        site.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if site.before_each:
            site.before_each(site)
        if site.location is not None and self.path.startswith("/files/"):
            self._send_head(302, {"Location": site.location, "Content-Length": "0"})
        elif site.status != 200:
            self._send_head(site.status, {"Content-Length": str(len(site.page.encode()))})
            self.wfile.write(site.page.encode())
        else:
            self._send_file(self._start())

    def _start(self) -> int | None:
        """Return the first byte asked for, None for the whole file."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or not self.site.with_ranges:
            return None
        start = max(0, int(asked[1]) - self.site.bytes_too_early)
        same = self.headers.get("If-Range") in (self.site.etag, self.site.last_modified)
        return start if same or not self.site.heeds_if_range else None

    def _send_file(self, start: int | None) -> None:
        site = self.site
        size = len(site.content)
        if start is not None and start >= size:
            self._send_head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        body = site.content[start or 0 :]
        length = len(body) if site.announced is None else site.announced
        headers = {"Transfer-Encoding": "chunked"} if site.chunked else {"Content-Length": str(length)}
        headers |= {"ETag": site.etag} if site.etag else {}
        headers |= {"Last-Modified": site.last_modified} if site.last_modified else {}
        headers |= {"Content-Encoding": site.encoding} if site.encoding else {}
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._send_head(200 if start is None else 206, headers)
        self._send_body(body[: site.cuts.pop(0)] if site.cuts else body, whole=body)

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, sent: bytes, whole: bytes) -> None:
        try:
            for start in range(0, len(sent), 65536):
                self.site.may_send.wait(30.0)
                piece = sent[start : start + 65536]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.site.chunked else piece)
            if self.site.chunked and len(sent) == len(whole):
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the client has seen enough
