"""Arithmetic of pre-training, counted from a config.

A product [m, k] x [k, n] takes 2mkn; a training step takes three times its
forward pass. Counted are the products of transformer layers and of the word
prediction; embeddings, norms, output layers of pictures and the adversary (K
numbers) are small beside them.
"""

from collections.abc import Mapping
import types
from typing import Any

from taskrobust_jax.flops import of_layers


def of_example(config: Mapping[str, Any]) -> float:
  """FLOPs of one example in training.

  Args:
    config: Of a pre-training run, as in its manifest.

  Returns:
    The number; NaN for a config of another kind.
  """
  try:
    kind = config["tasks"]["kind"]
    count = {"masked_language": _language, "masked_image": _image}[kind]
    return 3.0 * count(config["data"], config["tasks"], config["model"])
  except (KeyError, TypeError):
    return float("nan")


def _language(data, tasks, model) -> float:
  length, width = data["row_length"], model["width"]
  # Of `denoisers.most_predictions` for the three kinds.
  share = 0.6 if tasks["hiding"] == "denoisers" else tasks["max_share"]
  # The vocabulary that was trained may be a little smaller.
  head = 2 * round(share * length) * width * (width + data["vocabulary_size"])
  passes = 1
  if tasks["budget"] == "every_row":  # One for each task.
    passes = len(tasks["groups"]) or float("nan")  # Known of groups alone.
  return passes * (_layers(length, model) + head)


def _image(data, tasks, model) -> float:
  patches = (data["image_size"] // tasks["patch"]) ** 2
  visible = tasks["num_visible"] + 1  # The global token.
  encoder, decoder = model["encoder"], model["decoder"]
  width = decoder["width"]
  one = 2 * visible * encoder["width"] * width + _layers(patches, decoder)
  if model["has_cross_attention"]:
    one += 4 * width**2 * (patches + visible)  # Projections.
    one += 4 * patches * visible * width
    one += 4 * patches * width * decoder["mlp_width"]
  count = 1 if model["shares_decoder"] else len(tasks["outputs"])
  return _layers(visible, encoder) + count * one


def _layers(length, model) -> float:
  names = ("num_layers", "width", "mlp_width")
  sizes = types.SimpleNamespace(**{name: model[name] for name in names})
  return of_layers(sizes, length)
