"""In what an ELMo's matrix products are taken, how far rounding then moves vectors, and which machines gain by it."""

from __future__ import annotations

from pathlib import Path

FLOAT32, BF16 = "float32", "bf16"
PRECISIONS = (FLOAT32, BF16)

TOLERANCES = {FLOAT32: 1e-5, BF16: 1e-2}
"""How far company, or another machine, may move a text's vector, relative to the largest number in all of them.

Sums in another order differ by 1e-7 of a value; where that decides to which bfloat16 it is rounded, by up to 2**-7.
"""

_FAST = {"avx512_bf16", "amx_bf16"}


def has_bf16_instructions(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor is known to multiply bfloat16 faster than float32, by what Linux says of it.

    ARM's are not taken for such: TensorFlow's products use only the instructions of x86.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(_FAST.intersection(line.split()) for line in lines if line.startswith("flags"))
