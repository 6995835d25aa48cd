"""What identifies a module among embedders, found without TensorFlow: its files, and the output that is taken."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tagdb.elmo.files import sha256
from tagdb.elmo.options import MAX_DIMENSION, read_json_object
from tagdb.elmo.spec import DESCRIPTION_FILE
from tagdb.errors import EmbedderUnavailable, WeightsError
from tagdb.models import EmbedderSpec

KIND = "module"
MODULE_FOLDER = "module"
GRAPH_FILES = ("saved_model.pb", "saved_model.pbtxt")
MAX_FILES = 1_000
MAX_GRAPH_BYTES = 2 * 2**30
MAX_BYTES = 8 * 2**30
# Raised by one whenever the same files begin to give other vectors.
NUMERICS_VERSION = 1


@dataclass(frozen=True)
class ModuleDescription:
    """A module's embedder.json: `signature` is "" for a callable one, `output` "" where it answers with a tensor."""

    name: str
    signature: str
    output: str
    dim: int
    source: str = ""
    licence: str = ""
    description: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the content of the embedder.json."""
        return {"kind": KIND, **asdict(self)}


def read_module_spec(directory: Path) -> EmbedderSpec:
    """Return the spec of the module in `directory`: embedder.json, and a SavedModel in the folder `module`.

    The module's files are hashed, not parsed. Raises EmbedderUnavailable when one is missing, WeightsError when
    embedder.json says something impossible.
    """
    directory = Path(directory)
    description = read_module_description(directory)
    config: dict[str, object] = {key: value for key, value in asdict(description).items() if key not in ("name", "dim")}
    return EmbedderSpec(
        name=description.name,
        kind=KIND,
        fingerprint=_fingerprint(description, directory / MODULE_FOLDER),
        dim=description.dim,
        directory=str(directory),
        config=config,
    )


def read_module_description(directory: Path) -> ModuleDescription:
    """Read a module's embedder.json; the errors raised are those of `read_module_spec`."""
    path = directory / DESCRIPTION_FILE
    content = read_json_object(path)
    if content.pop("kind", None) != KIND:
        raise WeightsError(f'{path}: "kind" is not "{KIND}"', hint="add the module again: tagdb embedder add")
    types = {field.name: int if field.name == "dim" else str for field in fields(ModuleDescription)}
    required = {"name", "signature", "output", "dim"}
    for key in sorted(content.keys() - types.keys() | required - content.keys()):
        problem = "is missing" if key in required else "is no key of a module's"
        raise WeightsError(f"{path}: {key!r} {problem}", hint=f"the keys are kind, {', '.join(types)}")
    for key, value in content.items():
        if type(value) is not types[key]:
            expected = "a whole number" if types[key] is int else "a string"
            raise WeightsError(f"{path}: {key} is {value!r}, not {expected}", hint=f"edit {path}")
    if not 1 <= content["dim"] <= MAX_DIMENSION:
        raise WeightsError(f"{path}: dim is {content['dim']}, not from 1 to {MAX_DIMENSION}", hint=f"edit {path}")
    return ModuleDescription(**content)


def is_module(folder: Path) -> bool:
    """Whether a folder holds a SavedModel, as TF-Hub's modules are."""
    return any((folder / name).is_file() for name in GRAPH_FILES)


def module_files(module: Path) -> dict[str, Path]:
    """Return the files of a module by their paths in it, sorted, once their number and sizes are found fit to parse.

    Raises
    ------
    EmbedderUnavailable : there is no SavedModel, a link, or too much of anything
    """
    if not is_module(module):
        raise EmbedderUnavailable(f"{module} holds no SavedModel", hint="name a folder with saved_model.pb")
    found, total = {}, 0
    for path in sorted(module.rglob("*")):
        shown = path.relative_to(module).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise EmbedderUnavailable(f"{module}: {shown} is no plain file", hint="copy the module with cp -rL")
        if path.is_file():
            found[shown] = path
            total += path.stat().st_size
        if shown in GRAPH_FILES and path.stat().st_size > MAX_GRAPH_BYTES:
            raise _too_large(module, shown, MAX_GRAPH_BYTES)
        if total > MAX_BYTES:
            raise _too_large(module, "all of it", MAX_BYTES)
        if len(found) > MAX_FILES:
            raise EmbedderUnavailable(f"{module} holds more than {MAX_FILES:,} files", hint="name the module's folder")
    return found


def _too_large(module: Path, what: str, limit: int) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"{module}: {what} is larger than {limit / 2**30:g} GiB", hint="choose a smaller variant of the module"
    )


def _fingerprint(description: ModuleDescription, module: Path) -> str:
    try:
        hashes = {name: sha256(path) for name, path in module_files(module).items()}
    except OSError as error:
        raise EmbedderUnavailable(
            f"cannot read {error.filename or module}: {error.strerror or error}", hint="tagdb embedder add it again"
        ) from error
    numerics = {
        "files": hashes,
        "kind": KIND,
        "numerics_version": NUMERICS_VERSION,
        "output": description.output,
        "signature": description.signature,
    }
    canonical = json.dumps(numerics, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
