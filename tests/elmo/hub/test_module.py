"""Text embeddings that are no ELMo: found out, tried for vectors of the text alone, and run with their own answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2

from tagdb.elmo import load
from tagdb.elmo._tensorflow import tf
from tagdb.elmo.hub import ModuleEmbedder, module, prepare_module, read_module_spec, spec
from tagdb.elmo.hub._hub import load_module
from tagdb.elmo.hub.model import ModuleFacts, TextModel
from tagdb.errors import EmbedderUnavailable, InputRefused, WeightsError
from tests.elmo.hub.text_modules import DIM, lengths, write_callable, write_counting

TEXTS = ["how to join two tables", "java", "", "c#\tand .net", "日本語", "a much longer text than all others of these"]


def prepared(source: Path, target: Path) -> Path:
    prepare_module(source, target, name="tiny", source="here", licence="MIT")
    return target


@pytest.fixture(scope="module")
def bag(bag_of_words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedder of the module `bag_of_words`."""
    return prepared(bag_of_words, tmp_path_factory.mktemp("embedder") / "bag")


def test_a_module_of_tf1_gives_its_own_vectors(bag: Path, bag_of_words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXTS_AT_ONCE", 2)
    embedder = ModuleEmbedder.load(bag)
    texts = [text for text in TEXTS if text]
    expected = load_module(bag_of_words).signatures["default"](tf.constant(texts))["default"].numpy()
    assert embedder.dim == DIM
    np.testing.assert_allclose(embedder.embed(texts), expected, rtol=1e-6)
    np.testing.assert_array_equal(embedder.embed_tokens(embedder.tokenize(texts)), embedder.embed(texts))
    np.testing.assert_array_equal(embedder.embed(["a b c d"], max_tokens=2), embedder.embed(["a b"]))
    assert embedder.embed([]).shape == (0, DIM)


def test_what_cannot_be_embedded_is_refused(bag: Path) -> None:
    embedder = ModuleEmbedder.load(bag)
    for refused, options in ((["java", " \n"], {}), (["java"], {"max_tokens": 0})):
        with pytest.raises(InputRefused):
            embedder.embed(refused, **options)
    assert np.isfinite(embedder.embed(["java \ud800"])).all()


@given(st.text(st.sampled_from("a#é \t\n\u3000\x1c"), max_size=30))
def test_tokens_joined_are_the_text(text: str) -> None:
    (tokens,) = ModuleEmbedder(None, None).tokenize([text])  # type: ignore[arg-type]
    assert "".join(tokens) == text.rstrip()
    assert len(tokens) == len(text.split())
    assert all(token.strip() for token in tokens)


@given(st.lists(st.integers(0, 100_000), max_size=600))
def test_batches_are_bounded_and_lose_no_text(lengths_: list[int]) -> None:
    batches = list(module._batches(lengths_))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths_)))
    for batch in batches:
        longest = max(lengths_[index] for index in batch)
        assert len(batch) == 1 or (len(batch) <= module.TEXTS_AT_ONCE and len(batch) * longest <= 65_536)


@pytest.mark.parametrize(
    ("callable_itself", "facts"),
    [(True, ModuleFacts("", "", 2)), (False, ModuleFacts("serving_default", "outputs", 2))],
)
def test_modules_of_tensorflow_2_are_asked_as_they_offer(
    tmp_path: Path, callable_itself: bool, facts: ModuleFacts
) -> None:
    source = write_callable(tmp_path / "source", callable_itself=callable_itself)
    assert TextModel(source).facts == facts
    embedder = ModuleEmbedder.load(prepared(source, tmp_path / "target"))
    np.testing.assert_allclose(embedder.embed(["abc", "a"]), lengths(tf.constant(["abc", "a"])), rtol=1e-6)


def _less_their_mean(texts: Any) -> Any:
    return lengths(texts) - tf.reduce_mean(lengths(texts), axis=0)


def _plus_their_mean(texts: Any) -> Any:
    return lengths(texts) + tf.reduce_mean(lengths(texts), axis=0)


def _numbered(texts: Any) -> Any:
    return lengths(texts) + tf.cast(tf.range(tf.size(texts)), tf.float32)[:, None]


@pytest.mark.parametrize(
    ("embed", "problem"),
    [
        (_plus_their_mean, "changes with the texts beside it"),
        (_less_their_mean, "zero vector"),
        (_numbered, "changes with the texts beside it"),
        (lambda texts: lengths(texts) / 0.0, "not finite"),
        (lambda texts: 0.0 * lengths(texts), "zero vector"),
        (tf.strings.length, "has 0 outputs that could be vectors"),
        (lambda texts: {"one": lengths(texts), "two": lengths(texts)}, "has 2 outputs that could be vectors"),
    ],
)
def test_vectors_of_more_than_the_text_are_refused(tmp_path: Path, embed: Callable[[Any], Any], problem: str) -> None:
    source = write_callable(tmp_path / "source", embed)
    with pytest.raises(EmbedderUnavailable, match=problem):
        prepared(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_module_that_changes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="changes when it is asked again"):
        prepared(write_counting(tmp_path / "source"), tmp_path / "target")


def test_an_elmo_that_averages_padding_is_no_text_embedding(padding: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="changes with the texts beside it"):
        prepared(padding, tmp_path)


def test_a_text_without_a_finite_vector_is_refused_alone(tmp_path: Path) -> None:
    def embed(texts: Any) -> Any:
        return lengths(texts) + tf.where(tf.equal(texts, "bad"), float("nan"), 0.0)[:, None]

    embedder = ModuleEmbedder.load(prepared(write_callable(tmp_path / "source", embed), tmp_path / "target"))
    with pytest.raises(InputRefused, match="text 1 a vector that is not finite"):
        embedder.embed(["good", "bad", "fine"])
    assert np.isfinite(embedder.embed(["good", "fine"])).all()


