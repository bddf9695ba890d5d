"""Heads: small models that are trained anew for each downstream task."""

from einops import rearrange
from flax import nnx
import jax
import jax.numpy as jnp

from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.transformer import dense, drop
from taskrobust_jax.transfer.task import Head


class _Pooled(nnx.Module):
  """BERT's: dense and tanh (the pooler), dropout, dense."""

  def __init__(self, width, num_outputs, dropout_rate, rngs):
    self.pooler = dense(width, width, jnp.float32, rngs)
    self.dropout_rate = dropout_rate
    self.out = dense(width, num_outputs, jnp.float32, rngs)

  def __call__(self, x: jax.Array, dropout_key: jax.Array | None) -> jax.Array:
    x = jnp.tanh(self.pooler(x.astype(jnp.float32)))
    return self.out(drop(self.dropout_rate, x, dropout_key))


class _Linear(nnx.Module):
  """Dropout, dense."""

  def __init__(self, width, num_outputs, dropout_rate, rngs):
    self.dropout_rate = dropout_rate
    self.out = dense(width, num_outputs, jnp.float32, rngs)

  def __call__(self, x: jax.Array, dropout_key: jax.Array | None) -> jax.Array:
    return self.out(drop(self.dropout_rate, x.astype(jnp.float32), dropout_key))


def first_token(width: int, num_outputs: int, dropout_rate: float) -> Head:
  """A head for whole rows, from the hidden state of the first token.

  Devlin et al., BERT (2019): the hidden state of [CLS] goes through a pooler
  (dense, tanh) and dropout into a dense layer. As our pre-training trains no
  pooler, it begins at random.

  Args:
    width: D; hidden states are [B, L, D].
    num_outputs: C; outputs are [B, C].
    dropout_rate: In [0, 1).
  """
  init, apply = functional(
    lambda rngs: _Pooled(width, num_outputs, dropout_rate, rngs)
  )
  return Head(
    init,
    lambda hidden, rows: rearrange(hidden[:, :1], "b 1 d -> b d"),
    apply,
    flops=2 * width * (width + num_outputs),
  )


def every_token(
  width: int, num_outputs: int, dropout_rate: float, length: int
) -> Head:
  """A head for each token: dropout and a dense layer.

  Args:
    width: D; hidden states are [B, L, D].
    num_outputs: C; outputs are [B, L, C].
    dropout_rate: In [0, 1).
    length: L.
  """
  init, apply = functional(
    lambda rngs: _Linear(width, num_outputs, dropout_rate, rngs)
  )
  return Head(
    init,
    lambda hidden, rows: hidden,
    apply,
    flops=2 * length * width * num_outputs,
  )
