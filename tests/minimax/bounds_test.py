"""The certificates on problems whose answers are known."""

import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.minimax import bounds


def test_measured_regret_stays_under_its_bound_and_near_it():
  # Losses chosen against the weights: task 1 always loses by the full range.
  step_size, num_steps = 0.05, 400
  weighting = minimax.mirror_ascent(step_size)
  state = weighting.init(2)
  held, shown = [], []
  for _ in range(num_steps):
    held.append(np.asarray(state.task_weights))
    shown.append(np.array([1.0, 0.0], np.float32))
    _, state = weighting.update(jnp.asarray(shown[-1]), state)
  regret = bounds.adversary_regret(np.array(shown), np.array(held))
  bound = bounds.adversary_regret_bound(step_size, num_steps, 2, 1.0)
  assert 0.5 * bound < regret <= bound


def test_duality_gap_is_0_at_the_saddle_and_positive_beside_it():
  losses = lambda x: jnp.stack([4 * (x - 1) ** 2, (x + 1) ** 2])
  minimise = lambda q: (4 * q[0] - q[1]) / (4 * q[0] + q[1])
  saddle = jnp.array([1 / 3, 2 / 3])
  gap = lambda x, q: bounds.duality_gap(losses, jnp.float32(x), q, minimise)
  np.testing.assert_allclose(gap(1 / 3, saddle), 0.0, atol=1e-5)
  assert gap(0.4, saddle) > 0.01
  assert gap(1 / 3, jnp.array([0.5, 0.5])) > 0.01


def test_bad_arguments_name_themselves():
  with pytest.raises(ValueError, match="step_size must be > 0"):
    bounds.adversary_regret_bound(0.0, 10, 2, 1.0)
