"""The modules that several tests look at, each written once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.elmo.hub.modules import ElmoModule, write_elmo_module
from tests.elmo.hub.text_modules import write_bag_of_words


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ELMo like google/elmo/3, whose layers are mixed and scaled, with variables of TensorFlow 1's own kind."""
    module = ElmoModule(mix=(0.1, 0.5, -0.3), scaling=1.7, char_rows=261)
    return write_elmo_module(tmp_path_factory.mktemp("mixed") / "elmo", module)


@pytest.fixture(scope="session")
def padding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ELMo like google/elmo/2, with its fault, in the scope that some exports have."""
    module = ElmoModule(averages_padding=True, uses_resources=True, scope="module/", has_tokens_signature=False)
    return write_elmo_module(tmp_path_factory.mktemp("padding") / "elmo", module)


@pytest.fixture(scope="session")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ELMo that carries its state from batch to batch, and was stored with one."""
    module = ElmoModule(is_stateful=True, start=0.5, seed=2, has_tokens_signature=False)
    return write_elmo_module(tmp_path_factory.mktemp("stateful") / "elmo", module)


@pytest.fixture(scope="session")
def bag_of_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text embedding of TF1-Hub's format, with signature `default` alone."""
    return write_bag_of_words(tmp_path_factory.mktemp("bag") / "module")
