"""Every strategy against NumPy, and what must hold for all of them."""

import functools

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax import minimax
from tests.minimax import reference

CASES = {
  "uniform": ("uniform", {}),
  "fixed": ("fixed", {"weights": (1.0, 2.0, 3.0, 4.0)}),
  "mirror_ascent": ("mirror_ascent", {"step_size": 0.3}),
  "smoothed": ("mirror_ascent", {"step_size": 0.3, "smoothing": 0.1}),
  "softmax": ("softmax_weighted", {"temperature": 0.7}),
  "through_softmax": (
    "softmax_weighted",
    {"temperature": 0.7, "through_softmax": True},
  ),
  "group_dro": (
    "group_dro",
    {"step_size": 0.2, "adjustments": (0.1, 0.2, 0.3, 0.4)},
  ),
  "group_dro_normalized": (
    "group_dro",
    {"step_size": 0.2, "adjustments": (0.1, 0.2, 0.3, 0.4), "normalize": True},
  ),
}
K = 4
WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])
all_cases = pytest.mark.parametrize("case", CASES)


def weighting_of(case):
  name, arguments = CASES[case]
  return minimax.make(name, **arguments)


@functools.cache
def jitted_update(case):
  return jax.jit(weighting_of(case).update)


def state_at(weighting, weights):
  """The initial state, moved to non-uniform weights."""
  weights = jnp.asarray(weights, jnp.float32)
  state = weighting.init(len(weights))
  return state._replace(task_weights=weights, log_task_weights=jnp.log(weights))


def test_every_registered_strategy_has_a_case():
  assert {name for name, _ in CASES.values()} == set(minimax.STRATEGIES)


@all_cases
@pytest.mark.parametrize(
  "present", [(1, 1, 1, 1), (1, 0, 1, 1), (0, 1, 0, 1), (0, 0, 1, 0)]
)
def test_one_step_equals_numpy_from_uneven_weights(case, present):
  name, arguments = CASES[case]
  losses = np.array([0.5, 2.0, 1.0, 3.5])
  present = np.array(present, bool)
  arguments = {
    k: np.array(v) if isinstance(v, tuple) else v for k, v in arguments.items()
  }
  expected, expected_weights = getattr(reference, name)(
    losses, WEIGHTS, present, **arguments
  )
  weighting = weighting_of(case)
  got, state = weighting.update(
    jnp.asarray(losses), state_at(weighting, WEIGHTS), jnp.asarray(present)
  )
  np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
  np.testing.assert_allclose(
    state.task_weights, expected_weights, rtol=1e-5, atol=1e-7
  )


def test_through_softmax_is_the_gradient_through_the_weights():
  losses = jnp.array([1.0, 0.6, 4.9])
  weighting = minimax.softmax_weighted(1.0, through_softmax=True)
  got, _ = weighting.update(losses, weighting.init(3))
  expected = jax.grad(lambda x: jnp.vdot(jax.nn.softmax(x), x))(losses)
  np.testing.assert_allclose(got, expected, atol=1e-6)
  # The figures of the early public experiment's rule, worked by hand.
  np.testing.assert_allclose(got, [-0.054, -0.042, 1.096], atol=5e-4)
  assert not weighting.simplex


@pytest.mark.parametrize("case", ["mirror_ascent", "softmax", "group_dro"])
def test_weights_are_constants_to_differentiation(case):
  weighting = weighting_of(case)
  losses = jnp.array([0.5, 2.0, 1.0, 3.5])
  robust_loss = lambda x: jnp.vdot(weighting.update(x, weighting.init(K))[0], x)
  weights, _ = weighting.update(losses, weighting.init(K))
  np.testing.assert_allclose(jax.grad(robust_loss)(losses), weights, rtol=1e-6)


@all_cases
def test_permuting_tasks_permutes_weights(case):
  name, arguments = CASES[case]
  order = np.array([2, 0, 3, 1])
  losses = jnp.array([0.5, 2.0, 1.0, 3.5])
  permuted = minimax.make(
    name,
    **{
      k: np.array(v)[order] if isinstance(v, tuple) else v
      for k, v in arguments.items()
    },
  )
  weighting = weighting_of(case)
  plain, _ = weighting.update(losses, state_at(weighting, WEIGHTS))
  moved, _ = permuted.update(losses[order], state_at(permuted, WEIGHTS[order]))
  np.testing.assert_allclose(moved, plain[order], rtol=1e-6)


