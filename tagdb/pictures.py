"""Pictures in files, whoever draws them: asked for before long work, written after it, and refused in one way."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from tagdb.errors import InputRefused

_SUFFIXES = (".png", ".svg", ".pdf")
_WRITABLE = "name a file in a folder that exists and that you may write to"
_DPI = 150


def require_drawable(path: Path) -> None:
    """Pass when a picture could be drawn to `path`; to be asked before long work.

    Raises InputRefused for a suffix other than .png, .svg or .pdf, or a folder that is not there.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise InputRefused(
            f"cannot draw a picture of type {path.suffix or 'unknown'!r}: {path}",
            hint=f"end the file's name in {', '.join(_SUFFIXES)}",
        )
    if not path.absolute().parent.is_dir():
        raise InputRefused(f"cannot write the picture {path}: there is no such folder", hint=_WRITABLE)


def save(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib to `path`; its suffix decides the format.

    Raises InputRefused when the file cannot be written.
    """
    with warnings.catch_warnings():
        # A name may hold characters the font lacks: a box in its place is enough.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        try:
            figure.savefig(path, dpi=_DPI)
        except OSError as error:
            raise InputRefused(f"cannot write the picture {path}: {error.strerror or error}", hint=_WRITABLE) from error
