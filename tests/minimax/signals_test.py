"""Signals: what the adversary sees, with and without absent tasks."""

import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.minimax import signals

ALL = np.ones(2, bool)


def show(signal, *steps):
  """The signal of each (losses, present) in turn."""
  state = signal.init(2)
  shown = []
  for losses, present in steps:
    values, state = signal.update(
      jnp.asarray(losses, jnp.float32), state, jnp.asarray(present, bool)
    )
    shown.append(np.asarray(values))
  return shown


def test_ema_is_unbiased_and_skips_absent_steps():
  first, second, third = show(
    signals.ema(0.9),
    ([1.0, 5.0], ALL),
    ([2.0, 0.0], [True, False]),
    ([3.0, 6.0], ALL),
  )
  np.testing.assert_allclose(first, [1.0, 5.0], rtol=1e-5)
  np.testing.assert_allclose(second[0], (0.09 + 0.2) / 0.19, rtol=1e-5)
  np.testing.assert_allclose(third[1], (0.45 + 0.6) / 0.19, rtol=1e-5)


def test_relative_to_start_remembers_the_first_loss_of_each_task():
  first, second = show(
    signals.relative_to_start(),
    ([4.0, 0.0], [True, False]),
    ([2.0, 3.0], ALL),
  )
  np.testing.assert_allclose(first, [1.0, 0.0])
  np.testing.assert_allclose(second, [0.5, 1.0])


def test_log_ratio_and_excess():
  (ratio,) = show(signals.log_ratio([1.0, 2.0]), ([np.e, 2.0], ALL))
  np.testing.assert_allclose(ratio, [1.0, 0.0], atol=1e-6)
  (excess,) = show(signals.excess_over([1.0, 2.0]), ([1.5, 1.5], ALL))
  np.testing.assert_allclose(excess, [0.5, -0.5])


def test_a_loss_without_a_logarithm_counts_as_absent():
  weighting = minimax.mirror_ascent(0.1, signal=signals.log_ratio(1.0))
  weights, state = weighting.update(jnp.array([-1.0, 2.0]), weighting.init(2))
  np.testing.assert_array_equal(weights, [0.0, 1.0])
  np.testing.assert_array_equal(state.num_nonfinite, [1, 0])


def test_a_signal_changes_what_is_seen_not_what_descends():
  losses = jnp.array([6.0, 2.0])
  weighting = minimax.mirror_ascent(0.1, signal=signals.excess_over([6.0, 1.0]))
  weights, _ = weighting.update(losses, weighting.init(2))
  assert weights[1] > weights[0]  # Its excess is larger, its loss smaller.


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: signals.ema(1.0), r"decay must be in \[0, 1\), got 1.0"),
    (lambda: signals.log_ratio([1.0, 0.0]), "nadir must be in"),
    (lambda: signals.excess_over([np.nan]), "reference_losses must be finite"),
    (lambda: signals.excess_over([1.0] * 3).init(2), "reference_losses must"),
    (lambda: signals.log_ratio([1.0] * 3).init(2), "nadir must be a number"),
    (lambda: signals.adjusted([1.0] * 3).init(2), "adjustments must be a num"),
  ],
)
def test_bad_arguments_name_themselves(make, message):
  with pytest.raises(ValueError, match=message):
    make()
