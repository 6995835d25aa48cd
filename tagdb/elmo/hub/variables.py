"""The variables of a module on disk, read without its graph: names and shapes first, values when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.hub._hub import gist
from tagdb.elmo.weights import REFETCH, FloatArray
from tagdb.errors import EmbedderUnavailable, WeightsError

MAX_INDEX_BYTES = 16 * 2**20


class Variables:
    """The checkpoint of the module in a folder; `shapes` and `dtypes` tell of each variable by its name.

    Raises EmbedderUnavailable where the module has none, WeightsError where it is damaged.
    """

    def __init__(self, module: Path) -> None:
        self.path = module / "variables"
        self.prefix = str(self.path / "variables")
        index = checkpoint_index(module)
        if not index.is_file():
            raise EmbedderUnavailable(
                f"there is no file {index}", hint="name a folder with saved_model.pb and variables"
            )
        if index.stat().st_size > MAX_INDEX_BYTES:
            raise WeightsError(f"{index} is larger than {MAX_INDEX_BYTES:,} bytes", hint=REFETCH)
        with self._damage_reported():
            self._reader = tf.train.load_checkpoint(self.prefix)
            self.shapes: dict[str, tuple[int, ...]] = {
                name: tuple(shape) for name, shape in self._reader.get_variable_to_shape_map().items()
            }
            self.dtypes: dict[str, str] = {
                name: dtype.name for name, dtype in self._reader.get_variable_to_dtype_map().items()
            }

    def read(self, name: str) -> FloatArray:
        """Return a variable as float32; raises WeightsError when it is damaged or not finite throughout."""
        with self._damage_reported(name):
            values = np.asarray(self._reader.get_tensor(name), dtype=np.float32)
        if not np.isfinite(values).all():
            count = np.count_nonzero(~np.isfinite(values))
            raise WeightsError(f"{self.path}: {name} holds {count:,} values that are not finite", hint=REFETCH)
        return values

    def write(self, prefix: str, *, zeroed: Callable[[str], bool]) -> None:
        """Write a checkpoint of the same variables, with zeros in those whose names `zeroed` tells.

        Raises EmbedderUnavailable when there is no room for it.
        """
        names = sorted(self.shapes)
        with self._damage_reported():
            values = [self._reader.get_tensor(name) for name in names]
        tensors = [tf.zeros_like(value) if zeroed(name) else value for name, value in zip(names, values, strict=True)]
        try:
            tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
        except tf.errors.OpError as error:
            raise _unwritable(gist(error)) from error

    @contextmanager
    def _damage_reported(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, RuntimeError, ValueError, LookupError, TypeError) as error:
            place = f"{self.path}: {name}" if name else f"{self.path}"
            raise WeightsError(f"{place} cannot be read as a checkpoint: {error}", hint=REFETCH) from error


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder that is gone afterwards; what the system says of it and of its files is EmbedderUnavailable."""
    try:
        with TemporaryDirectory(prefix="tagdb-") as folder:
            yield Path(folder)
    except OSError as error:
        raise _unwritable(f"{error.filename or gettempdir()}: {error.strerror or error}") from error


def _unwritable(problem: str) -> EmbedderUnavailable:
    return EmbedderUnavailable(
        f"the module cannot be compared, for want of a temporary file: {problem}",
        hint="set TMPDIR to a folder that you may write to, on a disk with room for the module once more",
    )


def checkpoint_index(module: Path) -> Path:
    """Return where a module keeps the names and shapes of its variables, if it has any."""
    return module / "variables" / "variables.index"
