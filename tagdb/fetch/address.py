"""Addresses on the web: which ones are fetched, where they may lead on to, and how they are shown without secrets."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import requests

from tagdb.errors import EmbedderUnavailable


def public_form(url: str) -> str:
    """Return a URL without user, password, query and fragment.

    Raises
    ------
    EmbedderUnavailable : it is not of the form http(s)://HOST/PATH
    """
    try:
        parts = urlsplit(url)
        # After an unquoted "/" or "?" in a password, the rest of it would pass for a path or a query.
        misread = "@" in parts.path + parts.query + parts.fragment
        readable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not misread
    except ValueError:
        readable = False
    if not readable:
        raise EmbedderUnavailable(
            "the address cannot be read as http(s)://HOST/PATH",
            hint="write it in full; @, / and ? in a user's name, a password or a query are %40, %2F and %3F",
        )
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def holds_secrets(url: str) -> bool:
    """Whether a URL has a part that `public_form` leaves out because it may be a secret."""
    parts = urlsplit(url)
    return bool(parts.query) or "@" in parts.netloc


class Session(requests.Session):
    """Follows redirects to the web only, and never from an encrypted connection to an open one."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a response leads on to, None when it does not.

        Raises
        ------
        EmbedderUnavailable : there it is not followed to
        """
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        before = urlsplit(resp.url).scheme
        try:
            after = urlsplit(urljoin(resp.url, target)).scheme
        except ValueError:
            after = "an address that cannot be read"
        if after not in ("https", before):
            resp.close()
            raise EmbedderUnavailable(
                f"{self._place} leads from {before} on to {after}, which is not followed",
                hint="name another address of the file, one with https",
            )
        return target
