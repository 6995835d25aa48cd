"""In what an ELMo's matrix products are taken, how far rounding then moves vectors, and which machines gain by it."""

from __future__ import annotations

import sys
from pathlib import Path

FLOAT32, BF16 = "float32", "bf16"
PRECISIONS = (FLOAT32, BF16)

TOLERANCES = {FLOAT32: 1e-5, BF16: 1e-2}
"""How far company may move a text's vector, relative to the largest number in all of them.

Sums in another order differ by 1e-7 of a value; where that decides to which bfloat16 the value is rounded, by 2**-8.
"""


def lacks_bf16_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this machine's processor is known to multiply bfloat16 more slowly than float32.

    Only Linux tells, as a feature of the processor: avx512_bf16 and amx_bf16 on x86, bf16 on ARM.
    """
    if sys.platform != "linux":
        return False
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    features = [line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))]
    return bool(features) and not any(feature.endswith("bf16") for feature in features[0])
