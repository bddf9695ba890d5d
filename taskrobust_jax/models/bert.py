"""BERT, for rows that hold several documents.

Devlin et al., BERT (2019). Deviations: attention stays inside a document of a
packed row and positions restart with each; attention probabilities are not
dropped; no next-sentence task, no pooler.
"""

import dataclasses

from flax import nnx
import jax
import jax.numpy as jnp

from taskrobust_jax.models.heads import MaskedLanguageHead
from taskrobust_jax.models.transformer import (
  Transformer,
  TransformerOptions,
  drop,
  layer_norm,
  split_key,
)

# name: layers, width, heads. The MLP is four times as wide.
SIZES = {
  "tiny": (2, 128, 2),
  "mini": (4, 256, 4),
  "small": (4, 512, 8),
  "medium": (8, 512, 8),
  "base": (12, 768, 12),
  "large": (24, 1024, 16),
}
NUM_TOKEN_TYPES = 2  # The two sentences of a pair, in downstream tasks.


@dataclasses.dataclass(frozen=True)
class BertOptions:
  """What a BERT is made of.

  Attributes:
    vocabulary_size: V.
    max_length: The longest document, in pieces.
    transformer: The encoder.
  """

  vocabulary_size: int
  max_length: int
  transformer: TransformerOptions


class Bert(nnx.Module):
  """Embeddings, transformer, masked-language head."""

  def __init__(self, options: BertOptions, rngs: nnx.Rngs):
    inner = options.transformer
    self.dtype = inner.dtype

    def embedding(count):
      return nnx.Embed(
        count,
        inner.width,
        dtype=inner.dtype,
        embedding_init=nnx.initializers.truncated_normal(0.02),
        rngs=rngs,
      )

    self.word = embedding(options.vocabulary_size)
    self.position = embedding(options.max_length)
    self.token_type = embedding(NUM_TOKEN_TYPES)
    self.norm = layer_norm(inner.width, inner.norm_epsilon, rngs)
    self.dropout_rate = inner.dropout_rate
    self.transformer = Transformer(inner, rngs)
    self.head = MaskedLanguageHead(inner, options.vocabulary_size, rngs)

  def encode(
    self,
    tokens: jax.Array,
    segment_ids: jax.Array,
    positions: jax.Array,
    dropout_key: jax.Array | None = None,
    token_types: jax.Array | None = None,
  ) -> jax.Array:
    """Hidden states of every position.

    Args:
      tokens: [B, L] int32 in [0, V).
      segment_ids: [B, L] int32: which document of the row, 0 for padding.
        Positions attend within their document only.
      positions: [B, L] int32 in [0, max_length).
      dropout_key: A key for each row [B], or one for all rows together, or
        `None` for no dropout.
      token_types: [B, L] int32; all 0 if `None`.

    Returns:
      [B, L, D] in the compute dtype.
    """
    keys = split_key(dropout_key, 2)
    if token_types is None:
      token_types = jnp.zeros_like(tokens)
    x = self.word(tokens) + self.position(positions)
    x = self.norm(x + self.token_type(token_types)).astype(self.dtype)
    x = drop(self.dropout_rate, x, keys[0])
    # Padding is a document of its own, so no position is without a partner.
    mask = segment_ids[:, None, :, None] == segment_ids[:, None, None, :]
    return self.transformer(x, mask, keys[1])

  def __call__(
    self,
    tokens: jax.Array,
    segment_ids: jax.Array,
    positions: jax.Array,
    targets_at: jax.Array,
    dropout_key: jax.Array | None = None,
  ) -> jax.Array:
    """Predictions of the vocabulary, at chosen positions only.

    Args:
      tokens: [B, L] int32, masked.
      segment_ids: [B, L] int32.
      positions: [B, L] int32.
      targets_at: [B, M] int32 in [0, L): where to predict.
      dropout_key: A key, or `None` for no dropout.

    Returns:
      Logits [B, M, V] f32.
    """
    with jax.named_scope("encode"):
      hidden = self.encode(tokens, segment_ids, positions, dropout_key)
    with jax.named_scope("decode"):
      chosen = jnp.take_along_axis(hidden, targets_at[..., None], axis=1)
      return self.predict(chosen)

  def predict(self, hidden: jax.Array) -> jax.Array:
    """Hidden states [B, M, D] -> logits [B, M, V] f32."""
    return self.head(hidden, self.word.embedding[...])
