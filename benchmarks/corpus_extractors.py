"""Reads names and short prose about them out of documentation, one function for each format.

Every extractor takes a folder and a pattern of paths in it (members of archives count as `file.zip/member`) and yields
entries. It knows one notation and no particular package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from corpus_entries import Entry, matching_files, plain, texts

SKIPPED_ELEMENTS = {"script", "style", "pre", "nav", "header", "footer", "table", "svg", "title"}
BLOCK_ELEMENTS = {"p", "li", "dt", "dd", "div", "td", "br", "section", "body", "ul", "ol", "dl", "blockquote"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "dt"}


class _Prose(HTMLParser):
    """Collects (heading, paragraph) pairs; a heading names the first paragraph after it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.paragraphs: list[tuple[str, str]] = []
        self._heading = ""
        self._words: list[str] = []
        self._skipped = 0
        self._element = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a block."""
        if tag in BLOCK_ELEMENTS or tag in HEADINGS or tag in SKIPPED_ELEMENTS:
            self._flush()
            self._element = tag
        if tag in SKIPPED_ELEMENTS:
            self._skipped += 1
        identifier = dict(attrs).get("id") or ""
        if tag == "dt" and re.fullmatch(r"[\w.]*\.[\w.]+", identifier):
            self._heading = identifier

    def handle_endtag(self, tag: str) -> None:
        """End a block."""
        if tag in HEADINGS:
            text = " ".join("".join(self._words).split())
            self._words = []
            self._heading = self._heading if tag == "dt" and self._heading else text
        elif tag in BLOCK_ELEMENTS or tag in SKIPPED_ELEMENTS:
            self._flush()
        if tag in SKIPPED_ELEMENTS:
            self._skipped = max(0, self._skipped - 1)

    def handle_data(self, data: str) -> None:
        """Keep the words of a block that is not skipped."""
        if self._element == "title" and self._skipped and not self.title:
            self.title = data.strip()
        if not self._skipped:
            self._words.append(data)

    def _flush(self) -> None:
        text = " ".join("".join(self._words).split())
        self._words = []
        if text:
            self.paragraphs.append((self._heading, text))
            self._heading = ""


def _called_name(heading: str) -> str:
    """The function, class or command a heading is about; nothing where it is an ordinary title."""
    call = re.search(r"([\w.:~$@-]*\w)\s*\(", heading)
    if call:
        return call[1]
    return heading if re.fullmatch(r"\S*[\w>]", heading) and re.search(r"[a-z]", heading) else ""


def html_prose(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Headings that read as titles, and paragraphs under the name their heading gives."""
    for place, text in texts(root, pattern):
        parser = _Prose()
        parser.feed(text)
        for heading, paragraph in parser.paragraphs:
            yield Entry(place, _called_name(heading), paragraph)
            if heading and not _called_name(heading):
                yield Entry(place, "", heading)


