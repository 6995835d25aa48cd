"""Writes archives of plain and of hostile members, in every format that is unpacked."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

FORMATS = ("tar", "tar.gz", "zip")

Content = bytes | None
"""A file's content, or None for a folder."""


def tar_bytes(members: Iterable[tuple[str, Content]], mode: int = 0o4777) -> bytes:
    """Return a tar file; every member has `mode`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.mode = mode
            if content is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(members: Iterable[tuple[str, Content]], mode: int = stat.S_IFREG | 0o4777) -> bytes:
    """Return a zip file; every file in it has `mode`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns of names that are there twice
        for name, content in members:
            member = zipfile.ZipInfo()
            member.filename = name if content is not None else f"{name}/"
            member.external_attr = mode << 16 if content is not None else (stat.S_IFDIR | 0o700) << 16
            archive.writestr(member, content or b"", zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def archive_bytes(members: Iterable[tuple[str, Content]], form: str) -> bytes:
    """Return an archive of one of `FORMATS`."""
    if form == "zip":
        return zip_bytes(members)
    tar = tar_bytes(members)
    return gzip.compress(tar, 1, mtime=0) if form == "tar.gz" else tar


def write_archive(path: Path, content: bytes) -> Path:
    """Write an archive under a name that says nothing of its format."""
    path.write_bytes(content)
    return path


def special_tar(name: str, kind: bytes, linkname: str = "") -> bytes:
    """Return a tar file with a link, a device or something else that is no file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, linkname
        tar.addfile(member)
    return buffer.getvalue()


def tree(folder: Path) -> dict[str, Content]:
    """Return what lies below a folder."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }
