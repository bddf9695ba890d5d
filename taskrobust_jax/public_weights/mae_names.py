"""MAE's arrays by the authors' names, as Hugging Face's, and back.

The authors' code (facebookresearch/mae) keeps query, key and value in one array
and tells no sizes but by shapes; heads are 64 wide in the encoder (80 in
ViT-huge) and 32 wide in the decoder.
"""

from collections.abc import Mapping
import re
from typing import Any

import numpy as np

from taskrobust_jax.errors import InputError

_BLOCK = {
  "attn.proj": "attention.output.dense",
  "norm1": "layernorm_before",
  "norm2": "layernorm_after",
  "mlp.fc1": "intermediate.dense",
  "mlp.fc2": "output.dense",
}
_BLOCKS = {
  "blocks": "vit.encoder.layer",
  "decoder_blocks": "decoder.decoder_encoder.layer",
}
_EMBED = "vit.embeddings.patch_embeddings.projection"
_OTHERS = {
  "cls_token": "vit.embeddings.cls_token",
  "pos_embed": "vit.embeddings.position_embeddings",
  "patch_embed.proj.weight": f"{_EMBED}.weight",
  "patch_embed.proj.bias": f"{_EMBED}.bias",
  "norm.weight": "vit.layernorm.weight",
  "norm.bias": "vit.layernorm.bias",
  "mask_token": "decoder.mask_token",
  **{
    f"{name}.{kind}": f"decoder.{name}.{kind}"
    for name in ("decoder_embed", "decoder_norm", "decoder_pred")
    for kind in ("weight", "bias")
  },
  "decoder_pos_embed": "decoder.decoder_pos_embed",
}
_QKV = ("query", "key", "value")


def to_hugging_face(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Hugging Face's names for the authors'; unknown ones are kept."""
  found = {}
  for name, array in arrays.items():
    match = re.fullmatch(r"(\w+)\.(\d+)\.(.+)\.(weight|bias)", name)
    if name in _OTHERS:
      found[_OTHERS[name]] = array
    elif not match or match[1] not in _BLOCKS:
      found[name] = array
    else:
      layer = f"{_BLOCKS[match[1]]}.{match[2]}"
      if match[3] == "attn.qkv" and len(array) % 3 == 0:
        for kind, part in zip(_QKV, np.split(array, 3), strict=True):
          found[f"{layer}.attention.attention.{kind}.{match[4]}"] = part
      else:
        inner = _BLOCK.get(match[3], match[3])
        found[f"{layer}.{inner}.{match[4]}"] = array
  return found


def from_hugging_face(
  arrays: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
  """The inverse, of all the arrays of a model."""
  others = {theirs: name for name, theirs in _OTHERS.items()}
  blocks = {theirs: name for name, theirs in _BLOCKS.items()}
  block = {theirs: name for name, theirs in _BLOCK.items()}
  found = {}
  for name, array in arrays.items():
    match = re.fullmatch(r"(.+\.layer)\.(\d+)\.(.+)\.(weight|bias)", name)
    if not match:
      found[others[name]] = array
      continue
    layer = f"{blocks[match[1]]}.{match[2]}"
    if match[3] == "attention.attention.query":
      parts = [arrays[name.replace("query", kind)] for kind in _QKV]
      found[f"{layer}.attn.qkv.{match[4]}"] = np.concatenate(parts)
    elif match[3] in block:
      found[f"{layer}.{block[match[3]]}.{match[4]}"] = array
  return found


def config_of(arrays: Mapping[str, np.ndarray], file: object) -> dict[str, Any]:
  """A config.json in Hugging Face's form, from the shapes of theirs.

  Args:
    arrays: By Hugging Face's names.
    file: For messages.

  Raises:
    InputError: The shapes are no MAE's.
  """
  try:
    width, channels, patch, _ = arrays[_OTHERS["patch_embed.proj.weight"]].shape
    places = arrays[_OTHERS["pos_embed"]].shape[1] - 1
    inner = arrays["decoder.mask_token"].shape[-1]
    hidden, decoder_hidden = (
      len(arrays[f"{layer}.0.intermediate.dense.bias"])
      for layer in _BLOCKS.values()
    )
  except (KeyError, ValueError, IndexError, TypeError) as error:
    raise InputError(f"{file} holds no MAE: {error}") from error
  rows = round(places**0.5)
  heads = 16 if width == 1280 else width // 64
  if rows**2 != places or (width % 64 and width != 1280) or inner % 32:
    raise InputError(
      f"{file}: an MAE of width {width}, decoder width {inner} and {places} "
      "patches is none of the authors': give it with a config.json in Hugging "
      "Face's form, which tells the heads"
    )

  def count(layer):
    pattern = re.escape(layer) + r"\.(\d+)\."
    numbers = [re.match(pattern, name) for name in arrays]
    return 1 + max(int(match[1]) for match in numbers if match)

  return {
    "model_type": "vit_mae",
    "num_channels": channels,
    "image_size": rows * patch,
    "patch_size": patch,
    "hidden_size": width,
    "num_hidden_layers": count(_BLOCKS["blocks"]),
    "num_attention_heads": heads,
    "intermediate_size": hidden,
    "decoder_hidden_size": inner,
    "decoder_num_hidden_layers": count(_BLOCKS["decoder_blocks"]),
    "decoder_num_attention_heads": inner // 32,
    "decoder_intermediate_size": decoder_hidden,
    "layer_norm_eps": 1e-6,
  }
