"""A masked autoencoder of several modalities.

Bachmann et al., MultiMAE (ECCV 2022); with one modality in and out and no
cross-attention, He et al., MAE (CVPR 2022). The encoder sees the visible
patches alone. The K decoders are one module over stacked parameters, mapped
over tasks; output layers stand outside the map, since padding all to the widest
one would cost more than the loop saves.

Deviations: linear layers start normal with deviation .02; a patch of classes is
embedded by one linear layer over its one-hot values.
"""

from collections.abc import Mapping
import dataclasses

from flax import nnx
import jax
import jax.numpy as jnp

from taskrobust_jax.errors import InputError
from taskrobust_jax.models.patches import sine_cosine_positions
from taskrobust_jax.models.transformer import (
  Attention,
  Transformer,
  TransformerOptions,
  dense,
  layer_norm,
)

# name: layers, width, heads of a ViT. The MLP is four times as wide.
SIZES = {
  "tiny": (12, 192, 3),
  "small": (12, 384, 6),
  "base": (12, 768, 12),
  "large": (24, 1024, 16),
}


@dataclasses.dataclass(frozen=True)
class MultiMaeOptions:
  """What a masked autoencoder is made of.

  Attributes:
    grid: (rows, columns) of patches; N is their product.
    inputs: Values in a patch of each modality that is shown.
    outputs: Values in a patch of each modality that is recovered, K of them.
    encoder: Of the encoder; `pre_norm`.
    decoder: Of each decoder's self-attention layers; `pre_norm`.
    has_cross_attention: Whether decoders attend to all visible patches. Without
      it they see the global token and those of their own modality, as MAE's.
    shares_decoder: Whether one decoder serves all tasks, and only output layers
      are a task's own.
  """

  grid: tuple[int, int]
  inputs: Mapping[str, int]
  outputs: Mapping[str, int]
  encoder: TransformerOptions
  decoder: TransformerOptions
  has_cross_attention: bool = True
  shares_decoder: bool = False

  def __post_init__(self):
    if not self.inputs or not self.outputs:
      raise InputError("a masked autoencoder needs inputs and outputs")
    if self.has_cross_attention or self.shares_decoder:
      return
    if blind := [name for name in self.outputs if name not in self.inputs]:
      raise InputError(
        "a decoder without cross-attention sees its own modality alone, so "
        f"outputs must be inputs, got {', '.join(blind)}"
      )


class Decoder(nnx.Module):
  """From visible tokens to features of all patches of one modality."""

  def __init__(self, options: MultiMaeOptions, rngs: nnx.Rngs):
    inner = options.decoder
    self.dtype = inner.dtype
    self.has_cross_attention = options.has_cross_attention
    self.context = dense(options.encoder.width, inner.width, inner.dtype, rngs)
    self.mask_token = _token(inner.width, rngs)
    self.query = _token(inner.width, rngs)
    if self.has_cross_attention:
      shape = (len(options.inputs), inner.width)
      self.modality = nnx.Param(_normal(rngs, shape))
      norm = lambda: layer_norm(inner.width, inner.norm_epsilon, rngs)
      self.query_norm, self.context_norm, self.mlp_norm = norm(), norm(), norm()
      self.attention = Attention(inner, rngs)
      self.mlp_in = dense(inner.width, inner.mlp_width, inner.dtype, rngs)
      self.mlp_out = dense(inner.mlp_width, inner.width, inner.dtype, rngs)
    self.transformer = Transformer(inner, rngs)
    self.norm = layer_norm(inner.width, inner.norm_epsilon, rngs)

  def __call__(
    self,
    encoded: jax.Array,
    visible: jax.Array,
    places: jax.Array,
    positions: jax.Array,
  ) -> jax.Array:
    """Runs the decoder.

    Args:
      encoded: [B, 1 + V, D], the global token first.
      visible: [B, V] int32: modality * N + patch.
      places: [B, N] int32: which visible token is the decoder's own patch, V
        for none.
      positions: [N, D'].

    Returns:
      [B, N, D'] in the compute dtype.
    """
    tokens = self.context(encoded)
    batch, _, width = tokens.shape
    mask_token = jnp.broadcast_to(self.mask_token[...], (batch, 1, width))
    own = jnp.concatenate([tokens[:, 1:], mask_token.astype(self.dtype)], 1)
    x = jnp.take_along_axis(own, places[..., None], axis=1)
    x = (x + positions + self.query[...]).astype(self.dtype)

    if self.has_cross_attention:
      table = (self.modality[...][:, None] + positions).reshape(-1, width)
      context = tokens.at[:, 1:].add(table[visible].astype(self.dtype))
      context = self.context_norm(context).astype(self.dtype)
      shown = self.query_norm(x).astype(self.dtype)
      x = x + self.attention(shown, None, context)
      shown = self.mlp_norm(x).astype(self.dtype)
      hidden = jax.nn.gelu(self.mlp_in(shown), approximate=False)
      x = self.transformer(x + self.mlp_out(hidden))
    else:
      # As in MAE, patches attend to the global token too.
      x = self.transformer(jnp.concatenate([tokens[:, :1], x], axis=1))[:, 1:]
    return self.norm(x).astype(self.dtype)


