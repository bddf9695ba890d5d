"""What the pictures of modalities show."""

import numpy as np
import pytest

from taskrobust_jax.models.patches import to_patches
from taskrobust_jax.tasks import modalities, painting
from tests.tasks.modalities_test import NUM_CLASSES, PATCH, batch_of

KINDS = modalities.make(NUM_CLASSES, normalise_pixels=False)


def painted(name, batch, row=1):
  target = KINDS[name].target(batch, PATCH)
  values = np.asarray(target.values[row])
  known = np.asarray(target.is_known[row])
  return painting.paint(name, values, known, values, PATCH)


@pytest.mark.parametrize("name", KINDS)
def test_every_modality_is_a_square_picture(name):
  picture = painted(name, batch_of())
  assert picture.shape[0] == picture.shape[1]
  assert picture.shape[2:] == (3,)
  assert 0 <= picture.min() < picture.max() <= 1


def test_pixels_are_themselves_and_near_is_light():
  batch = batch_of()
  np.testing.assert_allclose(painted("rgb", batch), batch["rgb"][1] / 255)
  grey = painted("depth", batch)[..., 0]
  nearest = np.unravel_index(batch["depth"][1].argmin(), grey.shape)
  farthest = np.unravel_index(batch["depth"][1].argmax(), grey.shape)
  assert grey[nearest] == 1
  assert grey[farthest] == 0


def test_what_is_unknown_is_grey():
  picture = painted("depth", batch_of(), row=0)
  np.testing.assert_array_equal(picture[:4], np.float32(0.8))
  assert (picture[4:, :, 0] != np.float32(0.8)).mean() > 0.9


def test_strokes_run_along_the_edge():
  batch = batch_of()
  for axis in (1, 2):
    # Dark, then light: the edge lies across the axis.
    half = np.arange(32) >= 20
    shape = [1, 1, 1, 1]
    shape[axis] = 32
    batch["rgb"][:] = 200 * half.reshape(shape)
    drawn = painted("hog", batch)[..., 0]
    # Columns of pixels that vary are those of a vertical stroke.
    y, x = np.nonzero(drawn[:16, 32:48] if axis == 2 else drawn[32:48, :16])
    along, across = (y, x) if axis == 2 else (x, y)
    assert np.ptp(along) > 2 * np.ptp(across)


def test_patches_are_replaced():
  picture = np.zeros((4, 4, 3), np.float32)
  which = np.array([False, True, False, False])
  found = painting.replace_patches(picture, which, 1.0)[..., 0]
  np.testing.assert_array_equal(
    found, np.kron([[0, 1], [0, 0]], np.ones((2, 2)))
  )


def test_standardised_pixels_come_back():
  batch = batch_of()
  plain = to_patches(modalities.pixels(batch), PATCH)
  standard = modalities.standardise_patches(plain)
  back = modalities.unstandardise_patches(standard, batch, PATCH)
  np.testing.assert_allclose(back, plain, atol=1e-5)
