"""Stochastic depth; the rest is tested with the models."""

import dataclasses

import jax
import numpy as np
import pytest

from taskrobust_jax.models import transformer
from taskrobust_jax.models.functional import functional

OPTIONS = transformer.TransformerOptions(
  2, 8, 2, 8, dropout_rate=0.0, pre_norm=True
)


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
