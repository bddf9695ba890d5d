"""Hand-made features of images, computed on the device: HOG and edges."""

from einops import rearrange, reduce
import jax
import jax.numpy as jnp

from taskrobust_jax.errors import InputError

# Of gradients; below it lies the rounding of pixels in [0, 1].
_ZERO = 1e-6
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601.


def hog(images: jax.Array, bins: int = 9, cell: int = 8) -> jax.Array:
  """Histograms of oriented gradients, as MaskFeat has them.

  Sobel gradients of each colour channel, borders reflected; the magnitude goes
  into the bin floor(bins * atan2(gx, gy) / pi) mod bins (arguments in this
  order, orientation without sign); sums over cells; each histogram is divided
  by its L2 norm, or stays 0. There are no blocks, no window and no
  interpolation between bins.

  A component under 1e-6 counts as 0: else rounding decides between the first
  bin and the last wherever an edge is exactly horizontal.

  Args:
    images: [B, H, W, C] float in [0, 1]; H and W multiples of `cell`.
    bins: >= 1.
    cell: >= 1, pixels.

  Returns:
    [B, H / cell, W / cell, C, bins] f32 in [0, 1].

  Raises:
    InputError: If `cell` does not divide H and W.

  References:
    Wei et al., Masked Feature Prediction for Self-Supervised Visual
    Pre-Training (CVPR 2022), section 3.
  """
  _, height, width, _ = images.shape
  if height % cell or width % cell:
    raise InputError(
      f"images of {height} x {width} pixels: HOG cells of {cell} must divide "
      "both"
    )
  gx, gy = _sobel(images.astype(jnp.float32))
  magnitude = jnp.sqrt(gx**2 + gy**2)
  which = jnp.floor(jnp.arctan2(gx, gy) * (bins / jnp.pi))
  which -= bins * jnp.floor(which / bins)  # Of integers, % is slow on a CPU.
  # Fused by the compiler: no array of all bins at every pixel is made.
  histogram = reduce(
    jnp.where(which[..., None] == jnp.arange(bins), magnitude[..., None], 0.0),
    "b (h i) (w j) c n -> b h w c n",
    "sum",
    i=cell,
    j=cell,
  )
  norm = jnp.linalg.norm(histogram, axis=-1, keepdims=True)
  return histogram / jnp.maximum(norm, 1e-12)


def edges(images: jax.Array) -> jax.Array:
  """Edge strength: the Sobel magnitude of the brightness.

    sqrt((gx^2 + gy^2) / 2),   gx, gy from kernels that sum to 1 on each side

  Args:
    images: [B, H, W, 3] float in [0, 1].

  Returns:
    [B, H, W, 1] f32 in [0, 1].
  """
  brightness = images.astype(jnp.float32) @ jnp.array(_LUMA, jnp.float32)
  gx, gy = _sobel(brightness[..., None])
  return jnp.sqrt((gx**2 + gy**2) / 2) / 4


def _sobel(images: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Gradients along x and y of [B, H, W, C], borders reflected."""
  x = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
  # Differences first: they are exactly 0 between equal pixels.
  across = x[:, :, :-2] - x[:, :, 2:]
  down = x[:, :-2] - x[:, 2:]
  gx = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
  gy = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
  return _without_rounding(gx), _without_rounding(gy)


def _without_rounding(gradient):
  return jnp.where(jnp.abs(gradient) < _ZERO, 0.0, gradient)


def hog_patches(images: jax.Array, patch: int) -> jax.Array:
  """HOG of each patch, the target of MaskFeat.

  Args:
    images: [B, H, W, 3] float in [0, 1].
    patch: Pixels on a side, a multiple of 8.

  Returns:
    [B, N, (patch / 8)^2 * 3 * 9] f32: cells row by row, then channels, then
    bins.
  """
  cells = patch // 8
  return rearrange(
    hog(images),
    "b (h i) (w j) c n -> b (h w) (i j c n)",
    i=cells,
    j=cells,
  )
