"""Which pixels may see a sphere; rays that are parallel to faces."""

import math

import numpy as np
import pytest

from taskrobust_jax.data.pictures import scene_geometry

FLOATS = np.float32


def as_vectors(*vectors):
  return tuple(np.array(column, FLOATS) for column in zip(*vectors))


@pytest.mark.parametrize("solid", [0, 1, 2])
def test_rays_along_the_axes_meet_or_miss(solid):
  half = np.array([1, 1, 1], FLOATS)
  origins = as_vectors((-3, 0, 0), (0, -3, 0), (0, 0, 3), (-3, 2, 0), (3, 0, 0))
  along = as_vectors((1, 0, 0), (0, 2, 0), (0, 0, -1), (1, 0, 0), (1, 0, 0))
  t = scene_geometry.first_hit(solid, half, origins, along)
  assert t.dtype == FLOATS
  # The last but one passes by; the last has it behind.
  assert t == pytest.approx([2, 1, 2, math.inf, math.inf])


def test_no_pixel_outside_of_the_window_sees_the_sphere():
  rng = np.random.default_rng(0)
  size, focal = 40, 36.0
  middle = (np.arange(size) + 0.5 - size / 2) / focal
  x, y = np.meshgrid(middle, middle)
  used = 0
  for _ in range(300):
    centre = rng.uniform([-4, -4, -2], [4, 4, 6])
    radius = rng.uniform(0.1, 1.5)
    if np.linalg.norm(centre) <= radius:
      continue
    toward = np.stack([x, y, np.ones_like(x)], -1)
    toward /= np.linalg.norm(toward, axis=-1, keepdims=True)
    along = toward @ centre
    distance = np.linalg.norm(centre - along[..., None] * toward, axis=-1)
    sees = (along > 0) & (distance < radius)
    window = scene_geometry.pixels_of_sphere(centre, radius, focal, size)
    if window is None:
      assert not sees.any()
      continue
    used += 1
    assert sees[window].sum() == sees.sum()
    if sees.any() and not (sees[:, [0, -1]].any() or sees[[0, -1]].any()):
      # All of it is in view: the window is not much larger than needed.
      rows = np.nonzero(sees.any(axis=1))[0]
      assert window[0].stop - window[0].start <= rows[-1] - rows[0] + 7
  assert used > 50


def test_bounding_radius():
  half = np.array([3, 4, 12], FLOATS)
  box = scene_geometry.bounding_radius(scene_geometry.BOX, half)
  assert box == pytest.approx(13)
  half = np.array([5, 5, 12], FLOATS)
  cylinder = scene_geometry.bounding_radius(scene_geometry.CYLINDER, half)
  assert cylinder == pytest.approx(13)
