"""Which patches are visible: shares, exactness, missing modalities."""

import jax
import numpy as np

from taskrobust_jax.tasks.visible import draw_order

N = 49


def orders(is_given, concentration=1.0, num_keys=300):
  keys = jax.random.split(jax.random.key(0), num_keys)
  draw = jax.jit(
    jax.vmap(lambda key: draw_order(key, is_given, N, concentration))
  )
  return np.asarray(draw(keys))


def given(*values):
  return jax.numpy.array(values)


def test_every_patch_has_one_place():
  for order in orders(given(True, True, True), num_keys=5):
    np.testing.assert_array_equal(np.sort(order), np.arange(3 * N))


def test_shares_are_those_of_a_dirichlet():
  num_visible = 48
  for concentration, deviation in ((1.0, np.sqrt(2 / 9 / 4)), (50.0, 0.038)):
    order = orders(given(True, True, True), concentration)
    share = (order[:, :num_visible, None] // N == np.arange(3)).mean(1)
    np.testing.assert_allclose(share.mean(0), 1 / 3, atol=0.04)
    # Var = a (1 - a) / (3 c + 1) with a = 1 / 3; patches are whole.
    np.testing.assert_allclose(share.std(0), deviation, atol=0.025)


def test_a_small_share_may_show_nothing():
  first = orders(given(True, True, True))[:, :6] // N
  counts = (first[..., None] == np.arange(3)).sum(1)
  # Under half a patch in six, for one of three: 1 - (1 - 3 / 12)^2.
  np.testing.assert_allclose((counts == 0).any(1).mean(), 0.44, atol=0.1)


def test_all_patches_of_a_modality_are_equally_likely():
  order = orders(given(True, True), num_keys=2000)
  seen = np.bincount(order[:, :24].ravel(), minlength=2 * N) / 2000
  np.testing.assert_allclose(seen, 12 / N, atol=0.05)


def test_a_modality_that_is_not_given_comes_last():
  order = orders(given(True, False, True), num_keys=20)
  assert (order[:, : 2 * N] // N != 1).all()
  assert (orders(given(False, True), num_keys=5)[:, :N] // N == 1).all()


def test_an_empty_row_has_an_order_too():
  order = orders(given(False, False), num_keys=3)
  np.testing.assert_array_equal(np.sort(order[0]), np.arange(2 * N))


def test_a_tiny_share_leaves_its_places_to_the_others():
  order = orders(given(True, True), concentration=1e-3, num_keys=50)
  counts = (order[:, : N + 10] // N == 0).sum(1)
  # One modality has all of its patches shown, the other the ten left.
  assert set(counts.tolist()) <= {10, N}
