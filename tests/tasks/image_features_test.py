"""HOG and edges against plain NumPy in float64, and where they are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks import image_features


def sobel_by_loop(channel):
  """(gx, gy) of [H, W], pixel by pixel."""
  padded = np.pad(channel, 1, mode="reflect")
  kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float64)
  gx, gy = np.zeros_like(channel), np.zeros_like(channel)
  for i, j in np.ndindex(channel.shape):
    window = padded[i : i + 3, j : j + 3]
    gx[i, j], gy[i, j] = (window * kernel).sum(), (window * kernel.T).sum()
  return np.where(abs(gx) < 1e-6, 0, gx), np.where(abs(gy) < 1e-6, 0, gy)


def hog_by_loop(images, bins=9, cell=8):
  images = np.asarray(images, np.float64)
  b, h, w, c = images.shape
  out = np.zeros((b, h // cell, w // cell, c, bins))
  for n in range(b):
    for k in range(c):
      gx, gy = sobel_by_loop(images[n, ..., k])
      for i, j in np.ndindex(h, w):
        angle = np.arctan2(gx[i, j], gy[i, j]) / np.pi * bins
        which = int(np.floor(angle)) % bins
        strength = np.hypot(gx[i, j], gy[i, j])
        out[n, i // cell, j // cell, k, which] += strength
  return out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)


def stripes(horizontal):
  """Even stripes: their gradients have one direction exactly."""
  wave = 0.5 + 0.5 * np.sin(np.arange(32) / 3)
  image = np.broadcast_to(wave[:, None] if horizontal else wave, (32, 32))
  return np.repeat(image[None, ..., None], 3, axis=-1).astype(np.float32)


def photo():
  """Something like a photo: 8-bit, smooth, with a few edges."""
  y, x = np.mgrid[:48, :40] / 10
  image = np.stack([np.sin(x * y), np.cos(x + y), (x > 2) + 0.3 * y], -1)
  image = np.floor(255 * (image - image.min()) / np.ptp(image)) / 255
  return image[None].astype(np.float32)


IMAGES = {
  "photo": photo(),
  "noise": np.random.default_rng(0).random((2, 24, 16, 3), np.float32),
  "flat": np.full((1, 16, 16, 3), 0.3, np.float32),
  "horizontal": stripes(True),
  "vertical": stripes(False),
}


@pytest.mark.parametrize("name", IMAGES)
def test_hog_equals_numpy(name):
  got = jax.jit(image_features.hog)(IMAGES[name])
  np.testing.assert_allclose(got, hog_by_loop(IMAGES[name]), atol=1e-5)


def test_hog_of_other_sizes_equals_numpy():
  got = image_features.hog(jnp.asarray(IMAGES["noise"]), bins=6, cell=4)
  assert got.shape == (2, 6, 4, 3, 6)
  np.testing.assert_allclose(got, hog_by_loop(IMAGES["noise"], 6, 4), atol=1e-5)


def test_stripes_fall_into_one_bin():
  horizontal = np.asarray(image_features.hog(IMAGES["horizontal"]))
  vertical = np.asarray(image_features.hog(IMAGES["vertical"]))
  # atan2(0, gy) is 0 or pi: the first bin. atan2(gx, 0) is +-pi / 2.
  np.testing.assert_allclose(horizontal[..., 0], 1, atol=1e-6)
  np.testing.assert_allclose(vertical[..., 4], 1, atol=1e-6)


def test_a_flat_image_has_no_gradients_and_no_nan():
  assert (np.asarray(image_features.hog(IMAGES["flat"])) == 0).all()
  assert (np.asarray(image_features.edges(IMAGES["flat"])) == 0).all()


def test_patches_hold_their_cells_in_order():
  images = jnp.asarray(IMAGES["horizontal"])
  cells = image_features.hog(images)
  patches = image_features.hog_patches(images, 16)
  assert patches.shape == (1, 4, 108)
  np.testing.assert_array_equal(
    patches[0, 1].reshape(2, 2, 3, 9), cells[0, :2, 2:]
  )


@pytest.mark.parametrize("name", ["photo", "noise", "horizontal"])
def test_edges_equal_numpy(name):
  got = jax.jit(image_features.edges)(IMAGES[name])
  grey = IMAGES[name].astype(np.float64) @ [0.299, 0.587, 0.114]
  for image, found in zip(grey, np.asarray(got)):
    gx, gy = sobel_by_loop(image)
    expected = np.sqrt((gx**2 + gy**2) / 2) / 4
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)


def test_a_step_from_black_to_white_is_the_strongest_edge():
  image = np.zeros((1, 8, 8, 3), np.float32)
  image[:, :, 4:] = 1
  found = np.asarray(image_features.edges(image))[0, ..., 0]
  np.testing.assert_allclose(found[:, 3:5], np.sqrt(0.5), rtol=1e-5)
  assert (found[:, [0, 1, 6, 7]] == 0).all()


def test_cells_must_divide_the_image():
  with pytest.raises(InputError, match="20 x 16 pixels: HOG cells of 8 must"):
    image_features.hog(jnp.zeros((1, 20, 16, 3)))
