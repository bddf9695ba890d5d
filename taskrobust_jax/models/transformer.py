"""A transformer whose layers are stacked parameters.

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
    pre_norm: Whether norms stand before the sublayers, as in ViT, instead of
      after them, as in BERT. The stack's output then has no norm.
    unroll: Whether the layers are unrolled in the compiled program: faster
      steps on a CPU, slower compilation.
    drop_path_rate: In [0, 1): for what share of the rows a sublayer adds
      nothing, in the last layer; in those before it less, in the first none.
    remat: Whether the backward pass computes each layer again: several times
      less memory.
    remat_saves: What is not computed again, a key of `REMAT_SAVES`: "nothing"
      but a layer's input is kept, a third more arithmetic; or "products" of
      activations and params, after which little is left to compute but
      attention.
    attention: "xla", or "cudnn": fused, for NVIDIA GPUs and bfloat16.
  """

  num_layers: int
  width: int
  num_heads: int
  mlp_width: int
  dropout_rate: float = 0.1
  dtype: Any = jnp.float32
  norm_epsilon: float = 1e-12
  pre_norm: bool = False
  unroll: bool = True
  remat: bool = False
  drop_path_rate: float = 0.0
  remat_saves: str = "nothing"
  attention: str = "xla"


REMAT_SAVES = {
  "nothing": jax.checkpoint_policies.nothing_saveable,
  "products": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


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


class Attention(nnx.Module):
  """Multi-head attention, softmax in float32."""

  def __init__(self, options: TransformerOptions, rngs: nnx.Rngs):
    width, dtype = options.width, options.dtype
    self.num_heads = options.num_heads
    self.implementation: Any = options.attention
    self.query = dense(width, width, dtype, rngs)
    self.key = dense(width, width, dtype, rngs)
    self.value = dense(width, width, dtype, rngs)
    self.out = dense(width, width, dtype, rngs)

  def __call__(
    self,
    x: jax.Array,
    mask: jax.Array | None,
    context: jax.Array | None = None,
  ) -> jax.Array:
    """Attends to itself or to a context.

    Args:
      x: [B, L, D].
      mask: [B, 1, L, S] bool, True where a position may attend; all if `None`.
      context: [B, S, D] to attend to; `x` if `None`.

    Returns:
      [B, L, D].
    """
    context = x if context is None else context
    query, key, value = (
      rearrange(project(of), "b l (h d) -> b l h d", h=self.num_heads)
      for project, of in (
        (self.query, x),
        (self.key, context),
        (self.value, context),
      )
    )
    attended = jax.nn.dot_product_attention(
      query, key, value, mask=mask, implementation=self.implementation
    )
    return self.out(rearrange(attended, "b l h d -> b l (h d)"))


class Layer(nnx.Module):
  """Attention, then an MLP, each added to its input.

  x <- norm(x + f(x)) for both, or x <- x + f(norm(x)) if `pre_norm`.
  """

  def __init__(self, options: TransformerOptions, rngs: nnx.Rngs):
    width, dtype = options.width, options.dtype
    self.dtype = dtype
    self.pre_norm = options.pre_norm
    self.attention = Attention(options, rngs)
    self.attention_norm = layer_norm(width, options.norm_epsilon, rngs)
    self.mlp_in = dense(width, options.mlp_width, dtype, rngs)
    self.mlp_out = dense(options.mlp_width, width, dtype, rngs)
    self.mlp_norm = layer_norm(width, options.norm_epsilon, rngs)
    self.dropout_rate = options.dropout_rate

  def __call__(
    self,
    x: jax.Array,
    mask: jax.Array | None,
    dropout_key: jax.Array | None,
    drop_path_rate: jax.Array | None,
  ) -> jax.Array:
    """See `Transformer`; the rate is this layer's own, `None` for 0."""
    keys = split_key(dropout_key, 2)
    attend = lambda x: self.attention(x, mask)
    x = self._add(attend, self.attention_norm, x, keys[0], drop_path_rate)
    return self._add(self.mlp, self.mlp_norm, x, keys[1], drop_path_rate)

  def mlp(self, x: jax.Array) -> jax.Array:
    """[..., D] -> [..., D]."""
    return self.mlp_out(jax.nn.gelu(self.mlp_in(x), approximate=False))

  def _add(self, function, norm, x, key, drop_path_rate):
    shown = norm(x).astype(self.dtype) if self.pre_norm else x
    path_key = None
    if drop_path_rate is not None:
      key, path_key = split_key(key, 2)
    added = drop(self.dropout_rate, function(shown), key)
    if path_key is not None:
      added = drop_path(added, drop_path_rate, path_key)
    return x + added if self.pre_norm else norm(x + added).astype(self.dtype)


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
    self.remat_saves = options.remat_saves
    self.drop_path_rate = options.drop_path_rate

  def __call__(
    self,
    x: jax.Array,
    mask: jax.Array | None = None,
    dropout_key: jax.Array | None = None,
  ) -> jax.Array:
    """Runs the stack.

    Args:
      x: [B, L, D].
      mask: [B, 1, L, L] bool, True where a position may attend; all if `None`.
      dropout_key: A key for each row [B], or one for all rows together, or
        `None` for no dropout.

    Returns:
      [B, L, D].
    """
    graph, stacked = nnx.split(self.layers)
    keys = rates = None
    if dropout_key is not None:
      keys = split_key(dropout_key, self.num_layers)
    if self.drop_path_rate:
      rates = jnp.linspace(0.0, self.drop_path_rate, self.num_layers)

    def body(x, layer):
      params, key, rate = layer
      return nnx.merge(graph, params)(x, mask, key, rate), None

    if self.remat:
      # A loop's body cannot be merged with the forward pass by the compiler.
      body = jax.checkpoint(
        body,
        prevent_cse=self.unroll,
        policy=REMAT_SAVES[self.remat_saves],
      )
    unroll = self.num_layers if self.unroll else 1
    return jax.lax.scan(body, x, (stacked, keys, rates), unroll=unroll)[0]


def drop(rate: float, x: jax.Array, key: jax.Array | None) -> jax.Array:
  """Dropout; what is kept is scaled so that the mean stays.

  A number is kept by 16 random bits: two of them are made of one draw, which
  is the larger part of what dropout costs. The rate that is meant is the
  nearest multiple of 2^-16.

  Args:
    rate: In [0, 1).
    x: [..., D].
    key: One for each of x's first axis, or one for all; `None` for no dropout.

  Returns:
    As x.
  """
  if key is None or rate == 0:
    return x
  if key.ndim:
    return jax.vmap(lambda x, key: drop(rate, x, key))(x, key)
  *rows, width = x.shape
  words = jax.random.bits(key, (*rows, -(-width // 2)), jnp.uint32)
  # Otherwise the compiler draws them anew for each half.
  words = jax.lax.optimization_barrier(words)
  bits = jnp.concatenate([words & 0xFFFF, words >> 16], axis=-1)[..., :width]
  num_kept = round((1 - rate) * 2**16)
  return jnp.where(bits < num_kept, x * (2**16 / num_kept), 0).astype(x.dtype)


def split_key(key: jax.Array | None, count: int) -> Any:
  """`count` keys of one, or of each row's [count, B], or `None` of `None`."""
  if key is None:
    return (None,) * count
  if key.ndim:
    return jax.vmap(jax.random.split, (0, None), 1)(key, count)
  return jax.random.split(key, count)


def drop_path(x: jax.Array, rate: jax.Array, key: jax.Array) -> jax.Array:
  """Stochastic depth (Huang et al., 2016): drops whole rows of [B, L, D].

  The others are scaled so that the mean stays. The key is one, or each row's.
  """
  if key.ndim:
    is_kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate))(key)
  else:
    is_kept = jax.random.bernoulli(key, 1 - rate, (len(x),))
  return jnp.where(is_kept[:, None, None], x / (1 - rate).astype(x.dtype), 0)
