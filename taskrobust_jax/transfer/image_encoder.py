"""A masked autoencoder's encoder of pictures, for downstream tasks.

It sees all patches of RGB; other modalities that it was shown in pre-training
are left out.
"""

import dataclasses
import math

import jax.numpy as jnp

from taskrobust_jax.errors import InputError
from taskrobust_jax.flops import of_layers
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.multimae import MultiMae
from taskrobust_jax.tasks import modalities
from taskrobust_jax.train.loaded import Loaded
from taskrobust_jax.train.suites import mae_options
from taskrobust_jax.transfer.task import Encoder

_RGB = "rgb"


def image_size(loaded: Loaded) -> tuple[int, int]:
  """(pixels, patches) on a side of the pictures of pre-training.

  Raises:
    InputError: If the model is none of square RGB pictures.
  """
  place = loaded.info["workdir"]
  num_rows, num_columns = loaded.model.options["grid"]
  inputs = loaded.model.options["inputs"]
  patch = math.isqrt(inputs.get(_RGB, 0) // 3)
  if num_rows != num_columns or not patch or 3 * patch**2 != inputs[_RGB]:
    raise InputError(
      f"{place} holds a model of the inputs {', '.join(inputs)} with "
      f"{num_rows} x {num_columns} patches; tasks of pictures need rgb and "
      "squares"
    )
  return num_rows * patch, num_rows


def make_encoder(
  loaded: Loaded, *, drop_path_rate: float, dtype: str
) -> Encoder:
  """The encoder of a pre-trained masked autoencoder, without its decoders.

  Hidden states are [B, 1 + N, D], the global token first.

  Args:
    loaded: From `load`.
    drop_path_rate: In [0, 1), of fine-tuning.
    dtype: "float32" or "bfloat16".

  Raises:
    InputError: If it is no model of pictures, or a value is not legal.
  """
  if not 0 <= drop_path_rate < 1:
    raise InputError(
      f"model.drop_path_rate must be in [0, 1), got {drop_path_rate}"
    )
  size, num_rows = image_size(loaded)
  values, params = loaded.model.options, loaded.params
  changes = {"drop_path_rate": drop_path_rate, "dtype": dtype}
  options = mae_options(
    **{**values, "encoder": {**values["encoder"], **changes}}
  )
  index = list(options.inputs).index(_RGB)
  rgb = {_RGB: options.inputs[_RGB]}
  options = dataclasses.replace(options, inputs=rgb, outputs=rgb)

  def without_decoders(rngs):
    model = MultiMae(options, rngs)
    del model.decoders, model.heads
    return model

  _, apply = functional(without_decoders)
  show = modalities.make(0)[_RGB].show
  num_patches, patch = num_rows**2, size // num_rows

  def encode(params, rows, dropout_key):
    patches = {_RGB: show(rows, patch)}
    shape = (len(rows[_RGB]), num_patches)
    visible = jnp.broadcast_to(jnp.arange(num_patches), shape)
    return apply(params, patches, visible, dropout_key, method="encode")

  def flops(rows):
    del rows
    embedding = 2 * num_patches * rgb[_RGB] * options.encoder.width
    return embedding + of_layers(options.encoder, 1 + num_patches)

  params = {
    **{k: v for k, v in params.items() if k not in ("decoders", "heads")},
    "embed": {_RGB: params["embed"][_RGB]},
    "modality": params["modality"][index : index + 1],
  }
  return Encoder(params, encode, options.encoder.width, flops)
