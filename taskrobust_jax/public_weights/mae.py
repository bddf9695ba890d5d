"""MAE's public weights as ours, and back.

Names are those of Hugging Face's ViTMAEForPreTraining, or of the authors' code
(He et al., facebookresearch/mae), which differ by name alone. Theirs see
pictures less ImageNet's mean and over its deviation; ours see values in
[-1, 1] (`tasks/modalities.py`), so that change is part of the patch embedding
here. What theirs adds to fixed positions is ours's modality embedding and
query, what theirs adds to the class token's is ours's global token.
"""

from collections.abc import Mapping
from typing import Any

from einops import rearrange
import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.models.patches import sine_cosine_positions
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

# ImageNet's, of values in [-1, 1].
MEAN = 2 * np.array([0.485, 0.456, 0.406]) - 1
DEVIATION = 2 * np.array([0.229, 0.224, 0.225])
_EPSILON = 1e-6  # As `train/suites.py` has it.


def _layers(ours: str, theirs: str) -> list[Rule]:
  attention = f"{theirs}.attention.attention"
  return [
    *dense(f"{ours}/attention/query", f"{attention}.query"),
    *dense(f"{ours}/attention/key", f"{attention}.key"),
    *dense(f"{ours}/attention/value", f"{attention}.value"),
    *dense(f"{ours}/attention/out", f"{theirs}.attention.output.dense"),
    *norm(f"{ours}/attention_norm", f"{theirs}.layernorm_before"),
    *norm(f"{ours}/mlp_norm", f"{theirs}.layernorm_after"),
    *dense(f"{ours}/mlp_in", f"{theirs}.intermediate.dense"),
    *dense(f"{ours}/mlp_out", f"{theirs}.output.dense"),
  ]


_RULES = [
  *_layers("transformer/layers", "vit.encoder.layer.{}"),
  *norm("norm", "vit.layernorm"),
  *dense("decoders/context", "decoder.decoder_embed"),
  *_layers("decoders/transformer/layers", "decoder.decoder_encoder.layer.{}"),
  *norm("decoders/norm", "decoder.decoder_norm"),
  *dense("heads/rgb", "decoder.decoder_pred"),
]
# What is more than a name, [shape] in theirs.
_CLASS = "vit.embeddings.cls_token"  # [1, 1, D]
_MASK = "decoder.mask_token"  # [1, 1, D']
_POSITIONS = "vit.embeddings.position_embeddings"  # [1, 1 + N, D]
_DECODER_POSITIONS = "decoder.decoder_pos_embed"  # [1, 1 + N, D']
_KERNEL = "vit.embeddings.patch_embeddings.projection.weight"  # [D, 3, p, p]
_BIAS = "vit.embeddings.patch_embeddings.projection.bias"  # [D]
_SPECIAL = (_CLASS, _MASK, _POSITIONS, _DECODER_POSITIONS, _KERNEL, _BIAS)


def options_of(config: Mapping[str, Any], file: object) -> dict[str, Any]:
  """Our options from their config.json.

  Args:
    config: It.
    file: For messages.

  Returns:
    What `train.suites.mae_options` takes.

  Raises:
    InputError: A setting that ours has not.
  """
  setting(config, "model_type", ("vit_mae",), file, None)
  setting(config, "hidden_act", ("gelu",), file, "gelu")
  setting(config, "num_channels", (3,), file, 3)
  setting(config, "qkv_bias", (True,), file, True)
  size = number(config, "image_size", file)
  patch = number(config, "patch_size", file)
  if size % patch:
    raise InputError(
      f"{file}: image_size {size} is no multiple of patch_size {patch}"
    )
  epsilon = number(config, "layer_norm_eps", file, 1e-12)
  rows = size // patch

  def part(prefix, keys):
    values = [number(config, prefix + key, file) for key in keys]
    names = ("num_layers", "width", "num_heads", "mlp_width")
    options = dict(zip(names, values, strict=True))
    options |= {"dropout_rate": 0.0, "dtype": "float32"}
    options |= {"unroll": False, "remat": False}
    return options | ({} if epsilon == _EPSILON else {"norm_epsilon": epsilon})

  keys = ("num_hidden_layers", "hidden_size", "num_attention_heads")
  keys = (*keys, "intermediate_size")
  values = {"rgb": 3 * patch**2}
  return {
    "grid": [rows, rows],
    "inputs": values,
    "outputs": dict(values),
    "encoder": part("", keys),
    "decoder": part("decoder_", keys),
    "has_cross_attention": False,
    "shares_decoder": False,
  }


def config_of(options: Mapping[str, Any], place: object) -> dict[str, Any]:
  """Their config.json from our options.

  Raises:
    InputError: The model is no plain MAE.
  """
  rows, columns = options["grid"]
  only = {"rgb": options["inputs"].get("rgb")}
  encoder, decoder = options["encoder"], options["decoder"]
  epsilon = encoder.get("norm_epsilon", _EPSILON)
  patch = round((only["rgb"] or 0) ** 0.5 / 3**0.5)
  if (
    options["has_cross_attention"]
    or dict(options["inputs"]) != only
    or dict(options["outputs"]) != only
    or rows != columns
    or 3 * patch**2 != only["rgb"]
    or decoder.get("norm_epsilon", _EPSILON) != epsilon
  ):
    raise InputError(
      f"{place} is no plain MAE: that has the input rgb, the output rgb, no "
      "cross-attention and a square picture"
    )
  return {
    "architectures": ["ViTMAEForPreTraining"],
    "model_type": "vit_mae",
    "image_size": rows * patch,
    "patch_size": patch,
    "num_channels": 3,
    "qkv_bias": True,
    "hidden_act": "gelu",
    "layer_norm_eps": epsilon,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    **{
      prefix + name: part[key]
      for prefix, part in (("", encoder), ("decoder_", decoder))
      for name, key in (
        ("num_hidden_layers", "num_layers"),
        ("hidden_size", "width"),
        ("num_attention_heads", "num_heads"),
        ("intermediate_size", "mlp_width"),
      )
    },
  }


