"""Heads of pictures: what they read, and a ConvNeXt block in NumPy."""

import jax
import numpy as np
from scipy import ndimage, special

from taskrobust_jax.transfer import image_heads


def init(head):
  return jax.device_get(jax.jit(head.init)(jax.random.key(0)))


def test_classes_are_from_the_normed_mean_of_patches():
  head = image_heads.patch_mean(8, 3)
  hidden = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
  features = head.features(hidden, {})
  np.testing.assert_allclose(features, hidden[:, 1:].mean(1), rtol=1e-5)
  params = jax.tree.map(lambda x: x + 0.5, init(head))
  x = np.asarray(features)
  x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1) + 1e-6)[:, None]
  x = x * params["norm"]["scale"] + params["norm"]["bias"]
  expected = x @ params["out"]["kernel"] + params["out"]["bias"]
  found = jax.jit(head.apply)(params, features, None)
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_pixels_are_from_cells_and_convnext_blocks():
  head = image_heads.convnext(
    8, 2, num_rows=2, image_size=8, channels=4, cells=2, num_blocks=1
  )
  hidden = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
  features = head.features(hidden, {})
  np.testing.assert_array_equal(features, hidden[:, 1:])
  # Far from the start, where a block adds nearly nothing.
  params = jax.tree.map(lambda x: 8 * x + 0.1, init(head))
  found = jax.jit(head.apply)(params, features, None)
  assert found.shape == (2, 8, 8, 2)

  def dense(p, x):
    return x @ np.asarray(p["kernel"]) + np.asarray(p["bias"])

  for b in range(2):
    x = np.zeros((4, 4, 4))
    for n, (row, column) in enumerate(np.ndindex(2, 2)):
      cells = dense(params["enter"], hidden[b, 1 + n]).reshape(2, 2, 4)
      x[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = cells
    block = params["blocks"][0]
    kernel = np.asarray(block["convolution"]["kernel"])[:, :, 0]
    y = np.stack(
      [
        ndimage.correlate(x[..., c], kernel[..., c], mode="constant")
        for c in range(4)
      ],
      -1,
    ) + np.asarray(block["convolution"]["bias"])
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(
      y.var(-1, keepdims=True) + 1e-6
    )
    y = y * np.asarray(block["norm"]["scale"]) + np.asarray(
      block["norm"]["bias"]
    )
    y = dense(block["mlp_in"], y)
    y = dense(block["mlp_out"], y * special.ndtr(y))
    x = dense(params["out"], x + np.asarray(block["scale"]) * y)
    expected = ndimage.zoom(
      x, (2, 2, 1), order=1, mode="nearest", grid_mode=True
    )
    np.testing.assert_allclose(found[b], expected, atol=2e-3)
