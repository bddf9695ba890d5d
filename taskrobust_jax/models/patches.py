"""Images as patches, and where a patch is, in MAE's order and formulas."""

from einops import rearrange
import jax
import numpy as np

from taskrobust_jax.errors import InputError


def to_patches(images: jax.Array, patch: int) -> jax.Array:
  """Cuts images into patches.

  Args:
    images: [B, H, W, C]; H and W multiples of `patch`.
    patch: Pixels on a side.

  Returns:
    [B, N, patch * patch * C]: patches row by row; in each, pixels row by row,
    their channels together.
  """
  return rearrange(
    images, "b (h p) (w q) c -> b (h w) (p q c)", p=patch, q=patch
  )


def from_patches(patches: jax.Array, patch: int, num_rows: int) -> jax.Array:
  """The inverse of `to_patches`; `num_rows` is H / patch."""
  return rearrange(
    patches,
    "b (h w) (p q c) -> b (h p) (w q) c",
    h=num_rows,
    p=patch,
    q=patch,
  )


def sine_cosine_positions(
  num_rows: int, num_columns: int, width: int
) -> np.ndarray:
  """Fixed positions of a grid of patches.

    [sin(x w), cos(x w), sin(y w), cos(y w)],   w_i = 10000^(-4 i / width)

  x is the column and comes first, as in MAE's code.

  Args:
    num_rows: Of the grid.
    num_columns: Of the grid.
    width: D, a multiple of 4.

  Returns:
    [num_rows * num_columns, D] f32.

  Raises:
    InputError: If 4 does not divide D.
  """
  if width % 4:
    raise InputError(
      f"sine-cosine positions need a width that 4 divides, got {width}"
    )
  frequency = 10_000.0 ** (-np.arange(width // 4) / (width // 4))
  y, x = np.mgrid[:num_rows, :num_columns]
  parts = []
  for place in (x, y):
    angle = place.reshape(-1, 1) * frequency
    parts += [np.sin(angle), np.cos(angle)]
  return np.concatenate(parts, axis=1).astype(np.float32)