def read_arrays(
  arrays: Mapping[str, np.ndarray],
  shapes: Mapping[str, tuple[int, ...]],
  options: Mapping[str, Any],
  file: object,
) -> dict[str, np.ndarray]:
  """Our arrays from those of ViTMAEForPreTraining.

  Args:
    arrays: Theirs.
    shapes: Path -> shape of our model.
    options: From `options_of`.
    file: For messages.

  Returns:
    Path -> f32 array.

  Raises:
    InputError: An array is lacking, of another size or unknown, or positions
      are not the fixed ones.
  """
  grid = options["grid"]
  num_patches = grid[0] * grid[1]
  width, inner = options["encoder"]["width"], options["decoder"]["width"]
  patch = round((options["inputs"]["rgb"] / 3) ** 0.5)
  single = {p: s[1:] if _is_stacked(p) else s for p, s in shapes.items()}
  single |= {
    _CLASS: (1, 1, width),
    _MASK: (1, 1, inner),
    _POSITIONS: (1, 1 + num_patches, width),
    _DECODER_POSITIONS: (1, 1 + num_patches, inner),
    _KERNEL: (width, 3, patch, patch),
    _BIAS: (width,),
  }
  rules = [*_RULES, *(Rule(name, name) for name in _SPECIAL)]
  found, rest = to_ours(rules, arrays, single, file)
  refuse_unknown(rest, file)

  class_place, modality = _beside_fixed(found.pop(_POSITIONS)[0], grid, file)
  decoder_place, query = _beside_fixed(
    found.pop(_DECODER_POSITIONS)[0], grid, file
  )
  if decoder_place.any():
    raise InputError(
      f"{file}: the class token's row of {_DECODER_POSITIONS} is not 0; this "
      "model has no place for it"
    )
  kernel = found.pop(_KERNEL).astype(np.float64)
  bias = found.pop(_BIAS) - (kernel.sum((2, 3)) * MEAN / DEVIATION).sum(1)
  kernel = kernel / DEVIATION[:, None, None]
  found |= {
    "global_token": found.pop(_CLASS)[0, 0] + class_place,
    "modality": modality[None],
    "embed/rgb/kernel": rearrange(kernel, "d c p q -> (p q c) d"),
    "embed/rgb/bias": bias,
    "decoders/mask_token": found.pop(_MASK)[0, 0],
    "decoders/query": query,
  }
  return {
    path: np.asarray(array[None] if _is_stacked(path) else array, np.float32)
    for path, array in found.items()
  }


def write_arrays(
  arrays: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """The arrays of ViTMAEForPreTraining from ours."""
  ours = {p: x[0] if _is_stacked(p) else x for p, x in arrays.items()}
  patch = round((options["inputs"]["rgb"] / 3) ** 0.5)
  kernel = rearrange(
    ours["embed/rgb/kernel"].astype(np.float64),
    "(p q c) d -> d c p q",
    p=patch,
    q=patch,
  )
  kernel = kernel * DEVIATION[:, None, None]
  bias = ours["embed/rgb/bias"] + (kernel.sum((2, 3)) * MEAN / DEVIATION).sum(1)
  theirs = to_theirs(_RULES, ours) | {
    _CLASS: ours["global_token"][None, None],
    _MASK: ours["decoders/mask_token"][None, None],
    _POSITIONS: _with_fixed(ours["modality"][0], options["grid"]),
    _DECODER_POSITIONS: _with_fixed(ours["decoders/query"], options["grid"]),
    _KERNEL: kernel,
    _BIAS: bias,
  }
  return {
    name: np.ascontiguousarray(array, np.float32)
    for name, array in theirs.items()
  }


def _is_stacked(path: str) -> bool:
  """Whether an array has an axis of decoders, of which MAE has one."""
  return path.startswith("decoders/")


def _beside_fixed(
  positions: np.ndarray, grid, file
) -> tuple[np.ndarray, np.ndarray]:
  """(the class token's row, what is added to all fixed positions)."""
  fixed = sine_cosine_positions(*grid, positions.shape[1])
  beside = positions[1:] - fixed
  added = beside.mean(0)
  if np.abs(beside - added).max() > 1e-4:
    raise InputError(
      f"{file}: its positions are not MAE's fixed ones (sines and cosines); "
      "this model cannot hold others"
    )
  if np.abs(added).max() < 1e-6:  # Rounding.
    added = np.zeros_like(added)
  return positions[0], added


def _with_fixed(added: np.ndarray, grid) -> np.ndarray:
  fixed = sine_cosine_positions(*grid, len(added)) + added
  return np.concatenate([np.zeros((1, len(added))), fixed])[None]
