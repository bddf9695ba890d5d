"""Stochastic depth; the rest is tested with the models."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.models import transformer
from taskrobust_jax.models.functional import functional

OPTIONS = transformer.TransformerOptions(
  2, 8, 2, 8, dropout_rate=0.0, pre_norm=True
)


@pytest.mark.parametrize("width", [64, 33])
def test_dropout_draws_every_number_by_itself(width):
  x = jnp.ones((200, 40, width))
  keys = jax.random.split(jax.random.key(3), len(x))
  found = np.asarray(transformer.drop(0.25, x, keys))
  kept = found > 0
  np.testing.assert_allclose(found[kept], 4 / 3, rtol=1e-6)
  # Of any position over the rows, and of any two of them.
  of_each = kept.reshape(-1, width)
  together = of_each.T.astype(np.float32) @ of_each / len(of_each)
  expected = np.where(np.eye(width), 0.75, 0.75**2)
  np.testing.assert_allclose(together, expected, atol=0.03)
  # A row is dropped alike wherever it stands, and not as its neighbour.
  alone = transformer.drop(0.25, x[7:8], keys[7:8])
  np.testing.assert_array_equal(alone[0], found[7])
  assert (found[7] != found[8]).any()


def test_no_dropout_draws_nothing():
  x = jnp.arange(6.0).reshape(2, 3)
  key = jax.random.key(0)
  assert transformer.drop(0.5, x, None) is x
  assert transformer.drop(0.0, x, key) is x
  many = np.asarray(transformer.drop(0.999, jnp.ones((4096, 64)), key))
  assert 100 < (many > 0).sum() < 500
  np.testing.assert_allclose(many.max(), 1000, rtol=0.02)


@pytest.mark.parametrize("keys_of_rows", [False, True])
def test_whole_rows_are_dropped_and_the_mean_stays(keys_of_rows):
  x = np.random.default_rng(0).normal(size=(4_000, 2, 3)).astype(np.float32)
  key = jax.random.key(0)
  if keys_of_rows:
    key = jax.random.split(key, len(x))
  found = np.asarray(transformer.drop_path(x, np.float32(0.25), key))
  is_kept = (found != 0).any((1, 2))
  np.testing.assert_allclose(found[is_kept], x[is_kept] / 0.75, rtol=1e-6)
  assert (found[~is_kept] == 0).all()
  assert abs(is_kept.mean() - 0.75) < 0.03


def test_the_last_layer_drops_most_and_the_first_none():
  init, plain = functional(lambda rngs: transformer.Transformer(OPTIONS, rngs))
  dropping = dataclasses.replace(OPTIONS, drop_path_rate=0.999)
  _, dropped = functional(lambda rngs: transformer.Transformer(dropping, rngs))
  first = dataclasses.replace(OPTIONS, num_layers=1)
  _, alone = functional(lambda rngs: transformer.Transformer(first, rngs))
  params = jax.jit(init)(jax.random.key(0))
  x = np.random.default_rng(0).normal(size=(3, 4, 8)).astype(np.float32)
  key = jax.random.key(1)

  @jax.jit
  def results(params, x):
    bottom = jax.tree.map(lambda values: values[:1], params)
    return (
      plain(params, x),
      dropped(params, x),
      dropped(params, x, dropout_key=key),
      alone(bottom, x),
    )

  whole, without_key, with_key, one_layer = results(params, x)
  np.testing.assert_array_equal(without_key, whole)
  np.testing.assert_allclose(with_key, one_layer, atol=1e-6)
  assert np.abs(whole - one_layer).max() > 1e-3
