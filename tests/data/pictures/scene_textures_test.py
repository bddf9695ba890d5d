"""Textures: known cells, a range, no jump where noise has none."""

import numpy as np

from taskrobust_jax.data.pictures import scene_textures


def mixture(kind, points):
  points = np.array(points, np.float32).reshape(3, -1)
  count = points.shape[1]
  directions = np.tile(np.array([[1], [0], [0]], np.float32), count)
  return scene_textures.mixture(np.full(count, kind), points, directions)


def test_cells_of_a_checker_and_of_stripes():
  points = np.array([[0.5, 1.5, -0.5, 1.5], [0.5, 0.5, 0.5, 1.5], [0.5] * 4])
  assert mixture(scene_textures.CHECKER, points).tolist() == [0, 1, 1, 0]
  assert mixture(scene_textures.STRIPES, points).tolist() == [0, 1, 1, 1]
  assert mixture(scene_textures.PLAIN, points).tolist() == [0] * 4


def test_noise_and_marble_vary_smoothly_in_their_range():
  x = np.linspace(-20, 20, 8001)
  points = np.stack([x, 0.3 * x, -0.2 * x])
  for kind in (scene_textures.NOISE, scene_textures.MARBLE):
    share = mixture(kind, points)
    assert 0 <= share.min() < 0.1
    assert 0.9 < share.max() <= 1
    assert abs(np.diff(share)).max() < 0.08
