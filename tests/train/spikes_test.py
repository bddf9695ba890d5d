"""A spike is left out; what lasts is none; without one nothing changes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from taskrobust_jax.train.spikes import WARMUP, skip_spikes


def run(norms, factor=4.0, start=None):
  """(applied or not, state) over gradients of these norms."""
  tx = skip_spikes(optax.sgd(1.0), factor)
  params = {"x": jnp.zeros(4)}

  def step(state, norm):
    updates, state = tx.update({"x": jnp.array([norm, 0, 0, 0])}, state, params)
    return state, updates["x"][0] != 0

  state = tx.init(params) if start is None else start
  state, applied = jax.lax.scan(step, state, jnp.array(norms, jnp.float32))
  return np.asarray(applied), state


def test_a_spike_is_left_out_and_the_next_update_is_not():
  applied, state = run([1.0] * WARMUP + [3.9, 4.2, 1.0, 1e30, 1.0])
  assert applied[WARMUP:].tolist() == [True, False, True, False, True]
  assert int(state.skipped) == 2
  np.testing.assert_allclose(state.mean_norm, 1.09, atol=0.03)


def test_nothing_is_left_out_while_the_mean_is_young():
  applied, state = run([1.0] * (WARMUP - 1) + [100.0])
  assert applied.all()
  assert int(state.skipped) == 0


def test_norms_that_stay_high_are_soon_no_spike():
  applied, _ = run([1.0] * WARMUP + [10.0] * 200)
  assert not applied[WARMUP]
  assert applied[-1]
  assert (~applied).sum() < 50


def test_the_inner_state_is_that_of_a_run_without_the_spike():
  tx = skip_spikes(optax.adam(0.1), 4.0)
  params = {"x": jnp.zeros(1)}
  update = jax.jit(tx.update)
  states = []
  for norms in ([1.0] * WARMUP, [1.0] * WARMUP + [50.0]):
    state = tx.init(params)
    for norm in norms:
      updates, state = update({"x": jnp.array([norm])}, state, params)
    states.append(state)
  one, other = (jax.tree.leaves(state.inner) for state in states)
  assert all(np.array_equal(a, b) for a, b in zip(one, other))
  assert updates["x"] == 0


@pytest.mark.parametrize("norm", [np.inf, 1e38])
def test_a_norm_that_overflows_leaves_the_mean_finite(norm):
  _, state = run([1.0, norm, 1.0])
  assert np.isfinite(state.mean_norm)
