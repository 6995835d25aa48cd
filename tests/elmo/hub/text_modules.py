"""Small text embeddings that are no ELMos: one of TF1-Hub's format, and callable ones of TensorFlow 2, good and bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tagdb.elmo._tensorflow import tf
from tests.elmo.hub.modules import TF1_HUB_FORMAT

DIM, BUCKETS = 6, 50


def write_bag_of_words(directory: Path) -> Path:
    """Write a module of TF1-Hub's format: the sum of an embedding for each token's hash, as NNLM's is."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        text = tf.compat.v1.placeholder(tf.string, [None], "text")
        table = tf.compat.v1.get_variable("embeddings", initializer=tf.random.normal([BUCKETS, DIM], seed=1))
        split = tf.compat.v1.string_split(text)
        buckets = tf.strings.to_hash_bucket_fast(split.values, BUCKETS)
        vectors = tf.math.unsorted_segment_sum(tf.gather(table, buckets), split.indices[:, 0], tf.size(text))
        session.run(tf.compat.v1.global_variables_initializer())
        signature = tf.compat.v1.saved_model.predict_signature_def({"text": text}, {"default": vectors})
        builder = tf.compat.v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, tags=[], signature_def_map={"default": signature})
        builder.save()
    (directory / "tfhub_module.pb").write_bytes(TF1_HUB_FORMAT)
    return directory


def lengths(texts: Any) -> Any:
    """Return vectors of shape (n_texts, 2) that depend on each text's length alone."""
    length = tf.cast(tf.strings.length(texts), tf.float32)
    return tf.stack([tf.sin(length), tf.cos(length)], axis=1)


def write_callable(directory: Path, embed: Callable[[Any], Any] = lengths, *, callable_itself: bool = True) -> Path:
    """Write a SavedModel of TensorFlow 2 that calls `embed`, or offers it as `serving_default` only."""
    module = tf.Module()
    function = tf.function(embed, input_signature=[tf.TensorSpec([None], tf.string)])
    if callable_itself:
        module.__call__ = function
        tf.saved_model.save(module, str(directory))
    else:
        named = tf.function(lambda texts: {"outputs": embed(texts)}, input_signature=function.input_signature)
        tf.saved_model.save(module, str(directory), signatures=named)
    return directory


def write_counting(directory: Path) -> Path:
    """Write a callable module whose vectors grow from call to call."""
    module = tf.Module()
    module.calls = tf.Variable(0.0)
    module.__call__ = tf.function(
        lambda texts: lengths(texts) + module.calls.assign_add(1.0), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    tf.saved_model.save(module, str(directory))
    return directory
