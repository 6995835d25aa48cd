"""A manifest vouches for every byte below its folder, and names the first file that is not as it was."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagdb.errors import EmbedderUnavailable, WeightsError
from tagdb.fetch import manifest
from tests.examples import examples
from tests.fetch.limits import disk_with_room_for

_NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
NAMES = _NAMES.filter(lambda name: name not in (".", "..", manifest.FILE))
CONTENTS = st.binary(max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)

few = settings(max_examples=examples(25), deadline=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like that of an embedder, with its manifest."""
    (tmp_path / "variables" / "empty").mkdir(parents=True)
    (tmp_path / "options.json").write_text("{}")
    (tmp_path / "variables" / "data").write_bytes(bytes(100_000))
    (tmp_path / "variables" / manifest.FILE).write_text("of something else")
    manifest.write(tmp_path, {"source": "https://example.com/elmo", "licence": "Größe"})
    return tmp_path


@few
@given(
    st.dictionaries(NAMES, st.dictionaries(NAMES, CONTENTS, max_size=2) | CONTENTS, max_size=4),
    st.dictionaries(st.text(), JSON, max_size=3),
)
def test_what_is_written_is_read_and_holds(tree: dict[str, dict[str, bytes] | bytes], facts: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = dict(write_tree(folder, tree))
        assert not manifest.exists(folder)
        for _ in range(2):
            manifest.write(folder, facts)
        assert manifest.exists(folder)
        manifest.verify(folder)
        written = manifest.read(folder)
    assert written.facts == facts
    assert {name: record.size for name, record in written.files.items()} == sizes
    assert list(written.files) == sorted(sizes)


def write_tree(folder: Path, tree: Mapping[str, Mapping[str, bytes] | bytes]) -> Iterator[tuple[str, int]]:
    """Write files and folders; yield the path and size of each file."""
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
            yield name, len(content)
        else:
            (folder / name).mkdir()
            for inner, size in write_tree(folder / name, content):
                yield f"{name}/{inner}", size


def test_checksums_are_those_of_everybody(folder: Path) -> None:
    content = json.loads((folder / manifest.FILE).read_text())
    assert content["files"]["options.json"] == {
        "size": 2,
        "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    }
    assert list(content["files"]) == ["options.json", "variables/data", "variables/manifest.json"]
    assert content["facts"]["licence"] == "Größe"


def grow(folder: Path) -> None:
    with (folder / "variables" / "data").open("ab") as file:
        file.write(b"x")


def flip_last_bit(folder: Path) -> None:
    path = folder / "variables" / "data"
    status = path.stat()
    path.write_bytes(bytes(99_999) + b"\x01")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def link(folder: Path) -> None:
    (folder / "variables" / "data").rename(folder.parent / "data")
    (folder / "variables" / "data").symlink_to(folder.parent / "data")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "grown": (grow, "variables/data has 100,001 bytes, not 100,000"),
    "one bit, and no other sign": (flip_last_bit, "variables/data has changed since"),
    "missing": (lambda folder: (folder / "variables" / "data").unlink(), "variables/data is missing"),
    "not noted": (lambda folder: (folder / "variables" / "extra").touch(), "variables/extra should not be there"),
    "inner manifest": (
        lambda folder: (folder / "variables" / manifest.FILE).write_text("of something elsE"),
        "variables/manifest.json has changed since",
    ),
    "link to the same": (link, "variables/data is neither a plain file nor a folder"),
    "link to a folder": (
        lambda folder: (folder / "outside").symlink_to(folder.parent),
        "outside is neither a plain file nor a folder",
    ),
    "no file": (lambda folder: os.mkfifo(folder / "pipe"), "pipe is neither a plain file nor a folder"),
    "first of several": (
        lambda folder: [path.write_text("new") for path in (folder / "z", folder / "a", folder / "options.json")],
        "/a should not be there",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
def test_change_is_told_by_name(folder: Path, change: Callable[[Path], object], message: str) -> None:
    manifest.verify(folder)
    change(folder)
    with pytest.raises(WeightsError, match=message) as refused:
        manifest.verify(folder)
    assert str(folder) in str(refused.value)
    assert refused.value.hint


DAMAGED = [
    "",
    "{",
    "[]",
    "{}",
    "\xff",
    '{"files": [], "facts": {}}',
    '{"files": {}, "facts": 1}',
    '{"files": {"a": {}}, "facts": {}}',
    '{"files": {"a": {"size": "x", "sha256": ""}}, "facts": {}}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_manifest_is_told(folder: Path, content: str) -> None:
    (folder / manifest.FILE).write_bytes(content.encode("latin-1"))
    for use in (manifest.read, manifest.verify):
        with pytest.raises(WeightsError, match=r"manifest\.json is damaged"):
            use(folder)


def test_missing_manifest_is_told(folder: Path) -> None:
    (folder / manifest.FILE).unlink()
    for use in (manifest.read, manifest.verify):
        with pytest.raises(WeightsError, match=r"cannot read .*manifest\.json: No such file"):
            use(folder)


def test_manifest_that_cannot_be_written_leaves_the_old_one(folder: Path) -> None:
    before = (folder / manifest.FILE).read_bytes()
    with disk_with_room_for(100), pytest.raises(EmbedderUnavailable, match=f"no room in {folder}: "):
        manifest.write(folder, {"source": "another"})
    assert (folder / manifest.FILE).read_bytes() == before
    manifest.write(folder, {"source": "another"})
    manifest.verify(folder)
