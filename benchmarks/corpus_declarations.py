"""Reads bare declarations where prose is scarce: bindings, headers, tag files and class files, as signatures."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from corpus_comments import comment_text
from corpus_entries import Entry, matching_files, texts

TYPE_NAMES = {"string": "String", "number": "int", "any": "Object", "boolean": "boolean"}
COCOA_TYPES = {"string": "NSString", "number": "NSInteger", "any": "id", "boolean": "BOOL"}
INHERITED = {"constructor", "alloc", "new", "class", "copyWithZone", "encodeWithCoder", "initWithCoder"}
SELECTOR_WORDS = r"(?:With|At|For|From|In|To|Of|By|On|Did|Will|Should|Animated|Completion|Options|Error|Using)(?![a-z])"


def typescript_names(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Members declared in TypeScript bindings of another platform, as one-line signatures in that platform's types."""
    member = re.compile(r"^\s+(?:public |static |abstract )*(\w+)\??\(([^()]*)\): ([\w.]+)")
    since = re.compile(r"@since (\d+)")
    for place, text in texts(root, pattern):
        types = COCOA_TYPES if "objc" in place else TYPE_NAMES
        space, owner, level = "", "", 0
        for line in text.splitlines():
            if module := re.match(r"\s*(?:declare|export) module ([\w.]+)", line):
                depth = len(line) - len(line.lstrip())
                space = ".".join([*space.split(".")[:depth], module[1]]) if depth else module[1]
            elif declared := re.match(r"\s*(?:declare |export |abstract )*(?:class|interface) (\w+)", line):
                owner = declared[1]
            elif found := since.search(line):
                level = int(found[1])
                continue
            elif (found := member.match(line)) and level < 24 and owner and found[1] not in INHERITED:
                names, kinds = _parameters(found[2], types)
                returned = types.get(found[3], found[3].split(".")[-1])
                tail = "" if returned in {"void", "this"} else f"returns {returned}"
                if types is COCOA_TYPES:
                    shape = " ".join([*selector_parts(found[1], names), *kinds])
                else:
                    pairs = [f"{kind} {name}" for kind, name in zip(kinds, names, strict=True)]
                    shape = f"{found[1]}({', '.join(pairs)})"
                yield Entry(f"{place}/{space}.{owner}", "", f"{owner} {shape} {tail}")
            level = 0


def _parameters(declared: str, types: dict[str, str]) -> tuple[list[str], list[str]]:
    pairs = [part.split(":", 1) for part in declared.split(", ") if ":" in part]
    kinds = [re.split(r"[<| ]", kind.strip())[0] for _, kind in pairs]
    return [name.strip(" ?") for name, _ in pairs], [types.get(kind, kind.split(".")[-1]) for kind in kinds]


def selector_parts(joined: str, parameters: list[str]) -> list[str]:
    """Undo the joining of an Objective-C selector: `tableViewDidSelectRowAtIndexPath` has two parts for two parameters.

    The joint is lost, so parts are guessed: a part begins after the first parameter's name (delegates), at a later
    parameter's name, or at a preposition, the rightmost first.
    """
    starts = [found.start() for found in re.finditer(r"(?<=[a-z0-9])[A-Z]", joined)]
    if not parameters or len(parameters) == 1:
        return [joined]
    likely = [at for at in starts if re.match(SELECTOR_WORDS, joined[at:])]
    likely += [at for at in starts if joined[at:].lower() in {name.lower() for name in parameters[1:]}]
    if joined.lower().startswith(parameters[0].lower()) and len(parameters[0]) in starts:
        likely = [len(parameters[0]), *(at for at in likely if at > len(parameters[0]))][: len(parameters) - 1]
    chosen = sorted(set(likely))[-(len(parameters) - 1) :]
    pieces = [joined[start:end] for start, end in zip([0, *chosen], [*chosen, len(joined)], strict=True)]
    return [piece[:1].lower() + piece[1:] for piece in pieces]


def objective_c_headers(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Selectors declared in Objective-C headers (`NSString stringWithFormat:`) with their types or their comment."""
    token = re.compile(
        r"@interface\s+(?:GS_GENERIC_CLASS\()?(\w+)|/\*\*(.*?)\*/|^[-+]\s*\(([^()]*)\)\s*([^;{]+);",
        re.DOTALL | re.MULTILINE,
    )
    for place, text in texts(root, pattern):
        owner, comment = "", ""
        for interface, documented, returned, signature in token.findall(text):
            if interface:
                owner, comment = interface, ""
            elif documented:
                comment = comment_text(documented)
            elif owner:
                bare = re.sub(r"\([^()]*\)", " ", signature)
                selector = "".join(re.findall(r"\w+\s*:", bare)).replace(" ", "") or bare.split()[0]
                kinds = " ".join(kind.strip(" *") for kind in re.findall(r"\(([^()]*)\)", signature))
                shape = f"{owner} {selector} {kinds} returns {returned.strip(' *')}".replace(" returns void", "")
                yield Entry(place, f"{owner} {selector}" if comment else "", comment or shape.replace("  ", " "))
                comment = ""


def tag_list(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Functions of a TagManager file: name, arguments, type and class, parted by bytes above 0xC7."""
    for place, contents in matching_files(root, pattern):
        for line in contents.split(b"\n"):
            fields = [part.decode("utf-8", "replace") for part in re.split(rb"[\xc8-\xd6]", line)]
            if len(fields) < 3 or fields[0].startswith("#"):
                continue
            shape = re.sub(r"\s+", " ", fields[2])
            owner = f"{fields[4]}::" if len(fields) > 4 else ""
            yield Entry(place, "", f"{owner}{fields[0]} {shape}" + (f" returns {fields[3]}" if len(fields) > 3 else ""))


def class_files(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Public classes of jars with their public methods, some to a line (JVM specification, chapter 4)."""
    for place, contents in matching_files(root, pattern):
        name = Path(place).stem
        methods = [method for method in _public_methods(contents) if re.fullmatch(r"[a-z]\w{3,}", method)]
        methods = list(dict.fromkeys(methods))
        package = place.split(".jar/")[-1].rsplit("/", 1)[0].replace("/", ".")
        yield Entry(place, "", f"{package}.{name}")
        for at in range(0, len(methods), 3):
            yield Entry(place, "", f"{name} {' '.join(methods[at : at + 3])}")


def _public_methods(contents: bytes) -> list[str]:
    (count,) = struct.unpack_from(">H", contents, 8)
    sizes = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
    names: dict[int, str] = {}
    at, index = 10, 1
    while index < count:
        kind = contents[at]
        if kind == 1:
            (length,) = struct.unpack_from(">H", contents, at + 1)
            names[index] = contents[at + 3 : at + 3 + length].decode("utf-8", "replace")
            at += 3 + length
        else:
            at += 1 + sizes[kind]
        index += 2 if kind in (5, 6) else 1
    (interfaces,) = struct.unpack_from(">H", contents, at + 6)
    at += 8 + 2 * interfaces
    for part in ("fields", "methods"):
        at, found = _members(contents, at, names)
        if part == "methods":
            return found
    return []


def _members(contents: bytes, at: int, names: dict[int, str]) -> tuple[int, list[str]]:
    (count,) = struct.unpack_from(">H", contents, at)
    at += 2
    public = []
    for _ in range(count):
        access, name, _, attributes = struct.unpack_from(">HHHH", contents, at)
        at += 8
        for _ in range(attributes):
            at += 6 + struct.unpack_from(">I", contents, at + 2)[0]
        if access & 1 and not access & 0x1000:
            public.append(names.get(name, ""))
    return at, public
