"""Embedders from the network: published names, addresses, and handles; and what is said where there is no network."""

from __future__ import annotations

import shutil
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tagdb import elmo
from tagdb.elmo import published
from tagdb.errors import EmbedderUnavailable
from tagdb.fetch import download
from tagdb.models import Silent
from tagdb.pipeline.embedders import adding, bringing
from tagdb.pipeline.embedders.adding import Added, Reading
from tests.elmo.hub.text_modules import write_bag_of_words
from tests.elmo.weights import write_random_elmo


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAGDB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(download, "WAITS_SECONDS", ())
    return tmp_path / "home"


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder that the server serves."""
    (tmp_path / "served").mkdir()
    return tmp_path / "served"


@pytest.fixture
def address(served: Path) -> Iterator[str]:
    """Where the folder is served, on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_random_elmo(tmp_path / "source")


def _add(source: str) -> Added:
    return adding.add("mine", source, Reading(), Silent())


def test_published_name_is_fetched_and_its_downloads_are_tidied_away(
    source: Path, served: Path, address: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "BASE", address)
    small = elmo.PUBLISHED["small"]
    for url, file in ((small.options_url, "options.json"), (small.weights_url, "weights.hdf5")):
        target = served / url.removeprefix(address)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source / file, target)
    added = _add("small")
    assert added.spec.fingerprint == elmo.read_spec(source).fingerprint
    assert (added.spec.config["source"], added.spec.config["licence"]) == (small.weights_url, published.LICENCE)
    assert list((home / "downloads").iterdir()) == []


def test_address_of_weights_brings_the_options_beside_them(source: Path, served: Path, address: str) -> None:
    shutil.copy(source / "options.json", served / "elmo_options.json")
    shutil.copy(source / "weights.hdf5", served / "elmo_weights.hdf5")
    added = _add(f"{address}elmo_weights.hdf5?token=secret")
    assert added.spec.fingerprint == elmo.read_spec(source).fingerprint
    assert "secret" not in str(added.spec)


def test_address_of_an_archive_is_unpacked(source: Path, served: Path, address: str) -> None:
    with tarfile.open(served / "elmo.tar.gz", "w:gz") as archive:
        archive.add(source, "elmo")
    assert _add(f"{address}elmo.tar.gz").spec.fingerprint == elmo.read_spec(source).fingerprint


def test_second_try_goes_on_with_what_the_first_one_fetched(
    source: Path, served: Path, address: str, home: Path
) -> None:
    shutil.copy(source / "options.json", served / "options.json")
    with pytest.raises(EmbedderUnavailable, match="404"):
        _add(f"{address}weights.hdf5")
    assert [file.name for file in (home / "downloads").glob("*/*.json")] == ["options.json"]
    (served / "options.json").unlink()
    shutil.copy(source / "weights.hdf5", served / "weights.hdf5")
    assert _add(f"{address}weights.hdf5").spec.name == "mine"


def test_download_that_turns_out_to_be_something_else_is_not_kept(
    source: Path, served: Path, address: str, home: Path
) -> None:
    (served / "options.json").write_text("<html>please sign in</html>")
    shutil.copy(source / "weights.hdf5", served / "weights.hdf5")
    with pytest.raises(EmbedderUnavailable, match="is not JSON"):
        _add(f"{address}weights.hdf5")
    shutil.copy(source / "options.json", served / "options.json")
    assert _add(f"{address}weights.hdf5").spec.name == "mine"


def test_module_is_fetched_by_its_handle_whose_secrets_stay_secret(
    served: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "MODULE_HOSTS", ("127.0.0.1",))
    with tarfile.open(served / "nnlm", "w:gz") as archive:
        archive.add(write_bag_of_words(tmp_path / "nnlm"), ".")
    spec = _add(f"{address}nnlm?token=hunter2").spec
    assert (spec.kind, spec.config["source"]) == ("module", f"{address}nnlm")
    assert "hunter2" not in "".join(file.read_text() for file in Path(spec.directory).glob("*.json"))


@pytest.mark.parametrize("name", ["small", "https://tfhub.dev/google/elmo/3"])
def test_without_a_network_it_says_what_to_fetch_elsewhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
        monkeypatch.setenv(proxy.upper(), "http://127.0.0.1:9")
    with pytest.raises(EmbedderUnavailable) as refusal:
        _add(name)
    told = f"{refusal.value} {refusal.value.hint}"
    assert "tagdb embedder add" in told
    assert ("_options.json" if name == "small" else "tf-hub-format=compressed") in told
