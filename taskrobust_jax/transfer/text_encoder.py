"""BERT as an encoder of downstream tasks."""

import jax.numpy as jnp

from taskrobust_jax.flops import of_layers
from taskrobust_jax.models.bert import Bert
from taskrobust_jax.models.functional import functional
from taskrobust_jax.train.loaded import Loaded
from taskrobust_jax.train.suites import bert_options
from taskrobust_jax.transfer.task import Encoder


def make_encoder(loaded: Loaded, *, dropout_rate: float, dtype: str) -> Encoder:
  """The encoder of a pre-trained BERT, without its masked-language head.

  Args:
    loaded: From `load`.
    dropout_rate: In [0, 1), of fine-tuning.
    dtype: "float32" or "bfloat16".

  Raises:
    InputError: If it is no model of text, or a value is not legal.
  """
  options = loaded.model.options
  options = bert_options(
    **{**options, "dropout_rate": dropout_rate, "dtype": dtype}
  )

  def without_head(rngs):
    model = Bert(options, rngs)
    del model.head
    return model

  _, apply = functional(without_head)

  def encode(params, rows, dropout_key):
    tokens = rows["tokens"]
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    is_token = positions < rows["lengths"][:, None]
    return apply(
      params,
      tokens,
      is_token.astype(jnp.int32),
      positions,
      dropout_key,
      rows["token_types"],
      method="encode",
    )

  def flops(rows):
    return of_layers(options.transformer, rows["tokens"].shape[1])

  params = {k: v for k, v in loaded.params.items() if k != "head"}
  return Encoder(params, encode, options.transformer.width, flops)
