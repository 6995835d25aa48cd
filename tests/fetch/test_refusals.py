"""What is said when a file cannot be fetched: why, what to type next, and no secret of its address."""

from __future__ import annotations

import socket
import traceback
from pathlib import Path

import pytest
import requests
import urllib3

from tagdb.errors import EmbedderUnavailable
from tagdb.fetch.address import Session
from tagdb.fetch.download import download
from tests.fetch.reporting import Recorder
from tests.fetch.server import Site

SECRET = "s3cret"
ELSEWHERE = "tagdb embedder add mine FILE"


def failure(url: str, path: Path) -> tuple[EmbedderUnavailable, str]:
    """Return how a download fails, and everything that could be shown of it."""
    recorder = Recorder()
    with pytest.raises(EmbedderUnavailable) as failed:
        download(url, path / "weights.bin", recorder, elsewhere=ELSEWHERE)
    lines = traceback.format_exception(failed.value)
    return failed.value, f"{failed.value.hint} {recorder.said} {recorder.steps} {''.join(lines)}"


def with_secrets(url: str) -> str:
    return url.replace("http://", f"http://alice:{SECRET}@") + f"?token={SECRET}#{SECRET}"


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (401, "401 Unauthorized", "on a machine with a network fetch {url}, then: " + ELSEWHERE),
        (403, "403 Forbidden", "on a machine with a network fetch {url}, then: " + ELSEWHERE),
        (404, "404 Not Found", "check the address"),
        (416, "416 Requested Range Not Satisfiable", "check the address"),
        (429, "429 Too Many Requests", "run the same command again later"),
        (500, "500 Internal Server Error", "run the same command again later"),
        (503, "503 Service Unavailable", "run the same command again later"),
        (599, "599", "run the same command again later"),
        (206, "206 Partial Content", "check the address"),
        (204, "204 No Content", "check the address"),
    ],
)
def test_refusal_of_the_server_is_told_with_what_to_do(
    site: Site, tmp_path: Path, status: int, said: str, hint: str
) -> None:
    site.status = status
    error, _ = failure(site.url, tmp_path)
    assert str(error) == f"{site.url} answered {said}"
    assert error.hint == hint.format(url=site.url)
    assert not (tmp_path / "weights.bin").exists()


def test_words_of_the_server_are_told_in_one_short_plain_line(site: Site, tmp_path: Path) -> None:
    site.status = 403
    site.page = "<html>\n<h1>Sorry</h1>\x1b[31m <p class='x'>gated\n model</p>" + " more" * 1000
    message = str(failure(site.url, tmp_path)[0])
    assert message.startswith(f"{site.url} answered 403 Forbidden: Sorry [31m gated model more more")
    assert len(message) < 300
    assert message.isprintable()


def test_no_server_is_told_with_the_way_around(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{unused.getsockname()[1]}/weights.bin"
        error, shown = failure(with_secrets(place), tmp_path)
    assert str(error) == f"{place} cannot be reached: Connection refused"
    assert error.hint == f"on a machine with a network fetch {place}, then: {ELSEWHERE}"
    assert SECRET not in shown


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 300 + ".invalid"])
def test_host_that_does_not_exist_is_told(tmp_path: Path, host: str) -> None:
    error, shown = failure(with_secrets(f"http://{host}/weights.bin"), tmp_path)
    assert str(error).startswith(f"http://{host}/weights.bin cannot be reached: ")
    assert SECRET not in shown


def test_secrets_are_sent_and_never_shown(site: Site, tmp_path: Path) -> None:
    url = with_secrets(site.url)
    site.page = f"no such thing as {url}"
    shown = []
    for status in (403, 404, 500):
        site.status = status
        shown.append(failure(url, tmp_path)[1])
    site.status, site.cuts = 200, [300_000, 0, 0, 0]
    shown.append(failure(url, tmp_path)[1])
    note = (tmp_path / "weights.bin.part.json").read_text()
    site.status, site.location = 403, site.url.replace("/files/", "/moved/")
    shown.append(failure(url, tmp_path)[1])
    site.location = f"ftp://bob:{SECRET}@127.0.0.1/?{SECRET}"
    shown.append(failure(url, tmp_path)[1])
    assert SECRET not in "".join([*shown, note])
    path, headers = site.requests[0]
    assert path == f"/files/weights.bin?token={SECRET}"
    assert headers["authorization"].startswith("Basic ")


def test_secrets_of_a_redirect_are_not_shown(site: Site, tmp_path: Path) -> None:
    site.location = site.url.replace("/files/", "/signed/") + f"?signature={SECRET}"
    site.status, site.page = 403, f"no right to {site.location}"
    error, shown = failure(site.url, tmp_path)
    assert str(error) == f"{site.url} answered 403 Forbidden"
    assert SECRET not in shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "weights.bin",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.com/weights.bin",
        f"alice:{SECRET}@example.com/weights.bin",
        "http://",
        "http:///weights.bin",
        f"http://alice:{SECRET}@/weights.bin",
        f"http://alice:{SECRET}@example.com:none/",
        f"http://alice:{SECRET}@example.com:99999/",
        f"http://alice:{SECRET}",
        f"http://alice:1/{SECRET}@example.com/weights.bin",
        f"http://alice:1?{SECRET}@example.com/weights.bin",
        f"http://alice:1#{SECRET}@example.com/weights.bin",
        f"http://alice:{SECRET}@[::1/weights.bin",
    ],
)
def test_address_that_is_none_is_refused_before_anything_is_written(tmp_path: Path, url: str) -> None:
    error, shown = failure(url, tmp_path)
    assert str(error) == "the address cannot be read as http(s)://HOST/PATH"
    assert error.hint
    assert SECRET not in shown
    assert not list(tmp_path.iterdir())


def test_redirect_is_followed_with_the_range_and_without_the_password(site: Site, tmp_path: Path) -> None:
    site.location = site.url.replace("/files/", "/moved/").replace("127.0.0.1", "localhost")
    site.cuts = [500_000]
    download(with_secrets(site.url), tmp_path / "weights.bin", Recorder())
    assert (tmp_path / "weights.bin").read_bytes() == site.content
    assert [path.partition("?")[0] for path, _ in site.requests] == ["/files/weights.bin", "/moved/weights.bin"] * 2
    assert ["authorization" in headers for _, headers in site.requests] == [True, False] * 2
    assert site.ranges[3] is not None


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/weights.bin", "http://[::1/weights.bin"])
def test_redirect_to_anything_but_the_web_is_refused(site: Site, tmp_path: Path, location: str) -> None:
    site.location = location
    error, _ = failure(site.url, tmp_path)
    assert f"{site.url} leads from http on to " in str(error)
    assert len(site.requests) == 1


def test_redirect_in_a_circle_is_given_up(site: Site, tmp_path: Path) -> None:
    site.location = site.url
    assert "cannot be reached: it redirects without end" in str(failure(site.url, tmp_path)[0])


def test_redirect_never_leaves_an_encrypted_connection() -> None:
    response = requests.Response()
    response.raw = urllib3.HTTPResponse()
    response.url, response.status_code = "https://example.com/a/weights.bin", 302
    with Session("https://example.com/a/weights.bin") as session:
        for location in ("https://cdn.example.com/b", "//cdn.example.com/b", "/b", "b"):
            response.headers["Location"] = location
            assert session.get_redirect_target(response) == location
        response.headers["Location"] = "http://cdn.example.com/b"
        with pytest.raises(EmbedderUnavailable, match="leads from https on to http, which is not followed"):
            session.get_redirect_target(response)
