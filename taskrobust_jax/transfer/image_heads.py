"""Heads for pictures: one of classes, one with an output for each pixel.

Hidden states are [B, 1 + N, D], the global token first.
"""

from einops import rearrange
from flax import nnx
import jax
import jax.numpy as jnp

from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.transformer import dense, layer_norm
from taskrobust_jax.transfer.task import Head

_EPSILON = 1e-6
_KERNEL = 7  # Of ConvNeXt's depthwise convolutions.
_LAYER_SCALE = 1e-6


def patch_mean(width: int, num_classes: int) -> Head:
  """A head of classes: mean over patches, layer norm, dense.

  As He et al., MAE (2022), fine-tune with mean pooling. They probe a frozen
  encoder with batch norm in the place of layer norm.

  Args:
    width: D.
    num_classes: C; outputs are [B, C].
  """
  init, apply = functional(lambda rngs: _Classes(width, num_classes, rngs))
  return Head(
    init,
    lambda hidden, rows: hidden[:, 1:].astype(jnp.float32).mean(1),
    lambda params, features, key: apply(params, features),
    flops=2 * width * num_classes,
  )


def convnext(
  width: int,
  num_outputs: int,
  *,
  num_rows: int,
  image_size: int,
  channels: int,
  cells: int,
  num_blocks: int,
) -> Head:
  """A head with outputs for each pixel, from a few ConvNeXt blocks.

  Bachmann et al., MultiMAE (2022): a dense layer makes each patch `cells` x
  `cells` cells; ConvNeXt blocks (Liu et al., 2022) and a dense layer follow;
  bilinear interpolation makes pixels of cells. They use it for segmentation
  with 384 channels, 4 cells and 4 blocks.

  Args:
    width: D.
    num_outputs: C; outputs are [B, H, W, C].
    num_rows: Patches on a side.
    image_size: H = W.
    channels: Of a cell.
    cells: On a side of a patch.
    num_blocks: ConvNeXt blocks.
  """
  init, apply = functional(
    lambda rngs: _ConvNext(
      width,
      num_outputs,
      num_rows,
      image_size,
      channels,
      cells,
      num_blocks,
      rngs,
    )
  )
  patches, places = num_rows**2, (num_rows * cells) ** 2
  block = channels * (_KERNEL**2 + 8 * channels)
  return Head(
    init,
    lambda hidden, rows: hidden[:, 1:],
    lambda params, features, key: apply(params, features),
    flops=2 * patches * width * cells**2 * channels
    + 2 * places * (num_blocks * block + channels * num_outputs),
  )


class _Classes(nnx.Module):
  def __init__(self, width, num_classes, rngs):
    self.norm = layer_norm(width, _EPSILON, rngs)
    self.out = dense(width, num_classes, jnp.float32, rngs)

  def __call__(self, x: jax.Array) -> jax.Array:
    return self.out(self.norm(x))


class _Block(nnx.Module):
  """A ConvNeXt block over [B, H, W, C]."""

  def __init__(self, channels, rngs):
    self.convolution = nnx.Conv(
      channels,
      channels,
      (_KERNEL, _KERNEL),
      feature_group_count=channels,
      kernel_init=nnx.initializers.truncated_normal(0.02),
      rngs=rngs,
    )
    self.norm = layer_norm(channels, _EPSILON, rngs)
    self.mlp_in = dense(channels, 4 * channels, jnp.float32, rngs)
    self.mlp_out = dense(4 * channels, channels, jnp.float32, rngs)
    self.scale = nnx.Param(jnp.full(channels, _LAYER_SCALE))

  def __call__(self, x: jax.Array) -> jax.Array:
    added = self.mlp_in(self.norm(self.convolution(x)))
    return x + self.scale[...] * self.mlp_out(
      jax.nn.gelu(added, approximate=False)
    )


class _ConvNext(nnx.Module):
  def __init__(
    self,
    width,
    num_outputs,
    num_rows,
    image_size,
    channels,
    cells,
    num_blocks,
    rngs,
  ):
    self.num_rows, self.image_size, self.cells = num_rows, image_size, cells
    self.enter = dense(width, cells**2 * channels, jnp.float32, rngs)
    self.blocks = nnx.List([_Block(channels, rngs) for _ in range(num_blocks)])
    self.out = dense(channels, num_outputs, jnp.float32, rngs)

  def __call__(self, x: jax.Array) -> jax.Array:
    x = rearrange(
      self.enter(x.astype(jnp.float32)),
      "b (h w) (p q c) -> b (h p) (w q) c",
      h=self.num_rows,
      p=self.cells,
      q=self.cells,
    )
    for block in self.blocks:
      x = block(x)
    x = self.out(x)
    shape = (len(x), self.image_size, self.image_size, x.shape[-1])
    return jax.image.resize(x, shape, "bilinear")
