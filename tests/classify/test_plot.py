"""The picture of a confusion matrix: right kind of file, right cells, no window, and refusals that help."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from tagdb.classify import Metrics, metrics_from_confusion, plot_confusion
from tagdb.classify.plot import _draw
from tagdb.errors import InputRefused

TITLE = "a title that is long enough to need a second line above a picture of two classes only, or a third"


def _metrics(n: int, names: tuple[str, ...] = ()) -> Metrics:
    counts = np.random.default_rng(0).integers(0, 5, (n, n)) + 2000 * np.eye(n, dtype=np.int64)
    return metrics_from_confusion(counts, names or tuple(f"class-{number}" for number in range(n)))


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".PNG", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_the_suffix_decides_the_format(tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = tmp_path / f"confusion{suffix}"
    plot_confusion(_metrics(3), path, "three classes")
    assert path.read_bytes().startswith(magic)


def test_no_window_and_no_global_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plot_confusion(_metrics(2), tmp_path / "confusion.png", "two classes")
    assert "matplotlib.pyplot" not in sys.modules


def test_cells_are_coloured_by_their_share_of_the_row(tmp_path: Path) -> None:
    path = tmp_path / "confusion.png"
    plot_confusion(metrics_from_confusion([[99_000, 1_000], [1, 9]], ("often", "rare")), path, "shares")
    axes = _draw(metrics_from_confusion([[99_000, 1_000], [1, 9]], ("often", "rare")), "shares").axes[0]
    assert np.asarray(axes.images[0].get_array()).ravel().tolist() == pytest.approx([0.99, 0.01, 0.1, 0.9])
    assert imread(path)[..., :3].std() > 0.1


def test_hundreds_of_classes_make_no_larger_picture() -> None:
    figure = _draw(_metrics(400), "many classes")
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert (len(names), names[-1]) == (61, "… and 340 more")
    assert max(figure.get_size_inches()) < 50


@pytest.mark.parametrize("n", [2, 10, 30])
def test_every_count_and_name_is_drawn_within_the_figure(n: int) -> None:
    metrics = _metrics(n)
    figure = _draw(metrics, TITLE)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    drawn = {text.get_text() for text in axes.texts}
    assert {f"{count:,}" for row in metrics.confusion for count in row if count} <= drawn
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(metrics.classes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "actual")
    assert any(f"accuracy {metrics.accuracy:.4f}" in text for text in drawn)
    assert any(f"F1 {metrics.f1:.4f}" in text or f"F1 of class-1 {metrics.f1:.4f}" in text for text in drawn)
    outer = figure.bbox
    for text in (axes.title, *axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()):
        box = text.get_window_extent()
        assert outer.x0 <= box.x0
        assert box.x1 <= outer.x1
        assert outer.y0 <= box.y0
        assert box.y1 <= outer.y1


@pytest.mark.parametrize("name", ["$x^2$", "$\\broken", "日本", "a\nb", "n" * 200])
def test_any_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    path = tmp_path / "confusion.png"
    plot_confusion(_metrics(2, ("other", name)), path, name)
    assert path.stat().st_size > 0


@pytest.mark.parametrize("name", ["confusion.jpeg", "confusion"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        plot_confusion(_metrics(2), tmp_path / name, "title")
    assert ".png" in str(refusal.value.hint)
    assert not (tmp_path / name).exists()


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="cannot write") as refusal:
        plot_confusion(_metrics(2), tmp_path / "missing" / "confusion.png", "title")
    assert "folder" in str(refusal.value.hint)
