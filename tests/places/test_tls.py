"""TLS on the way: verified to the full it carries the whole loop, and what is wrong with it is said."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.running import tagdb
from tests.places.conftest import needs_pgbouncer
from tests.places.dba import DbaServer, pooler
from tests.places.loop import whole_loop

pytestmark = [
    needs_pgbouncer,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


@dataclass(frozen=True)
class Encrypted:
    """A way to a database through TLS alone, and the certificate that it shows."""

    url: str
    certificate: Path


def _certificate(folder: Path, name: str) -> Path:
    """Make a self-signed certificate for a host name."""
    folder.mkdir(exist_ok=True)
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    (folder / "key.pem").chmod(0o644)  # for the pooler, which runs as another user
    return folder / "cert.pem"


@pytest.fixture
def encrypted(dba: DbaServer, owner: str, shop: str, places: Path) -> Iterator[Encrypted]:
    """PgBouncer that takes nothing but TLS, as localhost."""
    certificate = _certificate(places / f"localhost-{shop}", "localhost")
    settings = {
        "client_tls_sslmode": "require",
        "client_tls_key_file": str(certificate.with_name("key.pem")),
        "client_tls_cert_file": str(certificate),
    }
    with pooler(dba, places / f"tls-{shop}", "session", **settings) as port:
        yield Encrypted(dba.url(owner, shop, port=port).replace("127.0.0.1", "localhost"), certificate)


def test_verified_connection_carries_the_whole_loop(encrypted: Encrypted, tiny_embedder: Path) -> None:
    whole_loop(f"{encrypted.url}?sslmode=verify-full&sslrootcert={encrypted.certificate}", tiny_embedder)


@pytest.mark.parametrize(
    ("parameters", "host", "message", "hint"),
    [
        ("sslmode=disable", "localhost", "SSL required", "TLS is wanted: sslmode=require"),
        ("sslmode=verify-full&sslrootcert={other}", "localhost", "certificate verify failed", "sslrootcert=FILE"),
        ("sslmode=verify-full&sslrootcert=/none", "localhost", 'root certificate file "/none" does not', "sslrootcert"),
        ("sslmode=verify-full&sslrootcert={own}", "127.0.0.1", "does not match host name", "as its certificate does"),
    ],
)
def test_what_is_wrong_with_tls_is_said(
    encrypted: Encrypted, tmp_path: Path, parameters: str, host: str, message: str, hint: str
) -> None:
    other = _certificate(tmp_path / "other", "localhost")
    query = parameters.format(own=encrypted.certificate, other=other)
    refused = tagdb("status", "--db-url", f"{encrypted.url.replace('localhost', host)}?{query}")
    assert refused.exit_code == 3
    _, error, following = refused.stderr.splitlines()
    assert error.startswith("error: no connection to PostgreSQL")
    assert message in error
    assert hint in following


def test_server_without_tls_is_named(dba: DbaServer, owner: str, shop: str) -> None:
    refused = tagdb("status", "--db-url", dba.url(owner, shop, sslmode="require"))
    assert refused.exit_code == 3
    assert "server does not support SSL" in refused.stderr
    assert "next: the server has no TLS" in refused.stderr
