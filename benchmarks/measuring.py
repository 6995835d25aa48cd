"""What benchmarks measure with: alternatives that take turns, the machine they ran on, and a table of the results."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("tagdb", "numpy", "scikit-learn", "tensorflow")
# A size that is no power of two: row strides of 8 KB would cost the product half its rate.
PRODUCT_SIZE = 2_000
PRODUCT_OPERATIONS = 2 * PRODUCT_SIZE**3


def interleaved(
    rounds: int,
    alternatives: Mapping[str, Callable[[], object]],
    *,
    before: Callable[[str], object] | None = None,
) -> dict[str, list[float]]:
    """Call every alternative once a round and return its seconds, shape (rounds,), by its name.

    Each round begins with another alternative, so that none always follows the same one. `before` is called with the
    alternative's name ahead of each call, and its time does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    names = list(alternatives)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            if before is not None:
                before(name)
            started = time.perf_counter()
            alternatives[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def medians(measured: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each series."""
    return {name: statistics.median(values) for name, values in measured.items()}


def spread(values: Sequence[float]) -> float:
    """Return how far apart a series' extremes are, as a share of its median."""
    return (max(values) - min(values)) / statistics.median(values)


def sgemm_rate() -> float:
    """Return the rate, in FLOP/s, of large float32 products in TensorFlow: the median over about a second."""
    return product_rate("float32")


def product_rate(dtype: str) -> float:
    """Return the rate, in FLOP/s, of large products of a TensorFlow type: the median over about a second."""
    from tagdb.elmo._tensorflow import tf

    factor = tf.ones((PRODUCT_SIZE, PRODUCT_SIZE), dtype)
    tf.matmul(factor, factor).numpy()
    times: list[float] = []
    while sum(times) < 1:
        started = time.perf_counter()
        tf.matmul(factor, factor).numpy()
        times.append(time.perf_counter() - started)
    return PRODUCT_OPERATIONS / statistics.median(times)


def peak_bytes() -> int:
    """Return this process's peak resident memory, in bytes.

    Linux lets a child's `ru_maxrss` begin at what its parent held, so the process's own high-water mark is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def machine() -> dict[str, str]:
    """Describe what a measurement was made on, and when."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
    }


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print the columns of rows as a Markdown table, numbers to the right; a value that is missing stays blank."""
    cells = [[_shown(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(text) for text in texts) for texts in zip(columns, *cells, strict=True)]
    numeric = [all(isinstance(row.get(column), int | float | None) for row in rows) for column in columns]
    lines = [list(columns), ["-" * (width - right) + ":" * right for width, right in zip(widths, numeric, strict=True)]]
    for line in [*lines, *cells]:
        aligned = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        print(f"| {' | '.join(aligned)} |")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = next((line.split(":", 1)[1].strip() for line in names if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()
