"""Numbers as monitors read them: the text format of Prometheus, which others understand, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    """A number, with the labels that tell it from others of its metric; None where it is not known."""

    value: float | None
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True)
class Metric:
    """A metric: what it is called, whether it is a gauge, a counter or a summary, and what it means."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def render(metrics: Iterable[Metric], labels: Mapping[str, str]) -> str:
    """Write metrics, each sample with `labels` too; those of which nothing is known are left out."""
    return "".join(line for metric in metrics for line in _lines(metric, labels))


def _lines(metric: Metric, labels: Mapping[str, str]) -> Iterable[str]:
    known = [sample for sample in metric.samples if sample.value is not None]
    if not known:
        return
    yield f"# HELP {metric.name} {_escaped(metric.help)}\n"
    yield f"# TYPE {metric.name} {metric.kind}\n"
    for each in known:
        named = ",".join(f'{name}="{_quoted(text)}"' for name, text in {**labels, **each.labels}.items())
        yield f"{metric.name}{each.suffix}{{{named}}} {each.value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
