"""Small modules written as TF-Hub's are: an ELMo by its own graph of TensorFlow 1, and text embeddings of both formats.

The ELMo's graph shares nothing with tagdb.elmo: characters, LSTM cell, mix and pooling are built here from TensorFlow's
operations, padded and stepped through time, with the names that google/elmo's variables have.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagdb.elmo._tensorflow import tf

CHAR_DIM, FILTERS, N_HIGHWAY, DIM, PROJECTION, N_LAYERS = 4, ((1, 4), (2, 4), (3, 8)), 2, 12, 8, 2
N_FEATURES = sum(n for _, n in FILTERS)
CLIP, MAX_BATCH = 3.0, 4
TF1_HUB_FORMAT = b"\x08\x03"  # a ModuleDef: field 1, format version 3


@dataclass(frozen=True)
class ElmoModule:
    """What sets one ELMo module apart from another; the defaults are those of google/elmo/3."""

    mix: tuple[float, ...] = (0.0, 0.0, 0.0)
    scaling: float = 1.0
    averages_padding: bool = False
    is_stateful: bool = False
    start: float = 0.0
    char_rows: int = 262
    scope: str = ""
    uses_resources: bool = False
    default_is_sum: bool = False
    has_tokens_signature: bool = True
    seed: int = 0
    changes: tuple[tuple[str, NDArray[Any]], ...] = ()


def variable_values(module: ElmoModule) -> dict[str, NDArray[np.float32]]:
    """Return the values of all named variables, drawn so that clips, gates and relus all take hold."""
    rng = np.random.default_rng(module.seed)

    def normal(*shape: int, scale: float = 1.0) -> NDArray[np.float32]:
        return (scale * rng.normal(size=shape)).astype(np.float32)

    values = {"bilm/char_embed": normal(module.char_rows, CHAR_DIM)}
    for i, (width, n) in enumerate(FILTERS):
        values[f"bilm/CNN/W_cnn_{i}"] = normal(1, width, CHAR_DIM, n, scale=0.4)
        values[f"bilm/CNN/b_cnn_{i}"] = normal(n, scale=0.3)
    for k in range(N_HIGHWAY):
        for gate in ("carry", "transform"):
            values[f"bilm/CNN_high_{k}/W_{gate}"] = normal(N_FEATURES, N_FEATURES, scale=0.4)
            values[f"bilm/CNN_high_{k}/b_{gate}"] = normal(N_FEATURES, scale=0.3)
    values["bilm/CNN_proj/W_proj"] = normal(N_FEATURES, PROJECTION, scale=0.4)
    values["bilm/CNN_proj/b_proj"] = normal(PROJECTION, scale=0.3)
    for direction in (0, 1):
        for layer in range(N_LAYERS):
            cell = cell_name(direction, layer)
            # Weak recurrent weights: strong random ones are chaotic, and blow rounding up from step to step.
            inputs, recurrent = normal(PROJECTION, 4 * DIM, scale=0.4), normal(PROJECTION, 4 * DIM, scale=0.05)
            values[f"{cell}/kernel"] = np.concatenate([inputs, recurrent])
            values[f"{cell}/bias"] = normal(4 * DIM, scale=0.5)
            values[f"{cell}/projection/kernel"] = normal(DIM, PROJECTION, scale=1.2)
    values["aggregation/weights"] = np.array(module.mix, dtype=np.float32)
    values["aggregation/scaling"] = np.float32(module.scaling)  # type: ignore[assignment]
    return values | dict(module.changes)


def cell_name(direction: int, layer: int) -> str:
    """Return the scope of one LSTM cell's variables."""
    return f"bilm/RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/rnn/lstm_cell"


