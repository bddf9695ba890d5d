"""Hugging Face's BERT as ours, and back.

Theirs has what ours has not: the pooler and the next-sentence head, which are
left out and named, and dropout of attention probabilities, which changes no
output. Everything else is the same arithmetic, or refused.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.models.bert import NUM_TOKEN_TYPES
from taskrobust_jax.public_weights.arrays import (
  Rule,
  dense,
  norm,
  number,
  refuse_unknown,
  setting,
  to_ours,
  to_theirs,
)

_EPSILON = 1e-12  # Of TransformerOptions, as in BERT.
_LAYER = "encoder.layer.{}"
_OURS = "transformer/layers"
_ENCODER = [
  Rule("word/embedding", "embeddings.word_embeddings.weight"),
  Rule("position/embedding", "embeddings.position_embeddings.weight"),
  Rule("token_type/embedding", "embeddings.token_type_embeddings.weight"),
  *norm("norm", "embeddings.LayerNorm"),
  *dense(f"{_OURS}/attention/query", f"{_LAYER}.attention.self.query"),
  *dense(f"{_OURS}/attention/key", f"{_LAYER}.attention.self.key"),
  *dense(f"{_OURS}/attention/value", f"{_LAYER}.attention.self.value"),
  *dense(f"{_OURS}/attention/out", f"{_LAYER}.attention.output.dense"),
  *norm(f"{_OURS}/attention_norm", f"{_LAYER}.attention.output.LayerNorm"),
  *dense(f"{_OURS}/mlp_in", f"{_LAYER}.intermediate.dense"),
  *dense(f"{_OURS}/mlp_out", f"{_LAYER}.output.dense"),
  *norm(f"{_OURS}/mlp_norm", f"{_LAYER}.output.LayerNorm"),
]
_HEAD = [
  Rule("head/bias", "cls.predictions.bias"),
  *dense("head/transform", "cls.predictions.transform.dense"),
  *norm("head/norm", "cls.predictions.transform.LayerNorm"),
]
# Of no use here: the first two have no counterpart, the third counts 0, 1, 2...
_LEFT_OUT = ("pooler.", "cls.seq_relationship.", "embeddings.position_ids")


def options_of(config: Mapping[str, Any], file: object) -> dict[str, Any]:
  """Our options from their config.json.

  Args:
    config: It.
    file: For messages.

  Returns:
    What `train.suites.bert_options` takes.

  Raises:
    InputError: A setting that ours has not.
  """
  setting(config, "model_type", ("bert",), file, None)
  setting(config, "hidden_act", ("gelu",), file, "gelu")
  setting(config, "position_embedding_type", ("absolute",), file, "absolute")
  setting(config, "type_vocab_size", (NUM_TOKEN_TYPES,), file, 2)
  for name in ("is_decoder", "add_cross_attention"):
    setting(config, name, (False,), file, False)
  setting(config, "tie_word_embeddings", (True,), file, True)
  options = {
    "num_layers": number(config, "num_hidden_layers", file),
    "width": number(config, "hidden_size", file),
    "num_heads": number(config, "num_attention_heads", file),
    "mlp_width": number(config, "intermediate_size", file),
    "dropout_rate": config.get("hidden_dropout_prob", 0.1),
    "dtype": "float32",
    "unroll": False,
    "remat": False,
    "vocabulary_size": number(config, "vocab_size", file),
    "max_length": number(config, "max_position_embeddings", file),
  }
  epsilon = number(config, "layer_norm_eps", file, _EPSILON)
  return options | ({} if epsilon == _EPSILON else {"norm_epsilon": epsilon})


def config_of(options: Mapping[str, Any]) -> dict[str, Any]:
  """Their config.json from our options."""
  return {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "vocab_size": options["vocabulary_size"],
    "hidden_size": options["width"],
    "num_hidden_layers": options["num_layers"],
    "num_attention_heads": options["num_heads"],
    "intermediate_size": options["mlp_width"],
    "hidden_act": "gelu",
    "hidden_dropout_prob": options["dropout_rate"],
    "attention_probs_dropout_prob": 0.0,
    "max_position_embeddings": options["max_length"],
    "type_vocab_size": NUM_TOKEN_TYPES,
    "layer_norm_eps": options.get("norm_epsilon", _EPSILON),
    "tie_word_embeddings": True,
  }


def read_arrays(
  arrays: Mapping[str, np.ndarray],
  shapes: Mapping[str, tuple[int, ...]],
  file: object,
) -> tuple[dict[str, np.ndarray], list[str]]:
  """Our arrays from theirs.

  Args:
    arrays: Of BertForPreTraining, BertForMaskedLM or BertModel.
    shapes: Path -> shape of our model.
    file: For messages.

  Returns:
    (path -> f32 array, what was left out). Without a prediction head in the
    file there is none in the arrays.

  Raises:
    InputError: An array is lacking, of another size, or unknown.
  """
  # Files of before 2019 have other names for scale and bias.
  arrays = {
    name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
      "LayerNorm.beta", "LayerNorm.bias"
    ): array
    for name, array in arrays.items()
  }
  prefix = "bert." if any(n.startswith("bert.") for n in arrays) else ""
  rules = _rules(prefix, any(n.startswith("cls.pred") for n in arrays))
  found, rest = to_ours(rules, arrays, shapes, file)
  ties = {
    "cls.predictions.decoder.weight": "word/embedding",
    "cls.predictions.decoder.bias": "head/bias",
  }
  for name in set(rest) & set(ties):
    ours = found.get(ties[name])
    if ours is None or not np.array_equal(arrays[name], ours):
      raise InputError(
        f"{file}: {name} differs from {ties[name]}; here the two are one array"
      )
  rest = [name for name in rest if name not in ties]
  left_out = [n for n in rest if n.removeprefix(prefix).startswith(_LEFT_OUT)]
  refuse_unknown([n for n in rest if n not in left_out], file)
  return found, left_out


def write_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Theirs, by the names of BertForMaskedLM, from ours."""
  return to_theirs(_rules("bert.", has_head=True), arrays)


def _rules(prefix: str, has_head: bool) -> list[Rule]:
  rules = [rule._replace(theirs=prefix + rule.theirs) for rule in _ENCODER]
  return rules + (_HEAD if has_head else [])
