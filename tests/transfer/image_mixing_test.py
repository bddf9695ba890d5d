"""Mirror images, mixup and cutmix."""

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer import image_mixing


def section(**changes):
  values = {"flip": 0.0, "mixup": 0.0, "cutmix": 0.0, **changes}
  return ConfigDict(values)


def pictures(count=4, size=8):
  random = np.random.default_rng(0)
  return {
    "rgb": random.integers(0, 256, (count, size, size, 3), np.uint8),
    "label": np.arange(count, dtype=np.int32),
  }


def test_a_mirror_image_is_one_of_all_that_is_known_of_pixels():
  rows = pictures(64)
  rows["label"] = rows["rgb"][..., 0].astype(np.float32)
  found = image_mixing.flip(rows, 0.5, jax.random.key(0))
  is_flipped = np.any(found["label"] != rows["label"], (1, 2))
  assert 16 < is_flipped.sum() < 48
  for name, values in found.items():
    expected = np.where(
      is_flipped.reshape(-1, *[1] * (values.ndim - 1)),
      rows[name][:, :, ::-1],
      rows[name],
    )
    np.testing.assert_array_equal(values, expected)
  rows = pictures()
  found = image_mixing.flip(rows, 1.0, jax.random.key(0))
  np.testing.assert_array_equal(found["label"], rows["label"])


def test_normals_that_looked_right_look_left_in_a_mirror_image():
  rows = pictures(2)
  random = np.random.default_rng(1)
  rows["label"] = random.normal(size=rows["rgb"].shape).astype(np.float32)
  rows["label"][0, 1, 2] = np.nan
  found = image_mixing.flip(rows, 1.0, jax.random.key(0))
  np.testing.assert_array_equal(found["rgb"], rows["rgb"][:, :, ::-1])
  expected = rows["label"][:, :, ::-1] * np.float32([-1, 1, 1])
  np.testing.assert_array_equal(found["label"], expected)


def test_mixup_is_the_mean_of_two():
  rows = pictures()
  found = image_mixing.mixup(rows, jnp.float32(0.75), jax.random.key(0))
  mean = 0.75 * rows["rgb"] + 0.25 * rows["rgb"][::-1]
  assert np.abs(found["rgb"] - mean).max() <= 0.5 + 1e-3
  assert found["rgb"].dtype == np.uint8
  np.testing.assert_array_equal(found["other_label"], [3, 2, 1, 0])
  np.testing.assert_array_equal(found["label"], rows["label"])
  np.testing.assert_allclose(found["share"], 0.75)


cutmix = jax.jit(image_mixing.cutmix)


@pytest.mark.parametrize("seed", range(4))
def test_cutmix_tells_what_remains(seed):
  rows = {**pictures(2, 16)}
  rows["rgb"] = np.stack([np.zeros_like(rows["rgb"][0]), rows["rgb"][1] | 1])
  key = jax.random.key(seed)
  found = cutmix(rows, jnp.float32(0.5), key)
  is_other = (np.asarray(found["rgb"][0]) > 0).all(-1)
  assert 0 < is_other.sum() < 16**2
  np.testing.assert_allclose(found["share"], 1 - is_other.mean())
  y, x = np.nonzero(is_other)
  assert is_other.sum() == (np.ptp(y) + 1) * (np.ptp(x) + 1)
  # The other picture has what this one has not.
  np.testing.assert_array_equal((found["rgb"][1] > 0).all(-1), ~is_other)


def test_each_step_mixes_in_one_of_the_ways():
  augment = jax.jit(
    image_mixing.make_augment(section(mixup=0.8, cutmix=1.0), mixes=True)
  )
  rows = {**pictures(2), "rgb": np.zeros((2, 8, 8, 3), np.uint8)}
  rows["rgb"][1] = 200
  kinds, shares = set(), set()
  for seed in range(8):
    found = augment(rows, jax.random.key(seed))
    kinds.add(bool(np.isin(found["rgb"], (0, 200)).all()))
    shares.add(float(found["share"][0]))
  assert kinds == {True, False}
  assert len(shares) == 8


def test_pixels_are_not_mixed_and_nothing_may_be_left_to_do():
  make = image_mixing.make_augment
  assert make(section(mixup=0.8, cutmix=1.0), mixes=False) is None
  rows = pictures()
  found = make(section(flip=0.5, mixup=0.8), mixes=False)(
    rows, jax.random.key(0)
  )
  assert set(found) == set(rows)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"flip": 1.5}, r"augmentation.flip must be in \[0, 1\], got 1.5"),
    ({"mixup": -1.0}, r"augmentation.mixup must be in \[0, inf\)"),
    ({"cutmix": float("nan")}, "augmentation.cutmix must be in"),
  ],
)
def test_illegal_values_are_named(change, message):
  with pytest.raises(InputError, match=message):
    image_mixing.make_augment(section(**change), mixes=True)