def _choosy(texts: Any) -> dict[str, Any]:
    def failing(text: str, failure: Callable[[], Any]) -> Any:
        return tf.cond(tf.reduce_any(tf.equal(texts, text)), failure, lambda: 0.0)

    def crowd() -> Any:
        # More than the address space holds.
        return tf.reduce_sum(tf.fill([tf.size(texts, tf.int64) * 2**47], 1.0))

    def search() -> Any:
        return tf.cast(tf.strings.length(tf.io.read_file("/no/such/file")), tf.float32)

    def refuse() -> Any:
        with tf.control_dependencies([tf.debugging.Assert(False, ["unreadable"])]):
            return tf.constant(0.0)

    added = failing("bad", refuse) + failing("large", crowd) + failing("lost", search)
    return {"default": lengths(texts) + added, "version": tf.constant("1")}


def test_failures_are_of_a_text_or_of_the_module(tmp_path: Path) -> None:
    embedder = ModuleEmbedder.load(prepared(write_callable(tmp_path / "source", _choosy), tmp_path / "target"))
    np.testing.assert_allclose(embedder.embed(["java"]), lengths(tf.constant(["java"])), rtol=1e-6)
    for text, reason in (("bad", "assertion failed"), ("large", "OOM when allocating")):
        with pytest.raises(InputRefused, match=f"the module refuses the text: {reason}"):
            embedder.embed(["java", text])
    with pytest.raises(EmbedderUnavailable, match=r"cannot be run: .*/no/such/file"):
        embedder.embed(["java", "lost"])


def test_a_spec_at_hand_saves_hashing(bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_module_spec(bag)
    monkeypatch.setattr(spec, "sha256", lambda _: pytest.fail("a file was hashed"))
    assert load(bag, found).spec is found


def test_the_spec_is_read_without_tensorflow_and_follows_the_files(bag: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tagdb.elmo.hub import read_module_spec\n"
        "print(read_module_spec(Path(sys.argv[1])).fingerprint); assert 'tensorflow' not in sys.modules"
    )
    elsewhere = tmp_path / "moved"
    prepared(bag / "module", elsewhere)
    fingerprint = subprocess.run(
        [sys.executable, "-c", program, str(elsewhere)], check=True, capture_output=True, text=True
    ).stdout.strip()
    found = read_module_spec(bag)
    assert found.fingerprint == fingerprint
    assert (found.kind, found.name, found.dim, found.directory) == ("module", "tiny", DIM, str(bag))
    assert found.config["licence"] == "MIT"
    assert json.loads(json.dumps(found.config)) == found.config
    (data,) = (elsewhere / "module" / "variables").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:-1] + b"?")
    changed = read_module_spec(elsewhere).fingerprint
    data.rename(data.with_suffix(".moved"))
    assert len({fingerprint, changed, read_module_spec(elsewhere).fingerprint}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "elmo"}, '"kind" is not "module"'),
        ({"dim": "6"}, "dim is '6', not a whole number"),
        ({"dim": True}, "dim is True, not a whole number"),
        ({"dim": 0}, "dim is 0"),
        ({"output": None}, "output is None, not a string"),
        ({"colour": "red"}, "'colour' is no key"),
    ],
)
def test_an_impossible_description_is_refused(bag: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    content = json.loads((bag / "embedder.json").read_text())
    (tmp_path / "embedder.json").write_text(json.dumps(content | change))
    with pytest.raises(WeightsError, match=message):
        read_module_spec(tmp_path)
    del content["signature"]
    (tmp_path / "embedder.json").write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="'signature' is missing"):
        read_module_spec(tmp_path)


def test_another_module_than_described_is_refused(bag: Path, tmp_path: Path) -> None:
    for change, message in (({"signature": "tokens"}, "signature 'tokens'"), ({"dim": 7}, "no vectors of 7 numbers")):
        folder = tmp_path / next(iter(change))
        prepared(bag / "module", folder)
        content = json.loads((folder / "embedder.json").read_text())
        (folder / "embedder.json").write_text(json.dumps(content | change))
        with pytest.raises(EmbedderUnavailable, match=message):
            ModuleEmbedder.load(folder).embed(["java"])


def test_files_are_looked_at_before_they_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EmbedderUnavailable, match="holds no SavedModel"):
        TextModel(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded as a module"):
        TextModel(tmp_path)
    for limit in ("MAX_GRAPH_BYTES", "MAX_BYTES", "MAX_FILES"):
        with monkeypatch.context() as patched:
            patched.setattr(spec, limit, 0)
            with pytest.raises(EmbedderUnavailable, match=r"larger than|more than"):
                TextModel(tmp_path)
    (tmp_path / "variables").symlink_to("/etc")
    with pytest.raises(EmbedderUnavailable, match="variables is no plain file"):
        TextModel(tmp_path)


def test_operations_of_tensorflow_text_are_asked_for(bag_of_words: Path, tmp_path: Path) -> None:
    saved = saved_model_pb2.SavedModel.FromString((bag_of_words / "saved_model.pb").read_bytes())
    for node in saved.meta_graphs[0].graph_def.node:
        if node.op == "StringToHashBucketFast":
            node.op = "SentencepieceTokenizeOp"
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    (tmp_path / "tfhub_module.pb").write_bytes((bag_of_words / "tfhub_module.pb").read_bytes())
    (tmp_path / "variables").mkdir()
    for file in (bag_of_words / "variables").iterdir():
        (tmp_path / "variables" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(EmbedderUnavailable, match="needs the operation SentencepieceTokenizeOp") as caught:
        TextModel(tmp_path)
    assert "tensorflow-text" in str(caught.value.hint)
