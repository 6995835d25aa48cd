"""The one place that imports TensorFlow: quietly, without Keras, with float32 products that are whole, and fast."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tagdb.errors import EmbedderUnavailable

__all__ = ["limit_threads", "require_unforked", "tf", "trace"]

_PROCESS = os.getpid()

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# TensorFlow takes oneDNN's products by itself only where a processor has instructions for neural networks; with AVX2
# they are faster than Eigen's too, if they are wide. Where it was built without oneDNN, nothing reads this.
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_NATIVE_LOG_LINE = re.compile(rb"[IWEF]\d{4} |WARNING: All log messages before absl::InitializeLog")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's log off stderr, unless the user has set its level.

    Some of it is written by native code before the level takes effect; that is held back, and anything else
    that was written meanwhile is passed on.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "3"
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            del os.environ[_LOG_LEVEL]  # TensorFlow has read it; a process started by this one is its own master
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _NATIVE_LOG_LINE.match(line):
                    os.write(2, line)


@contextmanager
def _keras_left_out() -> Iterator[None]:
    """Make imports of Keras fail for a while: TensorFlow does without, and starts in half the time."""
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["keras"]


def _let_keras_be_imported_later() -> None:
    """Put back the folder of `tensorflow.keras`, for a program around us that uses Keras as well."""
    keras = importlib.util.find_spec("keras")
    if keras is not None and keras.origin is not None:
        folder = str(Path(keras.origin).parent / "_tf_keras")
        tf.__path__ = [folder, *(entry for entry in tf.__path__ if entry is not None)]


def _configure() -> None:
    """Rule out TF32 products, which move vectors by 1e-3, and take no more of a GPU's memory than needed."""
    tf.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in tf.config.list_physical_devices("GPU"):
        # Fails once the program around us has used the GPU: then its choice stands.
        with suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


if "tensorflow" in sys.modules:
    import tensorflow as tf
else:
    os.environ.setdefault(_ONEDNN, "1")
    with _quiet(), _keras_left_out():
        import tensorflow as tf
    _let_keras_be_imported_later()
_configure()


def limit_threads(threads: int) -> None:
    """Size TensorFlow's pools, which it makes with its first operation: after that the choice of before stands."""
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def require_unforked() -> None:
    """Pass in the process that imported TensorFlow: in one forked off it, all that it is asked for hangs for ever.

    Raises
    ------
    EmbedderUnavailable : the process was forked later
    """
    if os.getpid() != _PROCESS:
        raise EmbedderUnavailable(
            "TensorFlow was loaded before this process was forked, and does not survive that",
            hint="embed the first text after the fork, in each worker; or start processes by spawn",
        )


def trace(function: Callable[..., Any], signature: Sequence[Any]) -> Callable[..., Any]:
    """Return `function` as a graph for arguments of the (nested) signature, traced here and never again."""
    traced = tf.function(function, input_signature=signature, autograph=False)
    graph: Callable[..., Any] = traced.get_concrete_function()
    return graph
