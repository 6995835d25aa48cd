"""Builds a corpus of short technical lines with pseudo-tags from the documentation of open-source packages.

    python benchmarks/starter_corpus.py OUTPUT_FOLDER [--packages FOLDER]

Question titles name APIs; so do documentation and source comments, and a package's subject implies the tags a question
about it would carry. Packages come from Debian and npm through their ordinary clients (`apt-get download`, `npm pack`);
what cannot be had, or whose licence is not the one expected, is reported and left out. Writes OUTPUT/questions.csv.gz,
which `tagdb import` reads, and OUTPUT/sources.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from corpus_entries import Entry
from corpus_sources import SOURCES, TOPICS, Rules, Source

SEED = 20
# Beyond the ids of real questions, which may stand in the same table.
FIRST_ID = 1_000_000_001
FEWEST_WORDS, MOST_WORDS, MOST_TAGS = 3, 20, 5
# What a licence's text or name says, by the first part of its SPDX identifier.
LICENCE_MARKS = {
    "Apache": r"\bApache(?:-2| License|,? Version 2|\b.{0,20}2\.0)",
    "Artistic": r"\bArtistic\b",
    "BSD": r"\bBSD\b|Redistribution and use in source",
    "CC": r"\bCC-BY|Creative Commons Attribution",
    "CDDL": r"\bCDDL\b",
    "EPL": r"\bEPL\b|Eclipse Public License",
    "GFDL": r"\bGFDL\b|Free Documentation License",
    "GPL": r"\bGPL\b|GNU General Public License",
    "LGPL": r"\bLGPL\b|(?:Lesser|Library) General Public License",
    "MIT": r"\bMIT\b|\bExpat\b|Permission is hereby granted, free of charge",
    "PSF": r"\bPSF\b|(?i:Python Software Foundation License)",
    "PostgreSQL": r"License: PostgreSQL",
    "blessing": r"(?i)public[ -]domain",
}
NOT_PROSE = re.compile(
    r"copyright|licen[sc]e[ds]?\b|warrant|https?:|www\.|<\?|[{}|\\]|==|=>|;.*;|\bTODO\b|@\w+ \w+ @|"
    r"^(?:see also|note|returns?|example|examples|parameters|arguments|previous|next|up|home|contents|index)\W*$|"
    r"^see |cppreference|ruby-core|is documented in|version-independent|[-+] \(\w|@protected|@private|"
    r"description forthcoming|standards: |table of contents|documentation is copied|automatically generated|inheritdoc",
    re.IGNORECASE,
)
BREAK = re.compile(
    r"(?i)^(?:that|which|and|or|when|if|for|with|by|as|but|because|where|while|unless|so|in|on|to|from)$"
)
TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\xa0": " "})


class NotToBeHad(Exception):
    """A package that could not be downloaded or read, or whose licence is another than expected."""


@dataclass(frozen=True)
class Package:
    """A package unpacked: its files, version, and what it says of its licence."""

    root: Path
    version: str
    licence_text: str


def main() -> None:
    """Fetch, read and write; print a line a source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--packages", type=Path, help="where packages are kept between runs (default: temporary)")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tagdb-corpus-") as temporary:
        lines, records = build(arguments.packages or Path(temporary))
    write_questions(arguments.output / "questions.csv.gz", lines)
    write_whole(arguments.output / "sources.json", (json.dumps(records, indent=1) + "\n").encode())
    print(f"{len(lines):,} lines, {sum(len(line.split()) for line in lines):,} tokens")


def build(packages: Path) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
    """Return the tags of every line, in a seeded random order, and a record of every source."""
    corpus: dict[str, list[str]] = {}
    records = []
    for source in SOURCES:
        try:
            package = fetch(source.registry, source.package, packages)
            check_licence(source, package)
            found = {line: tags for line, tags in tagged_lines(source, package.root) if line not in corpus}
        except (NotToBeHad, OSError, subprocess.SubprocessError) as problem:
            print(f"{source.package}: left out: {problem}", file=sys.stderr)
            continue
        chosen = random.Random(SEED).sample(sorted(found), min(source.most, len(found)))
        corpus |= {line: found[line] for line in chosen}
        records.append(record_of(source, package.version, chosen))
        print(f"{source.package} {source.extract.__name__}: {len(chosen):,} of {len(found):,} lines", flush=True)
    order = list(corpus)
    random.Random(SEED).shuffle(order)
    return {line: corpus[line] for line in order}, records


def record_of(source: Source, version: str, lines: list[str]) -> dict[str, Any]:
    """What sources.json says of a source."""
    return {
        "package": source.package,
        "version": version,
        "registry": source.registry,
        "licence": source.licence,
        "files": source.pattern,
        "tags": source.tags.split(),
        "lines": len(lines),
        "tokens": sum(len(line.split()) for line in lines),
    }


