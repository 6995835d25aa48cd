"""What extractors of the starter corpus share: the entry they yield, the files they read, how markup is stripped."""

from __future__ import annotations

import gzip
import html
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ARCHIVES = {".zip", ".jar"}


@dataclass(frozen=True)
class Entry:
    """What `name` is, as `text` says in one or more sentences; `where` is the path or namespace it was found at."""

    where: str
    name: str
    text: str


Extractor = Callable[[Path, re.Pattern[str]], Iterator[Entry]]


def matching_files(root: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the path below `root` and the contents of each file whose path matches, gzip undone, in sorted order."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        place = path.relative_to(root).as_posix()
        if path.suffix in ARCHIVES:
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if pattern.search(f"{place}/{member}"):
                        yield f"{place}/{member}", archive.read(member)
        elif pattern.search(place):
            contents = path.read_bytes()
            yield place, gzip.decompress(contents) if path.suffix == ".gz" else contents


def texts(root: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield what matching_files does, decoded."""
    for place, contents in matching_files(root, pattern):
        yield place, contents.decode("utf-8", "replace")


def plain(markup: str) -> str:
    """Strip HTML, Javadoc, Markdown, reStructuredText and RDoc marks; keep the words."""
    text = re.sub(r"<(pre|code class|listing)\b.*?</\1>", " ", markup, flags=re.DOTALL)
    text = re.sub(r"\{@\w+\s+(?:[\w.]*#)?([^{}]*)\}", r"\1", text)
    text = re.sub(r"</?[A-Za-z][^<>]*>", " ", text)
    text = html.unescape(text)
    text = re.sub(r"!?\[([^\[\]]+)\](?:\([^()]*\)|\[[^\[\]]*\])", r"\1", text)
    text = re.sub(r":[\w:]+:`~?([^`<]+?)(?:\s*<[^`]*>)?`", r"\1", text)
    text = re.sub(r"\*\*|``|`|(?<!\w)[+*_](?=\w[^\s]*[+*_](?!\w))|(?<=\w)[+*_](?!\w)", "", text)
    text = re.sub(r"\\[a-z]+ |@(?:brief|ref|c|p|a) ", "", text)
    return " ".join(text.split())
