"""TensorFlow takes oneDNN's products, unless the user wants others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SWITCH = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.parametrize(("chosen", "used"), [(None, "1"), ("0", "0")])
def test_products_are_those_of_onednn_unless_the_user_chose(chosen: str | None, used: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    program = f"import os, tagdb.elmo._tensorflow; print(os.environ['{SWITCH}'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | ({SWITCH: chosen} if chosen else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == (used, "")