@cache
def fetch(registry: str, name: str, packages: Path) -> Package:
    """Download a package unless it is there, unpack it, and read its version and licence."""
    folder = packages / registry / re.sub(r"\W+", "-", name).strip("-")
    archives = folder / "archive"
    if not (folder / "files").is_dir():
        archives.mkdir(parents=True, exist_ok=True)
        client = ["apt-get", "download", name] if registry == "debian" else ["npm", "pack", "--silent", name]
        done = subprocess.run(client, cwd=archives, capture_output=True, text=True, check=False)
        if done.returncode or not any(archives.iterdir()):
            raise NotToBeHad(f"{' '.join(client)} failed")
        unpack(next(archives.iterdir()), folder / "files")
    if registry == "debian":
        version = urllib.parse.unquote(next(archives.iterdir()).name).split("_")[1]
        return Package(folder / "files", version, debian_licence(name, folder / "files", packages))
    described = json.loads(next((folder / "files").glob("*/package.json")).read_text())
    return Package(folder / "files", described["version"], str(described.get("license", "")))


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .deb or .tgz whole, or leave nothing."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        if archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", str(archive), temporary], check=True)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(temporary, filter="data")
        partial = Path(temporary)
        (partial / "unpacked").mkdir()
        for item in [item for item in partial.iterdir() if item.name != "unpacked"]:
            item.rename(partial / "unpacked" / item.name)
        (partial / "unpacked").rename(folder)


def debian_licence(name: str, root: Path, packages: Path) -> str:
    """Return the copyright file of a Debian package; where that is a link to another package's, of that one."""
    place = root / "usr" / "share" / "doc" / name
    if place.is_symlink():
        return fetch("debian", place.readlink().name, packages).licence_text
    copyrights = sorted(place.glob("copyright*"))
    if not copyrights:
        raise NotToBeHad("it has no copyright file")
    contents = copyrights[0].read_bytes()
    return (gzip.decompress(contents) if copyrights[0].suffix == ".gz" else contents).decode("utf-8", "replace")


def check_licence(source: Source, package: Package) -> None:
    """Raise NotToBeHad unless what the package says of its licence names each licence expected."""
    for expected in re.split(r" (?:OR|AND|WITH) ", source.licence):
        family = expected.split("-")[0]
        if family in LICENCE_MARKS and not re.search(LICENCE_MARKS[family], package.licence_text):
            raise NotToBeHad(f"its licence is not {source.licence}")


def tagged_lines(source: Source, root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of a source with their tags."""
    for entry in source.extract(root, re.compile(source.pattern)):
        fixed = [*source.tags.split(), *implied(source.more, entry.where)]
        for line in lines_of(entry):
            yield line, list(dict.fromkeys([*fixed, *implied(TOPICS, line)]))[:MOST_TAGS]


def implied(rules: Rules, text: str) -> list[str]:
    """Return the tags of all rules whose pattern the text holds, whatever its case."""
    return [tag for pattern, tags in rules if re.search(pattern, text, re.IGNORECASE) for tag in tags.split()]


def lines_of(entry: Entry) -> Iterator[str]:
    """Yield an entry's sentences as lines of 3 to 20 words, the first preceded by the entry's name."""
    text = entry.text.translate(TYPOGRAPHY)
    for index, sentence in enumerate(re.split(r"(?<=[.!?])\s+(?=[A-Z\"'(])", text)):
        words = sentence.split()
        if index == 0 and entry.name and words:
            lowered = words[0].lower() if re.fullmatch(r"[A-Z][a-z]+[,.]?", words[0]) else words[0]
            words = words if words[0] == entry.name else [*as_typed(entry.name).split(), lowered, *words[1:]]
        line = " ".join(shortened(words)).rstrip(".,;: ").strip()
        readable = line.isascii() and line.isprintable() and not NOT_PROSE.search(line)
        if readable and line.count(" ") >= FEWEST_WORDS - 1 and re.search(r"[a-z]{3}", line):
            yield line


def as_typed(name: str) -> str:
    """Write `Class.method` in one of the ways people do: whole, in two words, as a call, or the method alone."""
    joined = re.fullmatch(r"(?:.*[.:#])?(\w[\w<>$]*)(?:\.|::|#)([\w$?!]+)", name)
    ways = [name, name, f"{joined[1]} {joined[2]}", f"{joined[2]}()", joined[2]] if joined else [name]
    return ways[zlib.crc32(name.encode()) % len(ways)]


def shortened(words: list[str]) -> list[str]:
    """Cut a long sentence where it pauses; return nothing where it does not."""
    if len(words) <= MOST_WORDS:
        return words
    for end in range(MOST_WORDS, FEWEST_WORDS + 3, -1):
        if words[end - 1].endswith((",", ";", ":", ")")) or BREAK.match(words[end]):
            return words[:end]
    return []


def write_questions(path: Path, lines: dict[str, list[str]]) -> None:
    """Write id, title and tags (`<java><swing>`), the same bytes for the same lines."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
        rows = ["id,title,tags\n"]
        for number, (line, tags) in enumerate(lines.items(), FIRST_ID):
            rows.append(f"{number},{quoted(line)},{''.join(f'<{tag}>' for tag in tags)}\n")
        packed.write("".join(rows).encode())
    partial.replace(path)


def quoted(field: str) -> str:
    """Return a field of a CSV file, quoted."""
    return '"' + field.replace('"', '""') + '"'


def write_whole(path: Path, contents: bytes) -> None:
    """Write a file in one step."""
    partial = path.with_suffix(".part")
    partial.write_bytes(contents)
    partial.replace(path)


if __name__ == "__main__":
    main()