class MultiMae(nnx.Module):
  """Encoder of visible patches, decoders, output layers."""

  def __init__(self, options: MultiMaeOptions, rngs: nnx.Rngs):
    inner = options.encoder
    self.dtype = inner.dtype
    self.grid = options.grid
    self.input_names = tuple(options.inputs)
    self.output_names = tuple(options.outputs)
    self.shares_decoder = options.shares_decoder
    self.decoder_width = options.decoder.width
    self.embed = nnx.Dict(
      {
        name: dense(size, inner.width, inner.dtype, rngs)
        for name, size in options.inputs.items()
      }
    )
    self.modality = nnx.Param(_normal(rngs, (len(options.inputs), inner.width)))
    self.global_token = _token(inner.width, rngs)
    self.transformer = Transformer(inner, rngs)
    self.norm = layer_norm(inner.width, inner.norm_epsilon, rngs)
    self.num_decoders = 1 if options.shares_decoder else len(options.outputs)

    @nnx.split_rngs(splits=self.num_decoders)
    @nnx.vmap(in_axes=(0,), out_axes=0)
    def stacked_decoders(rngs):
      return Decoder(options, rngs)

    self.decoders = stacked_decoders(rngs)
    self.heads = nnx.Dict(
      {
        name: dense(options.decoder.width, size, inner.dtype, rngs)
        for name, size in options.outputs.items()
      }
    )

  def encode(
    self,
    patches: Mapping[str, jax.Array],
    visible: jax.Array,
    dropout_key: jax.Array | None = None,
  ) -> jax.Array:
    """Hidden states of the visible patches.

    Args:
      patches: Input modality -> [B, N, values].
      visible: [B, V] int32: modality * N + patch, modalities in the order of
        `MultiMaeOptions.inputs`.
      dropout_key: A key, or `None` for no dropout, as in pre-training.

    Returns:
      [B, 1 + V, D] in the compute dtype; the global token comes first.
    """
    positions = sine_cosine_positions(*self.grid, self.norm.num_features)
    owner, place = jnp.divmod(visible, len(positions))
    x = jnp.asarray(positions)[place] + self.modality[...][owner]
    for index, name in enumerate(self.input_names):
      # Taken before they are embedded: V is less than N.
      shown = jnp.take_along_axis(patches[name], place[..., None], axis=1)
      embedded = self.embed[name](shown.astype(self.dtype))
      x += jnp.where((owner == index)[..., None], embedded, 0)
    x = x.astype(self.dtype)
    token = jnp.broadcast_to(
      self.global_token[...].astype(self.dtype), (len(x), 1, x.shape[-1])
    )
    x = jnp.concatenate([token, x], axis=1)
    x = self.transformer(x, dropout_key=dropout_key)
    return self.norm(x).astype(self.dtype)

  def __call__(
    self, patches: Mapping[str, jax.Array], order: jax.Array, num_visible: int
  ) -> dict[str, jax.Array]:
    """Recovers all patches of all output modalities.

    Args:
      patches: Input modality -> [B, N, values].
      order: [B, inputs * N] int32: all patches of all input modalities
        (modality * N + patch), the visible ones first.
      num_visible: V.

    Returns:
      Output modality -> [B, N, values] f32.
    """
    visible = order[:, :num_visible]
    with jax.named_scope("encode"):
      encoded = self.encode(patches, visible)
    num_patches = self.grid[0] * self.grid[1]
    # Where each patch stands in `order`; V or beyond is not visible.
    rank = jnp.minimum(jnp.argsort(order, axis=1), num_visible)
    rank = rank.reshape(len(rank), len(self.input_names), num_patches)
    none = jnp.full_like(rank[:, 0], num_visible)
    owners = self.input_names[:1] if self.shares_decoder else self.output_names
    places = jnp.stack(
      [
        rank[:, self.input_names.index(name)]
        if name in self.input_names
        else none
        for name in owners
      ]
    )
    positions = sine_cosine_positions(*self.grid, self.decoder_width)
    graph, stacked = nnx.split(self.decoders)
    with jax.named_scope("decode"):
      features = jax.vmap(
        lambda params, places: nnx.merge(graph, params)(
          encoded, visible, places, positions
        )
      )(stacked, places)
      return {
        name: self.heads[name](features[k % self.num_decoders]).astype(
          jnp.float32
        )
        for k, name in enumerate(self.output_names)
      }


def _normal(rngs, shape):
  return 0.02 * jax.random.normal(rngs.params(), shape)


def _token(width, rngs):
  return nnx.Param(_normal(rngs, (width,)))
