"""Reads documentation out of source: block comments, docstrings and Ruby comments, under the names they document."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from corpus_entries import Entry, plain, texts

OWNER = re.compile(r"\b(?:class|interface|trait|enum|struct)\s+(?:[A-Z]+_[A-Z_]+\s+)?([A-Za-z_]\w*)")
MEMBER = re.compile(r"(?:function\s+&?)?([A-Za-z_$][\w$]*)\s*(?:<[^<>()]*>)?\s*[(:;=?{]")
DOCBLOCK = re.compile(
    r"/\*\*(?!/)(.*?)\*/\s*((?:@\w+(?:\([^()]*\))?\s+)*)([^\n]{0,300})"
    r"|^[ \t]*(?:(?:export|declare|public|abstract|final|static|default) )*(?:class|interface) \w[^\n]*",
    re.DOTALL | re.MULTILINE,
)


def comment_text(comment: str) -> str:
    """Return the first paragraph of a block comment, up to its first tag."""
    body = "\n".join(re.sub(r"^\s*\*? ?", "", line) for line in comment.splitlines())
    described = re.search(r"^@description\s+(.*?)(?=^@|\Z)", body, re.DOTALL | re.MULTILINE)
    return plain(
        re.split(r"^\s*@(?!brief)\w+|^```|\n\s*\n", described[1] if described else body, flags=re.MULTILINE)[0]
    )


def docblocks(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """`/** … */` comments of Java, PHP, JavaScript, TypeScript and C++, named after the declaration below them."""
    for place, text in texts(root, pattern):
        joint = "::" if place.endswith((".php", ".hpp", ".h")) else "."
        owner = ""
        for found in DOCBLOCK.finditer(text):
            declaration = found[3] if found[1] is not None else found[0]
            owned = OWNER.search(declaration)
            if owned and not declaration.lstrip().startswith(("*", "//")):
                owner = owned[1]
            if found[1] is None:
                continue
            named = re.search(r"@name\s+(\S+)", found[1])
            member = MEMBER.search(re.sub(r"^.*\b(?:function|operator)\b", "", declaration))
            name = member[1] if member else ""
            indented = re.match(r"\s", text[text.rfind("\n", 0, found.start()) + 1 : found.start()] or "x")
            if named:
                name = named[1]
            elif owned:
                name = owner
            elif owner and name and name != owner and indented:
                name = f"{owner}{joint}{name}"
            yield Entry(place, name, comment_text(found[1]))


def docstrings(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Python docstrings, named `module.function` or `Class.method`; also those given to numpy's `add_newdoc`."""
    for place, text in texts(root, pattern):
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        package = re.sub(r".*(?:dist-packages|python3\.\d+|site-packages)/", "", place).removesuffix(".py")
        module = package.removesuffix("/__init__").split("/")
        module = module[:1] if len(module) > 2 else module
        yield from _documented(tree, place, ".".join(module))


def _documented(node: ast.AST, place: str, owner: str) -> Iterator[Entry]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            documentation = ast.get_docstring(child)
            public = not child.name.startswith("_") or child.name.startswith("__")
            if documentation and public:
                yield Entry(place, f"{owner}.{child.name}", plain(documentation.split("\n\n")[0]))
            if isinstance(child, ast.ClassDef):
                yield from _documented(child, place, child.name)
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Call):
            literals = [a.value for a in child.value.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if getattr(child.value.func, "id", "") == "add_newdoc" and len(literals) > 2:
                summary = [part for part in literals[2].strip().split("\n\n") if not part.startswith(literals[1])]
                yield Entry(place, f"{owner}.{literals[1]}", plain(summary[0] if summary else ""))
        elif isinstance(child, ast.If | ast.Try):
            yield from _documented(child, place, owner)


def rdoc(root: Path, pattern: re.Pattern[str]) -> Iterator[Entry]:
    """Comments above a Ruby class, module or method, named `Class#method`."""
    commented = re.compile(r"((?:^[ \t]*#[^\n]*\n)+)[ \t]*(class|module|def)\s+(self\.)?([\w:.?!=]+)", re.MULTILINE)
    owners = re.compile(r"^\s*(?:class|module)\s+([\w:]+)", re.MULTILINE)
    for place, text in texts(root, pattern):
        for found in commented.finditer(text):
            body = "\n".join(line.strip().removeprefix("#").removeprefix(" ") for line in found[1].splitlines())
            before = owners.findall(text, 0, found.start())
            is_method = found[2] == "def"
            joint = "." if found[3] else "#"
            name = f"{before[-1].split('::')[-1]}{joint}{found[4]}" if is_method and before else found[4]
            paragraphs = [part for part in re.split(r"\n\s*\n", body) if not part.startswith((" ", "=", ":"))]
            for paragraph in paragraphs[: 1 if is_method else 4]:
                yield Entry(place, name, plain(paragraph))
                name = ""