@pytest.mark.parametrize("case", ["mirror_ascent", "smoothed", "softmax"])
def test_a_constant_added_to_all_losses_changes_nothing(case):
  weighting = weighting_of(case)
  losses = jnp.array([0.5, 2.0, 1.0, 3.5])
  plain, _ = weighting.update(losses, weighting.init(K))
  raised, _ = weighting.update(losses + 16.0, weighting.init(K))
  np.testing.assert_allclose(raised, plain, rtol=1e-5)


@all_cases
def test_all_absent_returns_zeros_and_keeps_the_weights(case):
  weighting = weighting_of(case)
  before = state_at(weighting, WEIGHTS)
  got, after = weighting.update(jnp.ones(K), before, jnp.zeros(K, bool))
  np.testing.assert_array_equal(got, 0.0)
  np.testing.assert_array_equal(after.task_weights, before.task_weights)


@all_cases
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_loss_counts_as_absent_and_is_counted(case, bad):
  weighting = weighting_of(case)
  before = state_at(weighting, WEIGHTS)
  poisoned, after = weighting.update(jnp.array([0.5, bad, 1.0, 3.5]), before)
  absent, expected = weighting.update(
    jnp.array([0.5, 7.0, 1.0, 3.5]), before, jnp.array([1, 0, 1, 1], bool)
  )
  np.testing.assert_array_equal(poisoned, absent)
  np.testing.assert_array_equal(after.task_weights, expected.task_weights)
  np.testing.assert_array_equal(after.num_nonfinite, [0, 1, 0, 0])
  np.testing.assert_array_equal(expected.num_nonfinite, 0)


@all_cases
def test_bfloat16_in_float32_out(case):
  weighting = weighting_of(case)
  losses = jnp.array([0.5, 2.0, 1.0, 3.5], jnp.bfloat16)
  got, state = weighting.update(losses, weighting.init(K))
  assert got.dtype == jnp.float32
  assert state.task_weights.dtype == jnp.float32


@all_cases
def test_presence_and_steps_never_recompile(case):
  weighting = weighting_of(case)
  update = jax.jit(weighting.update)
  state = weighting.init(K)
  for present in ((1, 1, 1, 1), (0, 1, 1, 0), (0, 0, 0, 0)):
    _, state = update(jnp.ones(K), state, jnp.array(present, bool))
  assert update._cache_size() == 1


@all_cases
def test_scan_and_vmap(case):
  weighting = weighting_of(case)
  losses = jax.random.uniform(jax.random.key(0), (5, 3, K))  # steps, runs, K
  one_run = lambda state, x: weighting.update(x, state)[::-1]
  states = jax.vmap(lambda _: weighting.init(K))(jnp.arange(3))
  _, scanned = jax.lax.scan(jax.vmap(one_run), states, losses)
  for run in range(3):
    state = weighting.init(K)
    for step in range(5):
      expected, state = weighting.update(losses[step, run], state)
      np.testing.assert_allclose(scanned[step, run], expected, rtol=1e-5)


def test_a_dead_task_revives():
  # A weight of e^-300 is 0 in float32; the dual variable remembers it.
  weighting = minimax.mirror_ascent(step_size=1.0)
  state = weighting.init(2)
  for _ in range(300):
    _, state = weighting.update(jnp.array([1.0, 0.0]), state)
  assert state.task_weights[1] == 0.0
  for _ in range(310):
    weights, state = weighting.update(jnp.array([0.0, 1.0]), state)
  np.testing.assert_allclose(weights[1], 1.0, atol=1e-3)


@pytest.mark.parametrize("case", ["mirror_ascent", "group_dro", "softmax"])
def test_a_half_present_task_of_equal_loss_keeps_its_weight(case):
  name, arguments = CASES[case]
  arguments = {k: v for k, v in arguments.items() if k != "adjustments"}
  weighting = minimax.make(name, **arguments)
  update = jax.jit(weighting.update)
  state = weighting.init(K)
  for step in range(1000):
    present = jnp.array([True, True, True, step % 2 == 0])
    _, state = update(jnp.full(K, 2.0), state, present)
  np.testing.assert_allclose(state.task_weights, 1 / K, atol=1e-5)


def test_a_gain_beyond_float32_leaves_legal_weights():
  weighting = minimax.mirror_ascent(step_size=1e30)
  weights, state = weighting.update(jnp.array([1e30, 1e-30]), weighting.init(2))
  np.testing.assert_array_equal(weights, [1.0, 0.0])
  assert np.isfinite(state.log_task_weights).all()


def test_tasks_of_weight_0_share_equally_where_they_are_alone():
  weighting = minimax.fixed((1.0, 0.0, 0.0))
  present = jnp.array([False, True, True])
  weights, _ = weighting.update(jnp.ones(3), weighting.init(3), present)
  np.testing.assert_allclose(weights, [0.0, 0.5, 0.5])


