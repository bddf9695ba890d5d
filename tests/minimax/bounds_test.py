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


class Quadratics:
  def per_task_losses(self, x):
    return jnp.stack([4 * (x - 1) ** 2, (x + 1) ** 2])

  def minimise(self, q):
    return (4 * q[0] - q[1]) / (4 * q[0] + q[1])


def test_duality_gap_is_0_at_the_saddle_and_positive_beside_it():
  saddle = jnp.array([1 / 3, 2 / 3])
  gap = lambda x, q: bounds.duality_gap(Quadratics(), jnp.float32(x), q)
  np.testing.assert_allclose(gap(1 / 3, saddle), 0.0, atol=1e-5)
  assert gap(0.4, saddle) > 0.01
  assert gap(1 / 3, jnp.array([0.5, 0.5])) > 0.01


def test_there_is_no_duality_gap_where_no_minimum_is_known():
  class Network:
    per_task_losses = Quadratics.per_task_losses

  class Wrong(Quadratics):
    def minimise(self, q):
      return jnp.float32(0.9)

  saddle = jnp.array([1 / 3, 2 / 3])
  with pytest.raises(ValueError, match=r"Network has no minimise"):
    bounds.duality_gap(Network(), jnp.float32(0.0), saddle)
  with pytest.raises(ValueError, match=r"gap is -.* < 0: the problem is not"):
    bounds.duality_gap(Wrong(), jnp.float32(1 / 3), saddle)


def test_bad_arguments_name_themselves():
  with pytest.raises(ValueError, match="step_size must be > 0"):
    bounds.adversary_regret_bound(0.0, 10, 2, 1.0)
