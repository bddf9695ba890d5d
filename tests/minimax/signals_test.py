"""Signals: what the adversary sees, with and without absent tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from taskrobust_jax.minimax import signals

ALL = np.ones(2, bool)


def show(signal, *steps, **extra):
  """The signal of each (losses, present) in turn."""
  state = signal.init(2)
  shown = []
  for losses, present in steps:
    values, state = signal.update(
      jnp.asarray(losses, jnp.float32),
      state,
      jnp.asarray(present, bool),
      **extra,
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


def test_a_first_loss_of_0_is_no_start():
  _, second, third = show(
    signals.relative_to_start(),
    ([0.0, 1.0], ALL),
    ([4.0, 2.0], ALL),
    ([2.0, 3.0], ALL),
  )
  np.testing.assert_allclose(second, [1.0, 2.0])
  np.testing.assert_allclose(third, [0.5, 3.0])


@pytest.mark.parametrize(
  ("step", "expected"),
  [(0, 4.0), (100, 4.0), (150, 3.0), (175, 2.5), (300, 1.5), (10**6, 1.0)],
)
def test_a_reference_curve_is_linear_and_constant_beyond_its_ends(
  step, expected
):
  signal = signals.excess_over(
    [[4.0, 40.0], [2.0, 20.0], [1.0, 10.0]], (100, 200, 400)
  )
  assert signal.needs == ("step",)
  (shown,) = show(signal, ([5.0, 50.0], ALL), step=jnp.int32(step))
  np.testing.assert_allclose(
    shown, [5.0 - expected, 50.0 - 10 * expected], rtol=1e-6
  )
  for_all = signals.excess_over([4.0, 2.0, 1.0], (100, 200, 400))
  (shown,) = show(for_all, ([5.0, 50.0], ALL), step=step)
  np.testing.assert_allclose(shown, [5.0 - expected, 50.0 - expected])
  (alone,) = show(
    signals.excess_over([[3.0, 4.0]], (7,)), ([5, 5], ALL), step=9
  )
  np.testing.assert_allclose(alone, [2.0, 1.0])


def test_a_curve_needs_the_step():
  weighting = minimax.mirror_ascent(
    1.0, signal=signals.excess_over([0.0, 1.0], (0, 10))
  )
  assert weighting.needs == ("step",)
  with pytest.raises(ValueError, match="needs the extra input step"):
    weighting.update(jnp.ones(2), weighting.init(2))
  weighting.update(jnp.ones(2), weighting.init(2), step=3)


def test_standardised_is_the_loss_less_its_mean_over_its_deviation():
  decay, losses = 0.8, np.array([3.0, 5.0, 4.0, 9.0])
  shown = show(
    signals.standardised(decay),
    ([3.0, 1e30], ALL),
    ([5.0, 2e30], ALL),
    ([7.0, 0.0], [False, True]),
    ([4.0, 1e30], ALL),
    ([9.0, 3e30], ALL),
  )
  del shown[2]
  for n in range(4):
    weights = decay ** np.arange(n, -1.0, -1) / sum(decay ** np.arange(n + 1))
    mean = weights @ losses[: n + 1]
    deviation = np.sqrt(weights @ (losses[: n + 1] - mean) ** 2)
    expected = (losses[n] - mean) / deviation if n else 0.0
    np.testing.assert_allclose(shown[n][0], expected, rtol=1e-5)
  assert np.isfinite(shown).all()


def test_a_chain_is_read_from_the_left():
  steps = (([1.5, 3.0], ALL), ([2.5, 1.0], ALL))
  smoothed = show(
    signals.chain(signals.excess_over([1.0, 2.0]), signals.ema(0.5)), *steps
  )
  np.testing.assert_allclose(smoothed[0], [0.5, 1.0], rtol=1e-6)
  np.testing.assert_allclose(
    smoothed[1], [(0.25 * 0.5 + 0.5 * 1.5) / 0.75, (0.25 - 0.5) / 0.75]
  )
  log_of_mean = show(
    signals.chain(signals.ema(0.5), signals.log_ratio(1.0)), *steps
  )
  mean = (0.25 * 1.5 + 0.5 * 2.5) / 0.75
  np.testing.assert_allclose(log_of_mean[1][0], np.log(mean), rtol=1e-6)


def test_what_one_signal_cannot_show_is_absent_to_the_next_one():
  signal = signals.chain(signals.log_ratio(1.0), signals.ema(0.5))
  weighting = minimax.mirror_ascent(0.1, signal=signal)
  state = weighting.init(2)
  for losses in ([-1.0, np.e], [np.e, np.e]):
    weights, state = weighting.update(jnp.asarray(losses), state)
  np.testing.assert_array_equal(state.num_nonfinite, [1, 0])
  np.testing.assert_allclose(weights, 0.5, rtol=1e-6)  # Both have shown 1.


def required_by(name):
  """Arguments that a signal cannot do without."""
  names = signals.signature(name).keys() - {"normalize", "reference_steps"}
  values = {"held_out_every": 2}
  return {k: values.get(k, 0.9 if "decay" in k else 1.0) for k in names}


# `held_out` shows other losses: held_out_test.py.
@pytest.mark.parametrize("name", sorted(signals.SIGNALS.keys() - {"held_out"}))
def test_any_losses_leave_a_legal_signal_and_state(name):
  weighting = minimax.make(
    "mirror_ascent",
    signal=f"{name}+ema" if name != "ema" else name,
    **{"decay": 0.9} | required_by(name),
  )
  update = jax.jit(weighting.update)
  state = weighting.init(2)
  for losses in ([1e30, 1e-30], [np.nan, 2.0], [1e-30, 1e30], [np.inf, 1.0]):
    weights, state = update(jnp.array(losses), state)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-6)
  weights, state = update(jnp.ones(2), state)
  np.testing.assert_allclose(state.task_weights.sum(), 1.0, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(signals.SIGNALS))
def test_the_first_state_is_of_the_type_of_all_later_ones(name):
  # Also whether it is weak: else a train step is compiled again at step 2.
  weighting = minimax.make("mirror_ascent", signal=name, **required_by(name))
  state = weighting.init(2)
  extra = {"step": jnp.int32(0), "held_out_losses": jnp.ones(2)}
  extra = {key: extra[key] for key in weighting.needs}
  _, later = jax.eval_shape(weighting.update, jnp.ones(2), state, ALL, **extra)
  first = jax.eval_shape(lambda: state)
  for one, other in zip(*map(jax.tree.leaves, (first, later)), strict=True):
    assert one.shape == other.shape
    assert (one.dtype, one.weak_type) == (other.dtype, other.weak_type)


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
    (lambda: signals.adjusted([[1.0]]), "adjustments must be a number or one"),
    (lambda: signals.standardised(0.0), r"decay must be in \(0, 1\), got 0.0"),
    (lambda: signals.excess_over([1.0, 2.0], (3, 3)), "must increase"),
    (lambda: signals.excess_over([1.0, 2.0], (-1, 3)), "reference_steps must"),
    (lambda: signals.excess_over([1.0, 2.0], (1,)), "one entry for each of 1"),
    (lambda: signals.excess_over([np.inf], (1,)), "reference_losses must be"),
    (lambda: signals.excess_over([[1.0] * 3], (1,)).init(2), "reference_loss"),
    (lambda: signals.chain(), "one signal or more"),
    (lambda: signals.make("emma", decay=0.9), "did you mean 'ema'"),
    (lambda: signals.make("ema"), "signal ema needs the argument 'decay'"),
    (lambda: signals.make("raw", decay=0.9), "no argument 'decay'; it takes n"),
    (lambda: signals.make("ema+raw+ema", decay=0.9), "names ema more than"),
    (lambda: signals.make("ema+", decay=0.9), "unknown signal ''"),
    (lambda: signals.make(None), "signal must be a text"),
  ],
)
def test_bad_arguments_name_themselves(make, message):
  with pytest.raises(ValueError, match=message):
    make()
