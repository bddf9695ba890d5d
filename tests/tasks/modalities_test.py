"""Targets and losses of each modality, against plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.tasks import image_features, modalities

SIZE, PATCH, NUM_CLASSES = 32, 16, 5
KINDS = modalities.make(NUM_CLASSES)


def batch_of(num_rows=2, seed=0):
  random = np.random.default_rng(seed)
  shape = (num_rows, SIZE, SIZE)
  normals = random.normal(size=(*shape, 3))
  normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
  depth = random.uniform(1, 9, shape)
  depth[0, :4] = np.nan
  semseg = random.integers(0, NUM_CLASSES, shape)
  semseg[0, :, :8] = -1
  return {
    "rgb": random.integers(0, 256, (*shape, 3)).astype(np.uint8),
    "depth": depth.astype(np.float32),
    "normals": normals.astype(np.float32),
    "semseg": semseg.astype(np.int32),
    **{
      f"has_{name}": np.ones(num_rows, bool)
      for name in ("rgb", "depth", "normals", "semseg")
    },
  }


def target(name, batch, **options):
  kinds = modalities.make(NUM_CLASSES, **options) if options else KINDS
  found = jax.jit(lambda batch: kinds[name].target(batch, PATCH))(batch)
  return np.asarray(found.values), np.asarray(found.is_known)


def test_pixels_are_standardised_as_in_mae():
  batch = batch_of()
  values, is_known = target("rgb", batch)
  plain, _ = target("rgb", batch, normalise_pixels=False)
  block = batch["rgb"][1, 16:, :16].reshape(-1) / 255
  np.testing.assert_allclose(plain[1, 2], block, atol=1e-6)
  expected = (block - block.mean()) / np.sqrt(block.var(ddof=1) + 1e-6)
  np.testing.assert_allclose(values[1, 2], expected, atol=1e-5)
  assert is_known.all()


def test_hog_and_edges_are_the_features_of_the_image():
  batch = batch_of()
  images = batch["rgb"].astype(np.float32) / 255
  values, _ = target("hog", batch)
  np.testing.assert_allclose(
    values, image_features.hog_patches(images, PATCH), atol=1e-5
  )
  values, _ = target("edges", batch)
  edges = np.asarray(image_features.edges(images))[..., 0]
  np.testing.assert_allclose(
    values[0, 1].reshape(16, 16), edges[0, :16, 16:], atol=1e-6
  )


def test_depth_is_standardised_by_its_middle_and_knows_its_holes():
  batch = batch_of()
  values, is_known = target("depth", batch)
  depth = batch["depth"][0].astype(np.float64)
  known = np.sort(depth[np.isfinite(depth)])
  cut = int(0.1 * len(known))
  middle = known[cut : int(np.ceil(len(known) - 0.1 * len(known)))]
  expected = (depth - middle.mean()) / np.sqrt(middle.var(ddof=1) + 1e-6)
  corner = expected[:16, :16].reshape(-1)
  is_there = np.isfinite(corner)
  np.testing.assert_array_equal(is_known[0, 0], is_there)
  np.testing.assert_allclose(
    values[0, 0][is_there], corner[is_there], rtol=2e-3
  )
  assert (values[0, 0][~is_there] == 0).all()
  assert is_known[1].all()


def test_depth_without_a_known_pixel_has_no_target_and_no_nan():
  batch = batch_of()
  batch["depth"][:] = np.nan
  values, is_known = target("depth", batch)
  assert not is_known.any()
  assert np.isfinite(values).all()


def test_classes_are_those_in_the_middle_of_each_cell():
  batch = batch_of()
  values, is_known = target("semseg", batch)
  cells = batch["semseg"][0, 2::4, 2::4]
  np.testing.assert_array_equal(
    is_known[0, 0].reshape(4, 4), cells[:4, :4] >= 0
  )
  np.testing.assert_array_equal(values[0, 3].reshape(4, 4), cells[4:, 4:])
  shown = np.asarray(KINDS["semseg"].show(batch, PATCH))
  assert shown.shape == (2, 4, 16 * NUM_CLASSES)
  sums = shown.reshape(2, 4, 16, NUM_CLASSES).sum(-1)
  np.testing.assert_array_equal(sums, is_known)


def test_losses():
  random = np.random.default_rng(1)
  for name in ("rgb", "hog", "edges", "normals", "depth"):
    a, b = random.normal(size=(2, 1, 4, 6))
    expected = abs(a - b) if name == "depth" else (a - b) ** 2
    np.testing.assert_allclose(KINDS[name].loss(a, b), expected, rtol=1e-6)
  logits = random.normal(size=(1, 4, 16 * NUM_CLASSES))
  values = random.integers(0, NUM_CLASSES, (1, 4, 16))
  cells = logits.reshape(1, 4, 16, NUM_CLASSES)
  norm = np.log(np.exp(cells).sum(-1))
  chosen = np.take_along_axis(cells, values[..., None], -1)[..., 0]
  np.testing.assert_allclose(
    KINDS["semseg"].loss(logits, values), norm - chosen, rtol=1e-5
  )


@pytest.mark.parametrize("name", KINDS)
def test_what_a_row_does_not_have_is_no_target(name):
  batch = batch_of()
  batch[f"has_{KINDS[name].source}"][1] = False
  values, is_known = target(name, batch)
  assert is_known[0].any()
  assert not is_known[1].any()
  assert values.shape[:2] == (2, 4)
  shown = jax.eval_shape(lambda b: KINDS[name].show(b, PATCH), batch)
  assert shown.shape == (2, 4, KINDS[name].num_values(PATCH))
  predicted = jnp.zeros(shown.shape)
  losses = KINDS[name].loss(predicted, jnp.asarray(values))
  assert losses.shape == values.shape
