"""Runs of the stateful strategies against NumPy, and with absent tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from tests.minimax import trajectories

T, K = 40, 4
rng = np.random.default_rng(0)
LOSSES = np.exp(rng.normal(0, 0.2, (T, K))) * [3.0, 1.0, 2.0, 0.5]
LOSSES = np.float32(LOSSES * np.linspace(1, 0.5, T)[:, None]).astype(float)
NEXT = np.float32(
  np.roll(LOSSES, 1, 0) * np.exp(-np.abs(rng.normal(0, 0.05, (T, K))))
).astype(float)
NORMS = np.float32(np.exp(rng.normal(0, 0.5, (T, K)))).astype(float)


def run(weighting, losses, present=None, **extra):
  """Coefficients [T, K] and the last state."""
  present = np.ones(losses.shape, bool) if present is None else present

  def step(state, inputs):
    losses, present, extra = inputs
    return weighting.update(losses, state, present, **extra)[::-1]

  inputs = (losses, np.array(present, bool), extra)
  inputs = jax.tree.map(
    lambda x: x if x.dtype == bool else jnp.asarray(x, jnp.float32), inputs
  )
  start = weighting.init(losses.shape[1])
  state, coefficients = jax.jit(
    lambda *arguments: jax.lax.scan(step, *arguments)
  )(start, inputs)
  return np.asarray(coefficients), state


CASES = [
  ("optimistic_mirror_ascent", {"step_size": 0.05}, {}),
  ("optimistic_mirror_ascent", {"step_size": 0.05, "smoothing": 0.1}, {}),
  ("doremi", {"reference_losses": (2.5, 1.0, 1.0, 0.5)}, {}),
  (
    "smooth_tchebycheff",
    {"temperature": 0.7, "warmup_steps": 12, "average_from": 5},
    {},
  ),
  ("dynamic_weight_average", {}, {}),
  ("dynamic_weight_average", {"temperature": 0.5, "window": 7}, {}),
  ("uncertainty", {"learning_rate": 0.02, "weight_decay": 0.01}, {}),
  ("uncertainty", {"form": "multimae", "optimizer": "sgd"}, {}),
  ("famo", {}, {}),
  ("famo", {"min_losses": (0.1, 0.0, 0.2, 0.0), "step_size": 0.1}, {}),
  ("famo", {"weight_decay": 0.1}, {"next_losses": NEXT}),
  ("gradnorm", {}, {"gradient_norms": NORMS}),
  (
    "gradnorm",
    {"optimizer": "sgd", "alpha": 0.5, "warmup_steps": 5},
    {"gradient_norms": NORMS},
  ),
  (
    "gradnorm",
    {"form": "softmax", "warmup_steps": 5},
    {"gradient_norms": NORMS},
  ),
]


@pytest.mark.parametrize(("name", "arguments", "extra"), CASES)
def test_a_run_equals_numpy(name, arguments, extra):
  given = {
    k: np.array(v) if isinstance(v, tuple) else v for k, v in arguments.items()
  }
  expected = getattr(trajectories, name)(LOSSES, **given, **extra)
  got, _ = run(minimax.make(name, **arguments), LOSSES, **extra)
  # Without this a rule that never moves would pass.
  assert np.ptp(expected, axis=0).max() > 1e-3
  np.testing.assert_allclose(got, expected, rtol=2e-6)


def test_the_mean_of_doremi_counts_the_first_uniform_weights():
  arguments = {"reference_losses": 1.0, "smoothing": 0.01}
  every = trajectories.doremi(LOSSES, **arguments)
  expected = np.concatenate([np.full((1, K), 1 / K), every]).mean(0)
  weighting = minimax.doremi(**arguments)
  _, state = run(weighting, LOSSES)
  np.testing.assert_allclose(
    minimax.mean_task_weights(state), expected, rtol=1e-6
  )
  np.testing.assert_allclose(
    minimax.mean_task_weights((weighting.init(K), "more")), 1 / K
  )
  with pytest.raises(ValueError, match="one averaged weighting, found 0"):
    minimax.mean_task_weights(minimax.uniform().init(K))


def test_the_mean_of_doremi_keeps_its_digits():
  weighting = minimax.doremi(0.0, step_size=1e-4)
  losses = np.tile(np.float32([0.1, 0.2, 0.3]), (20_000, 1))
  coefficients, state = run(weighting, losses)
  expected = coefficients.astype(np.float64).mean(0)
  np.testing.assert_allclose(
    minimax.mean_task_weights(state), expected, atol=2e-5
  )
  start = np.full(3, 1 / 3)
  exact = (coefficients.astype(np.float64).sum(0) + start) / 20_001
  np.testing.assert_allclose(minimax.mean_task_weights(state), exact, rtol=3e-7)


def test_an_absent_task_of_doremi_keeps_its_weight_from_the_first_step_on():
  present = np.array([[1, 1, 0]] * 5, bool)
  losses = np.tile([0.4, 0.4, 9.0], (5, 1))
  _, state = run(minimax.doremi(0.0, smoothing=0.0), losses, present)
  np.testing.assert_allclose(state.task_weights, 1 / 3, rtol=1e-6)


def test_optimistic_takes_the_signal_alone_after_an_absent_step():
  losses = np.array([[1.0, 5.0], [1.0, 2.0], [2.0, 3.0]])
  present = np.array([[1, 1], [1, 0], [1, 1]], bool)
  _, state = run(minimax.optimistic_mirror_ascent(0.1), losses, present)
  gain = 0.1 * np.array([1.0 + (2 * 2.0 - 1.0), 5.0 + 3.0])
  expected = np.exp(gain) / np.exp(gain).sum()
  np.testing.assert_allclose(state.task_weights, expected, rtol=1e-6)


def test_dynamic_weight_average_reads_the_windows_with_the_task():
  # Means of two steps: 4 and 8; 2 and 9; the first is away, 18; both are here.
  losses = np.array(
    [[4, 8], [4, 4], [2, 9], [2, 9], [7, 18], [7, 18], [1, 1.0]]
  )
  present = np.array(
    [[1, 1], [1, 0], [1, 1], [0, 1], [0, 1], [0, 1], [1, 1]], bool
  )
  got, _ = run(minimax.dynamic_weight_average(1.0, window=2), losses, present)
  rate = np.exp([2.0 / 4.0, 18.0 / 9.0])
  np.testing.assert_allclose(got[-1], rate / rate.sum(), rtol=1e-6)


def test_random_weights_are_new_each_step_and_the_same_again():
  got, _ = run(minimax.random_weights(1), LOSSES)
  again, _ = run(minimax.random_weights(1), LOSSES)
  other, _ = run(minimax.random_weights(2), LOSSES)
  np.testing.assert_array_equal(got, again)
  assert len(np.unique(np.concatenate([got, other]), axis=0)) == 2 * T
  scores = np.log(got) - np.log(got).mean(1, keepdims=True)
  assert 0.8 < scores.std() / np.sqrt((K - 1) / K) < 1.2  # Of normals.


def test_a_task_absent_from_the_warmup_starts_at_its_first_loss():
  losses = np.array([[4.0, 0.0], [4.0, 0.0], [2.0, 7.0], [1.0, 14.0]])
  present = np.array([[1, 0], [1, 0], [1, 1], [1, 1]], bool)
  got, _ = run(minimax.smooth_tchebycheff(1.0, 2), losses, present)
  np.testing.assert_allclose(got[2], [0.5 / 1.5 / 2, 1 / 1.5 / 7], rtol=1e-6)
  np.testing.assert_allclose(got[3], [0.25 / 2.25, 2 / 2.25 / 14], rtol=1e-6)


def test_a_task_of_every_other_step_moves_as_one_of_every_step():
  # Two runs of 20 steps, one with a step without the task after each.
  weighting = minimax.uncertainty(learning_rate=0.1)
  often, _ = run(weighting, LOSSES[:20])
  present = np.ones((40, K), bool)
  present[1::2, 0] = False
  seldom, _ = run(weighting, np.repeat(LOSSES[:20], 2, 0), present)
  np.testing.assert_allclose(seldom[::2, 0], often[:, 0], rtol=1e-6)


def test_famo_compares_with_the_last_losses_of_a_task():
  losses = np.array([[2.0, 2.0], [2.0, 9.0], [2.0, 1.0]])
  present = np.array([[1, 1], [1, 0], [1, 1]], bool)
  _, state = run(minimax.famo(weight_decay=0.0), losses, present)
  # The second task has halved: its logit fell by a step, the other's rose.
  np.testing.assert_array_equal(state.ascent.logits.num_steps, [2, 1])
  np.testing.assert_allclose(state.ascent.logits.values[1], -0.025, rtol=1e-5)


def test_famo_ignores_next_losses_of_a_task_that_was_not_there():
  losses = np.full((2, 3), 2.0)
  present = np.array([[1, 1, 0], [1, 1, 1]], bool)
  after = np.array([[9.0, 9.0, 9.0], [1.0, 2.0, 0.1]])
  _, state = run(
    minimax.famo(weight_decay=0.0), losses, present, next_losses=after
  )
  np.testing.assert_allclose(
    state.ascent.logits.values, [-0.025, 0.025, 0.0], rtol=1e-5
  )


def test_losses_under_their_least_value_are_at_it():
  weights, _ = run(minimax.famo(min_losses=1.0), np.array([[0.5, 1.0, 2.0]]))
  np.testing.assert_allclose(weights, [[0.5, 0.5, 5e-9]], rtol=1e-5)


def test_gradnorm_keeps_the_weight_of_a_task_without_a_norm():
  norms = np.array([[1.0, np.nan, 3.0]])
  weighting = minimax.gradnorm(optimizer="sgd", learning_rate=0.1)
  _, state = run(weighting, np.ones((1, 3)), gradient_norms=norms)
  # The other two: mean norm 2, so slopes -1 and 3; then scaled to sum to 3.
  values = np.array([1.1, 1.0, 0.7])
  np.testing.assert_allclose(
    state.ascent.weights.values, 3 * values / values.sum(), rtol=1e-6
  )


def test_uncertainty_survives_a_loss_beyond_all_bounds():
  losses = np.array([[1e30, 1.0]] + [[1.0, 1.0]] * 2)
  weighting = minimax.uncertainty(optimizer="sgd", learning_rate=1.0)
  coefficients, state = run(weighting, losses)
  assert np.isfinite(coefficients).all()
  assert state.ascent.values[0] < 80.0
