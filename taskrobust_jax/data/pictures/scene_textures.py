"""Textures of surfaces: functions of a point in space, so without seams."""

import numpy as np

PLAIN, CHECKER, STRIPES, NOISE, MARBLE = range(5)
KINDS = ("plain", "checker", "stripes", "noise", "marble")
_SIDE = 16  # The noise repeats after so many cells, a power of 2.
_LATTICE = (
  np.random.Generator(np.random.Philox(key=0))
  .random(_SIDE**3)
  .astype(np.float32)
)


def mixture(
  kinds: np.ndarray, points: np.ndarray, directions: np.ndarray
) -> np.ndarray:
  """How much of the second colour a surface has at points.

  Args:
    kinds: [n] of PLAIN, CHECKER, STRIPES, NOISE or MARBLE.
    points: float32 [3, n] in units of the texture's cells.
    directions: float32 [3, n], across stripes and marble.

  Returns:
    float32 [n], 0 to 1.
  """
  share = np.zeros(kinds.shape, np.float32)
  (found,) = np.nonzero(kinds == CHECKER)
  if found.size:
    cells = np.floor(points.take(found, axis=1)).astype(np.int32)
    share[found] = cells.sum(axis=0) & 1
  (found,) = np.nonzero(kinds == STRIPES)
  if found.size:
    along = np.einsum(
      "in,in->n", points.take(found, axis=1), directions.take(found, axis=1)
    )
    share[found] = np.floor(along).astype(np.int32) & 1
  (found,) = np.nonzero((kinds == NOISE) | (kinds == MARBLE))
  if found.size:
    chosen = points.take(found, axis=1)
    cloud = 0.6 * _noise(chosen) + 0.4 * _noise(chosen * np.float32(2.17))
    along = np.einsum("in,in->n", chosen, directions.take(found, axis=1))
    wave = 0.5 + 0.5 * np.sin(np.float32(np.pi) * (along + 3 * cloud))
    # The mean of many uniform numbers is seldom near 0 or 1.
    cloud = np.clip(2.2 * cloud - 0.6, 0, 1)
    share[found] = np.where(kinds[found] == MARBLE, wave, cloud)
  return share


def _noise(points):
  """Value noise: random numbers on a lattice, smoothly interpolated."""
  floor = np.floor(points)
  part = points - floor
  part *= part * (3 - 2 * part)
  cells = floor.astype(np.int32)
  low, high = cells & (_SIDE - 1), (cells + 1) & (_SIDE - 1)
  x, y, z = part
  rows = [
    _LATTICE.take((a[0] * _SIDE + b[1]) * _SIDE + c[2])
    for a in (low, high)
    for b in (low, high)
    for c in (low, high)
  ]
  pairs = [a + z * (b - a) for a, b in zip(rows[::2], rows[1::2], strict=True)]
  first, second = (
    a + y * (b - a) for a, b in zip(pairs[::2], pairs[1::2], strict=True)
  )
  return first + x * (second - first)
