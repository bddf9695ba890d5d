"""Heads: from hidden states to predictions."""

from flax import nnx
import jax
import jax.numpy as jnp

from taskrobust_jax.models.transformer import (
  TransformerOptions,
  dense,
  layer_norm,
)


class MaskedLanguageHead(nnx.Module):
  """BERT's vocabulary projection: dense, gelu, norm, tied embedding, bias."""

  def __init__(
    self, options: TransformerOptions, vocabulary_size: int, rngs: nnx.Rngs
  ):
    self.dtype = options.dtype
    self.transform = dense(options.width, options.width, options.dtype, rngs)
    self.norm = layer_norm(options.width, options.norm_epsilon, rngs)
    self.bias = nnx.Param(jnp.zeros(vocabulary_size))

  def __call__(self, hidden: jax.Array, embedding: jax.Array) -> jax.Array:
    """hidden [B, M, D], embedding [V, D] -> logits [B, M, V] f32."""
    x = jax.nn.gelu(self.transform(hidden), approximate=False)
    x = self.norm(x).astype(self.dtype)
    logits = jnp.einsum(
      "bmd,vd->bmv",
      x,
      embedding.astype(self.dtype),
      preferred_element_type=jnp.float32,
    )
    return logits + self.bias[...]
