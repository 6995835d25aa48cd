"""Modules are fetched by handle through tensorflow_hub, from a server on this machine; a failure leaves nothing."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tagdb.elmo.hub import fetch_module
from tagdb.elmo.hub.model import TextModel
from tagdb.errors import EmbedderUnavailable


class Server(ThreadingHTTPServer):
    """Serves one archive under /module, cut short, not at all, or another page, as its path says."""

    archive: bytes
    requests: list[str]

    def handle_for(self, path: str) -> str:
        """Return the handle of a module at a path."""
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        path, archive = self.path.partition("?")[0], self.server.archive
        if path in ("/403", "/404"):
            self.send_error(int(path[1:]))
            return
        body = {"/page": b"<html>sign in</html>", "/other": packed(Path(__file__).parent)}.get(path, archive)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if path == "/cut" else body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def packed(folder: Path) -> bytes:
    """Return a folder as a .tar.gz, as modules are served."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(bag_of_words: Path) -> Iterator[Server]:
    """A server on the loopback that has the module `bag_of_words`."""
    with Server(("127.0.0.1", 0), _Handler) as serving:
        serving.archive, serving.requests = packed(bag_of_words), []
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_a_module_is_fetched_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", "/nowhere")
    monkeypatch.setenv("TFHUB_MODEL_LOAD_FORMAT", "UNCOMPRESSED")
    monkeypatch.delenv("TFHUB_DOWNLOAD_PROGRESS", raising=False)
    handle = server.handle_for("/module/1")
    found = fetch_module(handle, tmp_path)
    assert found == tmp_path / hashlib.sha1(handle.encode()).hexdigest()
    assert TextModel(found).facts.signature == "default"
    assert os.environ["TFHUB_CACHE_DIR"] == "/nowhere"
    assert os.environ["TFHUB_MODEL_LOAD_FORMAT"] == "UNCOMPRESSED"
    assert "TFHUB_DOWNLOAD_PROGRESS" not in os.environ
    assert socket.getdefaulttimeout() is None
    assert server.requests == ["/module/1?tf-hub-format=compressed"]
    assert fetch_module(handle, tmp_path) == found
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == [found]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/403", "HTTP 403"),
        ("/404", "HTTP 404"),
        ("/cut", "cannot fetch"),
        ("/page", "valid module"),
        ("/other", "no module"),
    ],
)
def test_a_failure_says_why_and_leaves_nothing(server: Server, tmp_path: Path, path: str, reason: str) -> None:
    handle = server.handle_for(path)
    with pytest.raises(EmbedderUnavailable, match=reason) as caught:
        fetch_module(handle, tmp_path)
    assert f"{handle}?tf-hub-format=compressed" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []
    assert "TFHUB_CACHE_DIR" not in os.environ


def test_what_a_killed_fetch_left_is_in_nobodys_way(server: Server, tmp_path: Path) -> None:
    handle = server.handle_for("/module/2")
    left = tmp_path / hashlib.sha1(handle.encode()).hexdigest()
    left.mkdir()
    (left / "tfhub_module.pb").write_bytes(b"\x08\x03")
    left.with_name(f"{left.name}.lock").write_text("host.1.gone")
    assert TextModel(fetch_module(handle, tmp_path)).facts.signature == "default"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://{server}/page?token=hunter2", "whose words could repeat what is secret"),
        ("http://{server}/other?token=hunter2#hunter2", "no module"),
        ("http://{server}/404?token=hunter2", "HTTP 404 Not Found"),
        ("http://user:hunter2@{server}/page", "cannot fetch http://127"),
        ("http://{closed}/module?token=hunter2", "Connection refused"),
        ("http://user:hun/hunter2@{server}/module", "is no handle"),
        ("http://[hunter2/module", "is no handle"),
        ("ftp://user:hunter2@{server}/module", "is no handle"),
        ("hunter2/elmo/3", "is no handle"),
    ],
)
def test_secrets_of_an_address_are_not_told(server: Server, tmp_path: Path, address: str, reason: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{unused.getsockname()[1]}"
        handle = address.format(server=f"127.0.0.1:{server.server_address[1]}", closed=closed)
        with pytest.raises(EmbedderUnavailable, match=reason) as caught:
            fetch_module(handle, tmp_path)
    told = "".join([str(caught.value.hint), *traceback.format_exception(caught.value)])
    assert "hunter2" not in told


def test_a_missing_tensorflow_hub_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    with pytest.raises(EmbedderUnavailable, match="tensorflow_hub cannot be imported") as caught:
        fetch_module("https://127.0.0.1/module", tmp_path)
    assert "setuptools<81" in str(caught.value.hint)


def test_tensorflow_hub_is_imported_quietly(tmp_path: Path) -> None:
    """Even where pkg_resources warns, as it does in later releases of setuptools, and warnings are errors."""
    (tmp_path / "pkg_resources.py").write_text(
        "import warnings\nwarnings.warn('pkg_resources is deprecated', UserWarning)\n"
        "def parse_version(text): return tuple(int(part) for part in text.split('.')[:2])\n"
    )
    program = "from tagdb.elmo.hub import _hub; print(_hub.tensorflow_hub().__version__)"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        env={name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        | {"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("0.")
    assert done.stderr == ""
