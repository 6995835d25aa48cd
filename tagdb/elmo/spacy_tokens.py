"""spaCy's tokenizers without the rest of its pipelines; told apart without importing spaCy, which takes seconds."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from tagdb import installation
from tagdb.errors import EmbedderUnavailable

_LANGUAGE = re.compile("[a-z]{2,3}")


def is_model_name(model: str) -> bool:
    """Whether `model` is a language's code (en), a package (en_core_web_sm) or a saved pipeline's absolute path."""
    return model.isidentifier() or Path(model).is_absolute()


def identify(model: str) -> dict[str, str]:
    """Return what decides the tokens: spaCy's version, and a pipeline's name, version and tokenizer (by SHA-256).

    A pipeline is the same wherever it is saved. Raises EmbedderUnavailable when spaCy or the model is not installed.
    """
    try:
        version = metadata.version("spacy")
    except metadata.PackageNotFoundError as error:
        raise _without_spacy(model) from error
    if _LANGUAGE.fullmatch(model):
        return {"spacy": version, "model": model}
    folder = _pipeline_folder(model)
    meta = _read_meta(model, folder)
    return {
        "spacy": version,
        "model": f"{meta['lang']}_{meta['name']}",
        "model_version": meta["version"],
        "tokenizer_sha256": _hash(model, folder / "tokenizer"),
    }


def load(model: str) -> Callable[[str], list[str]]:
    """Return a tokenizer that leaves out tokens of white space, and lone surrogates, which spaCy cannot take.

    Raises EmbedderUnavailable when spaCy or the model is not installed, or the model is damaged.
    """
    try:
        spacy: Any = import_module("spacy")
    except ImportError as error:
        raise _without_spacy(model) from error
    is_language = _LANGUAGE.fullmatch(model) is not None
    folder = None if is_language else _pipeline_folder(model)
    try:
        pipeline = spacy.blank(model) if folder is None else _load_bare(spacy, folder)
    except Exception as error:  # spaCy and the libraries it reads files with raise all kinds
        raise _unavailable(model, f"cannot be loaded: {error}") from error
    tokenizer = pipeline.tokenizer

    def tokens(text: str) -> list[str]:
        written = text.encode("utf-8", "ignore").decode()
        return [token.text for token in tokenizer(written) if not token.is_space]

    return tokens


def _load_bare(spacy: Any, folder: Path) -> Any:
    """Load a saved pipeline without its components and its vocabulary, which do not change what is a token."""
    components = spacy.util.load_config(folder / "config.cfg")["nlp"]["pipeline"]
    return spacy.load(folder, exclude=["vocab", *components])


def _pipeline_folder(model: str) -> Path:
    """Return where a saved pipeline lies: at its path, or in its package, in a folder of name and version."""
    if Path(model).is_absolute():
        return Path(model)
    package = importlib.util.find_spec(model)
    if package is None or package.origin is None:
        raise _unavailable(model, "is not installed")
    folder = Path(package.origin).parent
    meta = _read_meta(model, folder)
    return folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"


def _read_meta(model: str, folder: Path) -> dict[str, str]:
    try:
        content = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        return {key: str(content[key]) for key in ("lang", "name", "version")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unavailable(model, f"is no pipeline of spaCy's: {error!r} on reading {folder}/meta.json") from error


def _hash(model: str, tokenizer: Path) -> str:
    """Hash a saved tokenizer: one file, or for some languages a folder of them."""
    digest = hashlib.sha256()
    try:
        files = sorted(each for each in tokenizer.rglob("*") if each.is_file()) if tokenizer.is_dir() else [tokenizer]
        for file in files:
            digest.update(f"{file.relative_to(tokenizer)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except OSError as error:
        raise _unavailable(model, f"cannot be read: {error}") from error
    return digest.hexdigest()


def _unavailable(model: str, problem: str) -> EmbedderUnavailable:
    if Path(model).is_absolute():
        hint = "name the folder that nlp.to_disk wrote"
    elif _LANGUAGE.fullmatch(model):
        hint = "see spacy.io/usage/models for the languages' codes and what else they need"
    else:
        hint = installation.run_command("spacy", "download", model)
    return EmbedderUnavailable(f"spaCy's model {model} {problem}", hint=hint)


def _without_spacy(model: str) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"tokenizer spacy:{model} needs spaCy, which is not installed", hint=installation.install_command("spacy")
    )
