"""TensorFlow takes oneDNN's products, unless the user wants others."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

SWITCH = "TF_ENABLE_ONEDNN_OPTS"

LOADED = """
import os
from tagdb.elmo._tensorflow import tf
tf.add(1, 2)
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
"""


@pytest.mark.skipif(platform.system() != "Linux", reason="TensorFlow has no oneDNN on this system")
@pytest.mark.parametrize(("chosen", "taken"), [(None, True), ("0", False)])
def test_products_are_those_of_onednn_unless_the_user_chose(chosen: str | None, taken: bool) -> None:
    """TensorFlow says so in its own log, which a level set by the user lets pass."""
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", "import tagdb.elmo._tensorflow"],
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "0"} | ({SWITCH: chosen} if chosen else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("oneDNN custom operations are on" in done.stderr) is taken


def test_it_is_quiet_and_leaves_its_level_to_processes_that_are_started_later() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
