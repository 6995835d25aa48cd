"""One file on a web server: asked for whole or from a byte on, with errors in which no secret of its URL shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses

import requests
import urllib3

from tagdb import config
from tagdb.errors import EmbedderUnavailable
from tagdb.fetch.address import Session, holds_secrets, public_form

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 64 * 1024
_BODY_BYTES = 2048
_NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_ANSWERS_TO_RANGES = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
_ASK_ELSEWHERE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_REASONS = {
    requests.exceptions.InvalidURL: "there can be no such host",
    requests.exceptions.TooManyRedirects: "it redirects without end",
}


class ConnectionCut(Exception):
    """The connection ended before the file did; it may go on where it was."""


@dataclass(frozen=True)
class Answer:
    """What a server sends of a file: `chunks` begin at byte `start` of `total` (None where it does not say).

    `validator` names the version of the file in an If-Range header (RFC 9110, section 13.1.5), None where nothing does.
    """

    start: int
    total: int | None
    validator: str | None
    chunks: Iterator[bytes]


class RemoteFile:
    """A file at an HTTP(S) address.

    Attributes
    ----------
    place : the address without user, password, query and fragment, for messages
    """

    def __init__(self, url: str, elsewhere: str) -> None:
        self.place = public_form(url)
        self._url = url
        self._fetch_elsewhere = f"on a machine with a network fetch {self.place}, then: {elsewhere}"
        self._answered = False

    @contextmanager
    def open(self, start: int, validator: str | None) -> Iterator[Answer]:
        """Ask for the file from byte `start` on, if it still is the version that `validator` names, else for all of it.

        Raises
        ------
        ConnectionCut : the connection broke, here or while the chunks are read
        EmbedderUnavailable : there is no such server, or it does not give the file
        """
        with Session(self.place) as session:
            response = self._get(session, start, validator)
            if response.status_code in _ANSWERS_TO_RANGES and not _continues(response, start, validator):
                response.close()
                response = self._get(session)
            with response:
                yield self._answer(response)

    def _get(self, session: Session, start: int = 0, validator: str | None = None) -> requests.Response:
        # Compression on the way would give bytes that are not the file's.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"tagdb/{config.VERSION}"}
        if start and validator:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        try:
            response = session.get(
                self._url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
            )
        except _NETWORK_ERRORS as error:
            reason = _reason(error)
        else:
            self._answered = True
            return response
        if self._answered:
            raise ConnectionCut(reason)
        raise EmbedderUnavailable(f"{self.place} cannot be reached: {reason}", hint=self._fetch_elsewhere)

    def _answer(self, response: requests.Response) -> Answer:
        chunks, validator = _chunks(response), _validator(response)
        if response.status_code == HTTPStatus.OK:
            return Answer(0, _content_length(response), validator, chunks)
        content_range = _content_range(response)
        if response.status_code == HTTPStatus.PARTIAL_CONTENT and content_range and "Range" in response.request.headers:
            return Answer(*content_range, validator, chunks)
        raise self._refusal(response)

    def _refusal(self, response: requests.Response) -> EmbedderUnavailable:
        status = response.status_code
        if status in _ASK_ELSEWHERE:
            hint = self._fetch_elsewhere
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            hint = "run the same command again later"
        else:
            hint = "check the address"
        said = f"{self.place} answered {status} {responses.get(status, '')}".rstrip()
        # A page about an error likes to repeat the address it was asked for.
        if not (holds_secrets(self._url) or holds_secrets(response.url)) and (body := _one_line(response)):
            said += f": {body}"
        return EmbedderUnavailable(said, hint=hint)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        # Undecoded: some servers call a .tar.gz a .tar that they compressed, and it would be inflated here.
        yield from response.raw.stream(_CHUNK_BYTES, decode_content=False)
    except _NETWORK_ERRORS as error:
        raise ConnectionCut(_reason(error)) from None


def _continues(response: requests.Response, start: int, validator: str | None) -> bool:
    """Whether these are the bytes asked for: some servers ignore If-Range, and some where to begin."""
    content_range = _content_range(response)
    return content_range is not None and content_range[0] == start and _validator(response) in (validator, None)


def _content_range(response: requests.Response) -> tuple[int, int | None] | None:
    """Return the first byte that is sent, and the size of the whole file."""
    given = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return given and (int(given[1]), None if given[2] == "*" else int(given[2]))


def _content_length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _validator(response: requests.Response) -> str | None:
    """Return the strong ETag, else the date of the last change; a weak ETag may stand for different bytes."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def _one_line(response: requests.Response) -> str:
    try:
        body = response.raw.read(_BODY_BYTES, decode_content=False).decode(errors="replace")
    except _NETWORK_ERRORS:
        return ""
    words = re.sub(r"<[^>]*>", " ", body).split()
    return "".join(character for character in " ".join(words) if character.isprintable())[:200]


def _reason(error: BaseException) -> str:
    """Return what the system said below all the libraries, which put the URL into their own messages."""
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "it does not answer in time"
        # A proxy that refuses is an OSError with a text only.
        if isinstance(cause, OSError) and (said := cause.strerror or (str(cause) if type(cause) is OSError else "")):
            return said
        cause = cause.__context__
    return "the connection broke off"