def test_10_000_steps_do_not_drift():
  weighting = minimax.mirror_ascent(step_size=0.05)

  def step(state, key):
    which, drop = jax.random.split(key)
    present = jax.random.bernoulli(drop, 0.7, (K,))
    _, state = weighting.update(jax.random.uniform(which, (K,)), state, present)
    return state, state.task_weights.sum()

  keys = jax.random.split(jax.random.key(0), 10_000)
  _, sums = jax.lax.scan(step, weighting.init(K), keys)
  np.testing.assert_allclose(sums, 1.0, atol=2e-5)


loss_values = st.one_of(
  st.floats(1e-30, 1e30), st.sampled_from([np.nan, np.inf, -np.inf, 0.0])
)


@all_cases
@settings(deadline=None, max_examples=50)
@given(
  steps=st.lists(
    st.tuples(
      st.lists(loss_values, min_size=K, max_size=K),
      st.lists(st.booleans(), min_size=K, max_size=K),
    ),
    min_size=1,
    max_size=5,
  )
)
def test_any_losses_leave_legal_weights(case, steps):
  weighting = weighting_of(case)
  update = jitted_update(case)
  state = weighting.init(K)
  for losses, present in steps:
    losses = np.array(losses, np.float32)
    got, state = update(losses, state, np.array(present))
    usable = np.array(present) & np.isfinite(losses)
    assert np.isfinite(got).all()
    assert np.isfinite(state.task_weights).all()
    assert not np.isnan(state.log_task_weights).any()
    assert (np.asarray(got)[~usable] == 0).all()
    if weighting.simplex:
      assert (np.asarray(got) >= 0).all()
      np.testing.assert_allclose(got.sum(), float(usable.any()), atol=1e-5)
      np.testing.assert_allclose(state.task_weights.sum(), 1.0, atol=1e-4)


@pytest.mark.parametrize("num_tasks", [1, 64])
@pytest.mark.parametrize("name", ["uniform", "mirror_ascent", "group_dro"])
def test_one_task_and_many(name, num_tasks):
  weighting = minimax.make(name)
  got, _ = weighting.update(jnp.arange(num_tasks), weighting.init(num_tasks))
  np.testing.assert_allclose(got.sum(), 1.0, rtol=1e-5)


def test_step_size_follows_its_schedule():
  weighting = minimax.mirror_ascent(step_size=lambda step: 0.1 * step)
  assert weighting.needs == ("step",)
  losses = jnp.array([1.0, 0.0])
  still, _ = weighting.update(losses, weighting.init(2), step=0)
  moved, _ = weighting.update(losses, weighting.init(2), step=10)
  np.testing.assert_allclose(still, [0.5, 0.5])
  np.testing.assert_allclose(moved, jax.nn.softmax(losses), rtol=1e-6)


@pytest.mark.parametrize(
  ("name", "arguments", "message"),
  [
    ("mirror_ascent", {"step_size": -0.1}, r"step_size must be in \[0, inf\)"),
    ("mirror_ascent", {"step_size": np.nan}, "step_size .* got nan"),
    ("mirror_ascent", {"step_size": np.inf}, "step_size .* got inf"),
    ("mirror_ascent", {"smoothing": 1.0}, r"smoothing must be in \[0, 1\)"),
    ("softmax_weighted", {"temperature": 0}, r"temperature .* \(0, inf\)"),
    ("softmax_weighted", {"temperature": np.nan}, "temperature .* got nan"),
    ("group_dro", {"adjustments": -1.0}, "adjustments must be in"),
    ("fixed", {"weights": (1.0, -1.0)}, "weights must be in"),
    ("fixed", {"weights": (0.0, 0.0)}, "must not all be 0"),
    ("mirror_ascents", {}, "did you mean 'mirror_ascent'"),
    ("mirror_ascent", {"stepsize": 1}, "no argument 'stepsize'"),
  ],
)
def test_bad_arguments_are_refused_when_made(name, arguments, message):
  with pytest.raises(ValueError, match=message):
    minimax.make(name, **arguments)


def test_the_number_of_tasks_is_checked():
  with pytest.raises(ValueError, match="weights must be a number or have one"):
    minimax.fixed((1.0, 2.0, 3.0)).init(4)
  with pytest.raises(ValueError, match="num_tasks must be 1 or more, got 0"):
    minimax.uniform().init(0)
  weighting = minimax.uniform()
  with pytest.raises(ValueError, match="task_losses must have shape"):
    weighting.update(jnp.ones(3), weighting.init(4))