def write_elmo_module(directory: Path, module: ElmoModule) -> Path:
    """Write an ELMo module of TF1-Hub's format to `directory`; return it."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        text = tf.compat.v1.placeholder(tf.string, [None], "text")
        variables = {
            name: _variable(module, name, tf.constant(value)) for name, value in variable_values(module).items()
        }
        network = _Network(module, variables)
        split = tf.compat.v1.string_split(text)
        found = tf.sparse.to_dense(split, default_value="")
        counts = tf.math.bincount(
            tf.cast(split.indices[:, 0], tf.int32), minlength=tf.size(text), maxlength=tf.size(text), dtype=tf.int32
        )
        signatures = {"default": _signature({"text": text}, network.outputs(found, counts))}
        if module.has_tokens_signature:
            tokens = tf.compat.v1.placeholder(tf.string, [None, None], "tokens")
            lengths = tf.compat.v1.placeholder(tf.int32, [None], "sequence_len")
            inputs = {"tokens": tokens, "sequence_len": lengths}
            signatures["tokens"] = _signature(inputs, network.outputs(tokens, lengths))
        session.run(tf.compat.v1.global_variables_initializer())
        _save(directory, session, signatures)
    return directory


def _save(directory: Path, session: Any, signatures: dict[str, Any]) -> None:
    builder = tf.compat.v1.saved_model.Builder(str(directory))
    builder.add_meta_graph_and_variables(session, tags=[], signature_def_map=signatures)
    builder.save()
    (directory / "tfhub_module.pb").write_bytes(TF1_HUB_FORMAT)


def _signature(inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
    return tf.compat.v1.saved_model.predict_signature_def(inputs, outputs)


def _variable(module: ElmoModule, name: str, value: Any, *, trainable: bool = True) -> Any:
    return tf.compat.v1.get_variable(
        module.scope + name, initializer=value, trainable=trainable, use_resource=module.uses_resources
    )


class _Network:
    """The biLM over padded batches; its state variables, if any, are made once and shared by both signatures."""

    def __init__(self, module: ElmoModule, variables: dict[str, Any]) -> None:
        self.module, self.variables = module, variables
        self.states: dict[tuple[int, int], list[Any]] = {}
        numbers = iter(range(4 * N_LAYERS))
        if module.is_stateful or module.start:
            for direction in (0, 1):
                for layer in range(N_LAYERS):
                    self.states[direction, layer] = [self._state(next(numbers), size) for size in (DIM, PROJECTION)]

    def _state(self, number: int, size: int) -> Any:
        name = f"bilm/Variable_{number}" if number else "bilm/Variable"
        return _variable(self.module, name, tf.fill([MAX_BATCH, size], self.module.start), trainable=False)

    def outputs(self, tokens: Any, lengths: Any) -> dict[str, Any]:
        """Return the outputs of a signature for tokens of shape (batch, time), padded with ""."""
        module, n_steps = self.module, tf.shape(tokens)[1]
        sentence = self._token_vectors(self._characters(tokens, lengths))
        layers = [[sentence, sentence]] + [[] for _ in range(N_LAYERS)]
        updates = []
        for direction in (0, 1):
            x = tf.reverse_sequence(sentence, lengths + 2, seq_axis=1) if direction else sentence
            for layer in range(N_LAYERS):
                output, final = self._lstm(direction, layer, x, lengths + 2)
                updates += self._keep(direction, layer, final)
                x = output + x if layer else output
                straight = tf.reverse_sequence(x, lengths + 2, seq_axis=1) if direction else x
                layers[1 + layer].append(straight)
        with tf.control_dependencies(updates):
            mask = tf.sequence_mask(lengths, n_steps, dtype=tf.float32)[..., None]
            shown = [tf.identity(tf.concat(halves, axis=2)[:, 1:-1] * mask) for halves in layers]
        mix = tf.nn.softmax(self.variables["aggregation/weights"] + 1 / (N_LAYERS + 1))
        elmo = self.variables["aggregation/scaling"] * tf.add_n([mix[k] * layer for k, layer in enumerate(shown)])
        total = tf.reduce_sum(elmo, axis=1)
        count = tf.fill(tf.shape(lengths), n_steps) if module.averages_padding else lengths
        mean = total if module.default_is_sum else total / tf.cast(count, tf.float32)[:, None]
        named = {"word_emb": shown[0][..., :PROJECTION], "elmo": elmo, "default": mean}
        return named | {f"lstm_outputs{layer}": shown[layer] for layer in range(1, N_LAYERS + 1)}

    def _characters(self, tokens: Any, lengths: Any) -> Any:
        """Return ids, shape (batch, time + 2, 50); all are 0 where there is no token."""
        spelt = tf.cast(tf.io.decode_raw(tokens, tf.uint8, fixed_length=50), tf.int32)
        size = tf.minimum(tf.strings.length(tokens), 48)[..., None]
        place = tf.range(50)
        inner = tf.roll(spelt, 1, axis=2)
        ids = tf.where(place <= size, inner, tf.where(tf.equal(place, size + 1), 259, 260))
        ids = tf.where(tf.equal(place, 0), 258, ids)
        boundary = {mark: tf.constant([258, mark, 259] + [260] * 47) for mark in (256, 257)}
        batch = tf.shape(tokens)[0]
        begin = tf.tile(boundary[256][None, None], [batch, 1, 1])
        blank = tf.zeros([batch, 1, 50], tf.int32)
        sentence = tf.concat([begin, ids, blank], axis=1) + 1
        steps = tf.range(tf.shape(tokens)[1] + 2)[None, :, None]
        ends = lengths[:, None, None] + 1
        sentence = tf.where(tf.equal(steps, ends), boundary[257] + 1, sentence)
        return tf.where(steps > ends, 0, sentence)

    def _token_vectors(self, ids: Any) -> Any:
        module, shape = self.module, tf.shape(ids)
        # With 261 rows there is none for "no token"; what stands there is masked later.
        rows = ids if module.char_rows == 262 else tf.maximum(ids - 1, 0)
        x = tf.nn.embedding_lookup(self.variables["bilm/char_embed"], tf.reshape(rows, [-1, 50]))
        features = []
        for i in range(len(FILTERS)):
            convolved = tf.nn.conv2d(x[:, None], self.variables[f"bilm/CNN/W_cnn_{i}"], 1, "VALID")
            features.append(tf.nn.relu(tf.reduce_max(convolved + self.variables[f"bilm/CNN/b_cnn_{i}"], axis=[1, 2])))
        y = tf.concat(features, axis=1)
        for k in range(N_HIGHWAY):
            high = {name.rpartition("/")[2]: v for name, v in self.variables.items() if f"CNN_high_{k}/" in name}
            gate = tf.sigmoid(y @ high["W_carry"] + high["b_carry"])
            y = gate * tf.nn.relu(y @ high["W_transform"] + high["b_transform"]) + (1 - gate) * y
        y = y @ self.variables["bilm/CNN_proj/W_proj"] + self.variables["bilm/CNN_proj/b_proj"]
        return tf.reshape(y, [shape[0], shape[1], PROJECTION])

    def _lstm(self, direction: int, layer: int, x: Any, lengths: Any) -> tuple[Any, tuple[Any, Any]]:
        """Return the outputs, shape (batch, time, projection), and the state after each text's last step."""
        kernel, bias, projection = (
            self.variables[f"{cell_name(direction, layer)}/{part}"] for part in ("kernel", "bias", "projection/kernel")
        )

        def step(before: Any, inputs: Any) -> Any:
            c, h, _ = before
            now, is_inside = inputs
            i, j, f, o = tf.split(tf.concat([now, h], axis=1) @ kernel + bias, 4, axis=1)
            new_c = tf.clip_by_value(tf.sigmoid(f + 1) * c + tf.sigmoid(i) * tf.tanh(j), -CLIP, CLIP)
            new_h = tf.clip_by_value((tf.sigmoid(o) * tf.tanh(new_c)) @ projection, -CLIP, CLIP)
            return tf.where(is_inside, new_c, c), tf.where(is_inside, new_h, h), tf.where(is_inside, new_h, 0.0)

        batch = tf.shape(x)[0]
        if (direction, layer) in self.states:
            c, h = (state[:batch] + 0.0 for state in self.states[direction, layer])
        else:
            c, h = tf.zeros([batch, DIM]), tf.zeros([batch, PROJECTION])
        inside = tf.transpose(tf.sequence_mask(lengths, tf.shape(x)[1]))[..., None]
        cells, states, outputs = tf.scan(step, (tf.transpose(x, [1, 0, 2]), inside), (c, h, tf.zeros_like(h)))
        return tf.transpose(outputs, [1, 0, 2]), (cells[-1], states[-1])

    def _keep(self, direction: int, layer: int, final: tuple[Any, Any]) -> list[Any]:
        if not self.module.is_stateful:
            return []
        batch = tf.shape(final[0])[0]
        return [
            tf.compat.v1.assign(state, tf.concat([new, state[batch:]], axis=0))
            for state, new in zip(self.states[direction, layer], final, strict=True)
        ]
