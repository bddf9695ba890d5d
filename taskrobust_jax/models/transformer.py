"""A post-norm transformer encoder whose layers are stacked parameters.

Layers are one pytree with a leading layer axis, run by `lax.scan`; `unroll`
chooses between a compiled loop and straight-line code without changing what is
saved.
"""

import dataclasses
from typing import Any

from einops import rearrange
from flax import nnx
import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class TransformerOptions:
  """What a transformer is made of.

  Attributes:
    num_layers: >= 1.
    width: D, divisible by `num_heads`.
    num_heads: H.
    mlp_width: Width inside the MLP.
    dropout_rate: In [0, 1). Applied to what each sublayer adds. Attention
      probabilities are not dropped: fused attention kernels cannot.
    dtype: Of matrix products and activations. Params, norms and softmax are
      float32.
    norm_epsilon: Of layer norm.
    unroll: Whether the layers are unrolled in the compiled program: faster
      steps on a CPU, slower compilation.
    remat: Whether the backward pass computes each layer again, from its input,
      which alone is kept: a third more arithmetic, several times less memory.
  """

  num_layers: int
  width: int
  num_heads: int
  mlp_width: int
  dropout_rate: float = 0.1
  dtype: Any = jnp.float32
  norm_epsilon: float = 1e-12
  unroll: bool = True
  remat: bool = False


def dense(
  width_in: int, width_out: int, dtype: Any, rngs: nnx.Rngs
) -> nnx.Linear:
  """A linear layer with BERT's initialisation: normal, deviation .02, cut."""
  init = nnx.initializers.truncated_normal(0.02)
  return nnx.Linear(
    width_in, width_out, dtype=dtype, kernel_init=init, rngs=rngs
  )


def layer_norm(width: int, epsilon: float, rngs: nnx.Rngs) -> nnx.LayerNorm:
  """Layer norm in float32."""
  return nnx.LayerNorm(width, epsilon=epsilon, dtype=jnp.float32, rngs=rngs)


class SelfAttention(nnx.Module):
  """Multi-head self-attention, softmax in float32."""

  def __init__(self, options: TransformerOptions, rngs: nnx.Rngs):
    width, dtype = options.width, options.dtype
    self.num_heads = options.num_heads
    self.query = dense(width, width, dtype, rngs)
    self.key = dense(width, width, dtype, rngs)
    self.value = dense(width, width, dtype, rngs)
    self.out = dense(width, width, dtype, rngs)

  def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
    """x [B, L, D], mask [B, 1, L, L] bool (True: may attend) -> [B, L, D]."""
    query, key, value = (
      rearrange(project(x), "b l (h d) -> b l h d", h=self.num_heads)
      for project in (self.query, self.key, self.value)
    )
    attended = jax.nn.dot_product_attention(query, key, value, mask=mask)
    return self.out(rearrange(attended, "b l h d -> b l (h d)"))


class Layer(nnx.Module):
  """One post-norm layer: x <- norm(x + attention(x)); x <- norm(x + mlp(x))."""

  def __init__(self, options: TransformerOptions, rngs: nnx.Rngs):
    width, dtype = options.width, options.dtype
    self.dtype = dtype
    self.attention = SelfAttention(options, rngs)
    self.attention_norm = layer_norm(width, options.norm_epsilon, rngs)
    self.mlp_in = dense(width, options.mlp_width, dtype, rngs)
    self.mlp_out = dense(options.mlp_width, width, dtype, rngs)
    self.mlp_norm = layer_norm(width, options.norm_epsilon, rngs)
    self.dropout = nnx.Dropout(options.dropout_rate)

  def __call__(
    self, x: jax.Array, mask: jax.Array, dropout_key: jax.Array | None
  ) -> jax.Array:
    """See `Transformer`."""
    keys = (None, None)
    if dropout_key is not None:
      keys = jax.random.split(dropout_key)
    added = drop(self.dropout, self.attention(x, mask), keys[0])
    x = self.attention_norm(x + added).astype(self.dtype)
    added = self.mlp_out(jax.nn.gelu(self.mlp_in(x), approximate=False))
    added = drop(self.dropout, added, keys[1])
    return self.mlp_norm(x + added).astype(self.dtype)


class Transformer(nnx.Module):
  """A stack of layers."""

  def __init__(self, options: TransformerOptions, rngs: nnx.Rngs):
    @nnx.split_rngs(splits=options.num_layers)
    @nnx.vmap(in_axes=(0,), out_axes=0)
    def stacked_layers(rngs):
      return Layer(options, rngs)

    self.layers = stacked_layers(rngs)
    self.num_layers = options.num_layers
    self.unroll = options.unroll
    self.remat = options.remat

  def __call__(
    self,
    x: jax.Array,
    mask: jax.Array,
    dropout_key: jax.Array | None = None,
  ) -> jax.Array:
    """Runs the stack.

    Args:
      x: [B, L, D].
      mask: [B, 1, L, L] bool, True where a position may attend.
      dropout_key: A key, or `None` for no dropout.

    Returns:
      [B, L, D].
    """
    graph, stacked = nnx.split(self.layers)
    keys = None
    if dropout_key is not None:
      keys = jax.random.split(dropout_key, self.num_layers)

    def body(x, layer):
      params, key = layer
      return nnx.merge(graph, params)(x, mask, key), None

    if self.remat:
      # A loop's body cannot be merged with the forward pass by the compiler.
      body = jax.checkpoint(body, prevent_cse=self.unroll)
    unroll = self.num_layers if self.unroll else 1
    return jax.lax.scan(body, x, (stacked, keys), unroll=unroll)[0]


def drop(
  dropout: nnx.Dropout, x: jax.Array, key: jax.Array | None
) -> jax.Array:
  """Dropout with an explicit key; none without one."""
  return dropout(x, deterministic=key is None, rngs=key)