def html_titled(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """The first whole sentences of each page, under its title up to a dash."""
    for place, text in texts(root, pattern):
        parser = _Prose()
        parser.feed(text)
        name = re.split(r"\s[-–|]\s", parser.title)[0]
        sentences = [paragraph for _, paragraph in parser.paragraphs if re.match(r"[A-Z].{20,}[.:]", paragraph)]
        for sentence in sentences[:4]:
            yield Entry(place, name.split(",")[0], sentence)


def javadoc_html(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Members of generated Javadoc pages: `Class.method` and its description."""
    member = re.compile(r"<h[34]>(\w+)</h[34]>(.{0,1500}?)<div class=\"block\">(.*?)</div>", re.DOTALL)
    for place, text in texts(root, pattern):
        name = Path(place).stem
        about = re.search(r"<div class=\"block\">(.*?)</div>", text, re.DOTALL)
        if about and re.fullmatch(r"[A-Z][\w.]*", name):
            yield Entry(place, name, plain(about[1]))
            for called, between, block in member.findall(text):
                if "<h3>" not in between and "<h4>" not in between:
                    yield Entry(place, called if called == name else f"{name}.{called}", plain(block))


def markdown(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Headings and paragraphs of Markdown, code left out."""
    for place, text in texts(root, pattern):
        body = re.sub(r"\A---.*?^---|```.*?```|\{\{.*?\}\}", "", text, flags=re.DOTALL | re.MULTILINE)
        for block in re.split(r"\n\s*\n|\n(?=[-*] )", body):
            if not block.startswith(("<", "    ", "|")):
                yield Entry(place, "", plain(block.lstrip("#-* ")))


def pod(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Paragraphs of Perl's plain old documentation."""
    for place, text in texts(root, pattern):
        for paragraph in re.split(r"\n\s*\n", re.sub(r"X<+[^<>]*>+", "", text)):
            if not paragraph.startswith((" ", "\t", "=")):
                yield Entry(place, "", plain(re.sub(r"[A-Z]<+ ?([^<>]*?) ?>+", r"\1", paragraph)))


def _marshalled_strings(contents: bytes) -> Iterator[str]:
    """The strings of a Ruby Marshal dump (format 4.8): `"`, a packed length, the bytes."""
    for found in re.finditer(b'"', contents):
        at = found.end()
        first = contents[at] if at < len(contents) else 0
        if first in (1, 2):
            length = int.from_bytes(contents[at + 1 : at + 1 + first], "little")
            start = at + 1 + first
        else:
            length, start = first - 5, at + 1
        if length > 3 and start + length <= len(contents):
            yield contents[start : start + length].decode("utf-8", "replace")


def ri(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Ruby's `ri` documents: the first sentences of each class and method."""
    for place, contents in matching_files(root, pattern):
        *_, owner, file = place.split("/")
        method = re.match(r"(.+)-([ic])\.ri$", file)
        name = owner
        if method:
            called = re.sub(r"%([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), method[1])
            name = f"{owner}{'#' if method[2] == 'i' else '.'}{called}"
        prose = [text for text in _marshalled_strings(contents) if re.match(r"[A-Z][\w']* [a-z<+]", text)]
        for text in prose[: 2 if method else 6]:
            yield Entry(place, name, plain(text))
            name = ""


def man_pages(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """The NAME line of a manual page, and the sentences of its description."""
    for place, roff in texts(root, pattern):
        text = re.sub(r"^\.(?:EX|nf)\b.*?^\.(?:EE|fi)\b[^\n]*", "", roff, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r'^[.\'](?:B|I|BR|IR|RB|BI|IB|RI)\s+"?', "", text, flags=re.MULTILINE)
        text = re.sub(r"\\f.|\\[&|^%/,]|\\s[-+]?\d", "", text).replace("\\-", "-").replace("\\(aq", "'")
        sections = re.split(r"^\.S[HS]\s+\"?([^\n\"]+)\"?\n", text, flags=re.MULTILINE)
        name = Path(place).name.split(".")[0]
        for title, body in zip(sections[1::2], sections[2::2], strict=False):
            for paragraph in re.split(r"^[.'][^\n]*\n", body, flags=re.MULTILINE):
                if title.strip() == "NAME":
                    yield Entry(place, "", plain(paragraph.replace(" - ", " ")))
                elif title.strip() in {"DESCRIPTION", "RETURN VALUE", "NOTES", "ERRORS"}:
                    yield Entry(place, name, plain(re.sub(r'"| (?=[().,;])', "", paragraph)))


def ecma_xml(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Types and members of the .NET class library in ECMA documentation XML; `where` is the namespace and type."""
    for _, contents in matching_files(root, pattern):
        try:
            tree = ET.fromstring(contents.decode("utf-8-sig"))
        except (ET.ParseError, UnicodeDecodeError):
            continue
        if tree.tag != "Type":
            continue
        full, name = tree.get("FullName", ""), tree.get("Name", "")
        yield Entry(full, full if len(full) < 40 else name, _summary(tree))
        for member in tree.iter("Member"):
            called, about = member.get("MemberName", ""), _summary(member)
            if called != ".ctor":
                yield Entry(full, f"{name}.{called}", about)
            elif " class " in about:  # more than that it "initializes a new instance of the class"
                yield Entry(full, f"new {name}", about.split(" class ", 1)[1])


def _summary(element: ET.Element) -> str:
    summary = element.find("Docs/summary")
    if summary is None:
        return ""
    for see in summary.iter():
        reference = see.get("cref") or see.get("langword") or see.get("name") or ""
        if reference and not see.text:
            see.text = reference.split(":")[-1].split("(")[0].split(".")[-1].split("`")[0]
    text = " ".join("".join(summary.itertext()).split())
    return "" if text.startswith("To be added") or "infrastructure" in text else re.sub(r" (?=[.,;])", "", text)


def json_names(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Nested JSON documentation: any object with a name (or `textRaw`) and a description."""
    for place, text in texts(root, pattern):
        yield from _described(json.loads(text), place, "")


def _described(node: Any, place: str, owner: str) -> Iterator[Entry]:
    if isinstance(node, list):
        for item in node:
            yield from _described(item, place, owner)
    if not isinstance(node, dict):
        return
    description = node.get("description") or node.get("desc") or ""
    if isinstance(description, dict):
        description = description.get("value", "")
    description = description if isinstance(description, str) else ""
    called = str(node.get("textRaw") or node.get("name") or "")
    call = re.search(r"([\w.$]+)\(", called)
    name = call[1] if call else called.strip("` ") if re.fullmatch(r"[`@:\w.-]+", called) else ""
    outer = f"{owner} {name}".strip() if "textRaw" not in node else name
    if description:
        yield Entry(place, outer, plain(description.split("</p>")[0]))
    for value in node.values():
        if isinstance(value, list):
            yield from _described(value, place, outer if "textRaw" not in node else "")


def sql_help(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """MariaDB's help topics: the sentences of each description, under the topic's name."""
    topic = re.compile(r"(?i)insert into help_topic [^']*'((?:[^'\\]|\\.)*)',\s*'((?:[^'\\]|\\.)*)'")
    for place, text in texts(root, pattern):
        for name, body in topic.findall(text):
            prose = body.replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"')
            for paragraph in re.split(r"\n\s*\n", prose):
                if re.match(r"[A-Z][\w()'`]* [A-Za-z(`]", paragraph) and not re.match(r"URL|Syntax", paragraph):
                    yield Entry(place, name.replace("\\", ""), plain(paragraph))


def index_lines(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """R's INDEX files: a name, at least two spaces, what it is for (continued on indented lines)."""
    for place, text in texts(root, pattern):
        for found in re.finditer(r"^(\S+)[ \t\n]+(\S[^\n]*(?:\n[ \t]+\S[^\n]*)*)", text, re.MULTILINE):
            yield Entry(place, found[1], " ".join(found[2].split()))
